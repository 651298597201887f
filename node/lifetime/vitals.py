"""What this node says of its own condition to the others, with each greeting."""

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from cluster.model import Vitals
from node.attention import troubles
from node.disk.datadir import Space
from node.lifetime.readiness import Readiness

FRESH_S: Final = 0.5
"""How long a look is good for. There are as many greetings a second as there are members, and more,
and most of a look is in the disk."""


class VitalSigns:
    """Looks when it is asked, if the last look was a while ago."""

    def __init__(
        self,
        readiness: Readiness,
        space: Callable[[], Space],
        blobs: Callable[[], tuple[int, int]],
        now_s: Callable[[], float],
    ) -> None:
        """*blobs* tells how many are on the disk, and how many bytes they are; *now_s* is a steady
        clock."""
        self._readiness = readiness
        self._space = space
        self._blobs = blobs
        self._now_s = now_s
        self._version = version_here()
        self._seen: Vitals | None = None
        self._seen_s = 0.0

    def __call__(self) -> Vitals:
        now = self._now_s()
        if self._seen is None or now - self._seen_s >= FRESH_S:
            self._seen, self._seen_s = self._look(), now
        return self._seen

    def _look(self) -> Vitals:
        space, (blobs, size) = self._space(), self._blobs()
        trouble = troubles.told(self._readiness.all_reasons())
        return Vitals(self._version, space.all, space.free, blobs, size, trouble)


def version_here() -> str:
    """That of the package; empty when this runs from a source tree."""
    try:
        return version("atoll")
    except PackageNotFoundError:
        return ""
