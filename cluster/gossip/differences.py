"""What has changed in this node's vector since somebody last heard it. Pure."""

from typing import Final

from cluster import vectors
from cluster.messages import Heard
from cluster.model import Origin, Vector

NOTHING: Final = Heard(0, 0)
"""What somebody has heard who has heard nothing."""


class Differences:
    """
    This node's vector, with a number for each of its states: its *version* in this run.

    A member says which version of this node's vector it has, and is told what changed after that
    one. The number says all that has to be known of the member: greetings may be lost, come twice
    or overtake each other, on one link or on several. Example: B has version 7. The answer with
    version 8 is lost, and B says 7 again: it is told what changed in 8 and in 9. Within a run the
    logs only grow (`EventLog.vector`), so nothing has to be taken back.
    """

    def __init__(self, epoch: int) -> None:
        """Begin the run *epoch*."""
        self._epoch = epoch
        self._vector: Vector = {}
        self._changed: dict[Origin, int] = {}
        """The version in which each log last grew; the latest last."""
        self.version = 0

    def note(self, vector: Vector) -> None:
        """Take note of how far this node is now."""
        if vector is self._vector:
            return
        known = self._vector
        grown = [origin for origin, seq in vector.items() if seq > known.get(origin, 0)]
        self._vector = vector
        if grown:
            self.version += 1
        for origin in grown:
            self._changed.pop(origin, None)
            self._changed[origin] = self.version
        if any(vectors.is_mark(origin) for origin in grown):
            # Whoever has not heard of the logs that it stands for hears of the watermark.
            for origin in self._changed.keys() - vector.keys():
                del self._changed[origin]

    def base(self, heard: Heard) -> int:
        """
        The version after which to begin for a member that has *heard* so much: 0, the beginning, if
        that was of an earlier run, which counted its own versions.
        """
        known = heard.epoch == self._epoch and heard.version <= self.version
        return heard.version if known else 0

    def since(self, version: int) -> dict[Origin, int]:
        """How far the logs are that grew after *version*."""
        news = {}
        for origin, changed in reversed(self._changed.items()):
            if changed <= version:
                break
            news[origin] = self._vector[origin]
        return news
