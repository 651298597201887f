"""
How long who fails to log in has to wait before the next try. Pure: no clock, no sockets.

What is counted is the pair of a name and the network that tries it, and each network by itself. No
name is ever counted alone: whoever fails on purpose, however often and from however many networks,
makes nobody wait but those networks. A try counts against its pair from its beginning, so that many
at once are no way around it; the same secret again is no other try, as clients send it with each
request.
"""

from collections import OrderedDict
from typing import Final, NamedTuple

from node.shares.rates import Meter, Rate

FREE: Final = 5
"""Failures of a pair that cost nothing: people mistype, and clients try again by themselves."""

FIRST_S: Final = 1.0
LONGEST_S: Final = 900.0
"""The wait after one more failure, which doubles with each, and its end: 100 guesses a day."""

FORGIVEN_S: Final = 2 * LONGEST_S
"""After so long without a failure a pair is as if it had never failed."""

PAIRS_MAX: Final = 65_536
"""Pairs remembered, some 300 bytes each. Beyond it those that were tried the longest ago are
forgotten: who has so many networks is bounded by what each of them may try."""

NETWORK_RATE: Final = Rate(120, 60.0)
"""Tries that fail in a minute from one network, whatever the names: an office of people mistypes
less, and who tries one password on all names gets no further."""


class _Failures(NamedTuple):
    times: int
    mark: bytes
    """What was tried last."""

    last_s: float
    free_at_s: float
    """When the next try is let in."""


class Lockout:
    """Who has to wait before they may try to log in. Times are of one clock, in seconds."""

    def __init__(
        self,
        *,
        pairs_max: int = PAIRS_MAX,
        network_rate: Rate = NETWORK_RATE,
    ) -> None:
        self._pairs_max = pairs_max
        self._pairs: OrderedDict[tuple[str, str], _Failures] = OrderedDict()
        self._networks = Meter(network_rate, places=1 << 14)

    def __len__(self) -> int:
        return len(self._pairs)

    def try_now(self, name: str, network: str, mark: bytes, now_s: float) -> float:
        """
        Begin to log in as *name* from *network*: 0 where that may go on, else the seconds to wait.

        *mark* tells secrets apart, and does not give them away. Who has to wait was not let in, and
        is not counted: asking meanwhile makes no wait longer.
        """
        known = self._known(name, network, now_s)
        if known is not None and now_s < known.free_at_s:
            return known.free_at_s - now_s
        if (wait_s := self._networks.look(network, now_s).wait_s) > 0.0:
            return wait_s
        if known is not None and known.mark == mark:
            return 0.0
        times = 1 if known is None else known.times + 1
        self._pairs[name, network] = _Failures(times, mark, now_s, now_s + _wait_s(times))
        self._pairs.move_to_end((name, network))
        while len(self._pairs) > self._pairs_max:
            self._pairs.popitem(last=False)
        return 0.0

    def failed(self, network: str, now_s: float) -> None:
        """A try that was let in was wrong: the network is counted, too."""
        self._networks.take(network, now_s)

    def succeeded(self, name: str, network: str) -> None:
        """The try that was let in was right: the pair has never failed."""
        self._pairs.pop((name, network), None)

    def undecided(self, name: str, network: str) -> None:
        """Whether it was right could not be told: it counts for nothing."""
        known = self._pairs.get((name, network))
        if known is not None:
            self._pairs[name, network] = known._replace(
                times=known.times - 1, mark=b"", free_at_s=known.last_s
            )

    def _known(self, name: str, network: str, now_s: float) -> _Failures | None:
        known = self._pairs.get((name, network))
        if known is None or now_s > known.last_s + FORGIVEN_S:
            return None
        return known


def _wait_s(times: int) -> float:
    """How long the pair has to wait once it has failed so many *times*."""
    if times <= FREE:
        return 0.0
    doublings = min(times - FREE - 1, 32)  # so that no float overflows
    return min(LONGEST_S, FIRST_S * 2.0**doublings)
