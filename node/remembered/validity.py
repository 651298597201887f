"""When an answer that was given may be given again."""

from collections.abc import Callable
from typing import Final, Protocol

from node.remembered.words import Basis, Words

FOR_EVER: Final = 0.0
"""The time at which something ends that does not."""


class Cover(Protocol):
    """Whether what is in the own index is current, by the word of others."""

    def covered_until(self) -> float:
        """
        Until when this node may answer from its own index, as things stand: seconds of its steady
        clock. Anything that keeps it from that makes it 0: its state, its disk, its leases.
        """
        ...

    def count_covered(self) -> None:
        """Count a read that was answered from here, by leases."""
        ...


class Validity:
    """
    The rule. An answer may be given again if, at a moment after the request came,

    1. this node may answer from its own index, and whoever asks is still let in by the time, and
    2. at that moment or later, no word of what the answer was made of has changed since before it
       was made: neither those of its content nor that of who may do what.

    Then the handler would give the same one. In this order: what was acknowledged before the moment
    of 1. has changed its word by then, so that 2. sees it.
    """

    def __init__(
        self, words: Words, cover: Cover, now: Callable[[], float], wall: Callable[[], float]
    ) -> None:
        """*now* is the steady clock of *cover*, *wall* gives seconds since the Unix epoch."""
        self._words = words
        self._wall = wall
        self._cover = cover
        self._now = now

    def basis(self, repository: str, name: str) -> Basis:
        """What an answer is made of that is read from now on: a repository's, and a blob's."""
        return self._words.basis(repository, name)

    def holds(self, basis: Basis, until: float = FOR_EVER) -> bool:
        """
        Whether an answer made of *basis* may be given now, and counts it as a read if so. *until*
        is how long whoever asks is let in, by the clock on the wall.
        """
        if until and self._wall() >= until:
            return False
        if self._now() >= self._cover.covered_until():
            return False
        if not self._words.unchanged(basis):
            return False
        self._cover.count_covered()
        return True
