"""How long to pause before trying a peer again. Pure."""

from typing import Final

from cluster.ports import Chance

_EXPONENT_MAX: Final = 32
"""Beyond it a doubling changes nothing: every sensible maximum is reached long before."""


class Backoff:
    """
    Doubling pauses with full jitter, so that peers cut off together do not return together.

    The n-th pause in a row is even over [minimum, min(maximum, minimum * 2**n)].
    """

    def __init__(self, minimum_s: float, maximum_s: float, rng: Chance) -> None:
        self._minimum_s = minimum_s
        self._maximum_s = maximum_s
        self._rng = rng
        self._failures = 0

    def next_s(self) -> float:
        """The pause after one more failure, in seconds."""
        self._failures = min(self._failures + 1, _EXPONENT_MAX)
        ceiling = min(self._maximum_s, self._minimum_s * 2.0**self._failures)
        return self._rng.uniform(self._minimum_s, ceiling)

    def reset(self) -> None:
        """Start over after a success."""
        self._failures = 0
