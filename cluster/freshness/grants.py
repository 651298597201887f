"""
The side that grants: who of one region may read by the word of this node.

A reader R is *listed* first, and gets a lease by a later greeting. So there is no moment at which R
may read, and this node could have said "I have the event" without naming R: `holders` names who is
listed as well as who has a lease.

- R is listed when it has all that this node had `laggard_s` ago.
- A listed R gets a lease, the first one or another, when it has all that this node had then, or
  when it was listed if that is later. Else it gets none.
- R is struck off once its last lease is over: when a greeting of it finds that it lags, or when it
  has not greeted for the time of a lease.

"All that this node had now" would starve everybody under a steady stream of writes; and a grant
without the listing lets R read what it had before an event that this node confirmed in between.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from cluster.freshness.drift import DRIFT
from cluster.freshness.moments import Moments
from cluster.model import Disk, Run, Vector
from cluster.vectors import covers


class Grant(Enum):
    """What a greeting of a reader gets it."""

    GRANTED = auto()
    """A lease."""

    LISTED = auto()
    """None yet; but it counts as a reader from now on."""

    LAGS = auto()
    """None: it lacks what this node had a while ago."""

    FALLS_BEHIND = auto()
    """None any more, for that reason."""


@dataclass(slots=True)
class _Reader:
    epoch: int
    listed_at: float
    wanted: Vector
    """What this node had when it listed the reader."""

    greeted_at: float
    until: float = 0.0
    """When its last lease is surely over."""

    lags: bool = False


class Grants:
    """The readers of one region. Times are seconds of this node's monotonic clock."""

    def __init__(self, lease_s: float, laggard_s: float, moments: Moments) -> None:
        self._lease_s: Final = lease_s
        self._laggard_s: Final = laggard_s
        self._moments: Final = moments
        self._readers: dict[Disk, _Reader] = {}

    def greet(self, run: Run, have: Vector, now: float) -> Grant:
        """The answer to a reader whose *run* has *have* by its own word, and has just greeted."""
        reader = self._readers.get(run.disk)
        if reader is not None and run.epoch < reader.epoch:
            return Grant.LAGS  # It was under way for long, and its run is over.
        if reader is not None and reader.epoch != run.epoch:
            # Leases are the run's, and that one is over.
            reader = None
            del self._readers[run.disk]
        if reader is None:
            if not covers(have, self._moments.at(now - self._laggard_s)):
                return Grant.LAGS
            wanted = dict(self._moments.at(now))
            self._readers[run.disk] = _Reader(run.epoch, now, wanted, now)
            return Grant.LISTED
        reader.greeted_at = now
        lagged, reader.lags = reader.lags, not covers(have, self._wanted(reader, now))
        if not reader.lags:
            reader.until = now + self._lease_s * DRIFT
            return Grant.GRANTED
        if reader.until <= now:
            del self._readers[run.disk]
        return Grant.LAGS if lagged else Grant.FALLS_BEHIND

    def holders(self, now: float) -> Mapping[Disk, int]:
        """Who may read by this node's word now, or is about to: the epochs of their runs."""
        silent = [disk for disk, reader in self._readers.items() if self._is_over(reader, now)]
        for disk in silent:
            del self._readers[disk]
        return {disk: reader.epoch for disk, reader in self._readers.items()}

    def over_at(self, disk: Disk, now: float) -> float:
        """When *disk* is no holder any more, if it does not greet again."""
        reader = self._readers.get(disk)
        return now if reader is None else self._over_at(reader)

    def _wanted(self, reader: _Reader, now: float) -> Vector:
        moment = now - self._laggard_s
        return reader.wanted if reader.listed_at > moment else self._moments.at(moment)

    def _over_at(self, reader: _Reader) -> float:
        return max(reader.until, reader.greeted_at + self._lease_s)

    def _is_over(self, reader: _Reader, now: float) -> bool:
        return self._over_at(reader) <= now
