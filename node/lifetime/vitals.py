"""What this node says of its own condition to the others, with each greeting."""

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

from cluster.model import Vitals
from node.attention import troubles
from node.disk.datadir import Space
from node.lifetime.readiness import Readiness


class VitalSigns:
    """Looks each time that it is asked, which takes microseconds."""

    def __init__(
        self, readiness: Readiness, space: Callable[[], Space], blobs: Callable[[], tuple[int, int]]
    ) -> None:
        """*blobs* tells how many are on the disk, and how many bytes they are."""
        self._readiness = readiness
        self._space = space
        self._blobs = blobs
        self._version = version_here()

    def __call__(self) -> Vitals:
        space, (blobs, size) = self._space(), self._blobs()
        trouble = troubles.told(self._readiness.all_reasons())
        return Vitals(self._version, space.all, space.free, blobs, size, trouble)


def version_here() -> str:
    """That of the package; empty when this runs from a source tree."""
    try:
        return version("atoll")
    except PackageNotFoundError:
        return ""
