"""An index that was left behind, opened to read."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from cluster import vectors
from cluster.errors import StorageFailure
from cluster.model import Digest, Dot, Event, NodeId, Origin
from cluster.objects import decode_event, in_causal_order
from node.errors.startup import StartupError
from node.index import keys
from node.index.index import owner
from node.index.journal import RESTORING
from node.index.migrations import FORMATS
from node.index.quarantine import FAMILY as QUARANTINE
from node.index.queries import Queries
from node.index.rocks import RocksStore
from node.index.store import END
from node.recovery.finds import Find, found
from node.recovery.former import FORMER
from node.registry.values import ManifestRecord

_CURRENT: Final = "CURRENT"


class LogEnds(NamedTuple):
    """Sequences of one log."""

    floor: int
    """The events up to here are gone from the log: the members had said that they have them."""

    upto: int
    """The last event."""


def former_indexes(path: Path) -> list[Path]:
    """
    The indexes that *path* stands for, the newest first: itself, or those of a data directory.

    Raises:
        StartupError: there is none.
    """
    if path.name.startswith(FORMER) or (path / _CURRENT).exists():
        if (path / _CURRENT).exists():
            return [path]
        raise StartupError(f"{path} is not an index")
    # Their names end in the time.
    indexes = sorted(path.glob(f"{FORMER}*"), reverse=True)
    if not indexes:
        raise StartupError(f"{path} has no {FORMER}*: no index of it was left behind")
    return indexes


class FormerIndex:
    """
    A context manager. Nothing is written, so the node of the directory may run meanwhile.

    Every method raises `StorageFailure` when the index cannot be read.
    """

    def __init__(self, path: Path) -> None:
        """
        Raises:
            StartupError: it is none that this version of Atoll can tell the tail of.
            StorageFailure, OSError: it cannot be opened.
        """
        self._store = RocksStore(path, read_only=True)
        try:
            self.node = self._checked(path)
        except (StartupError, StorageFailure):
            self._store.close()
            raise
        self._queries = Queries(self._store)

    def _checked(self, path: Path) -> NodeId:
        if not FORMATS.is_current(self._store):
            raise StartupError(f"{path} has another format: use the version that it was written by")
        node = owner(self._store)
        if node is None:
            raise StartupError(f"nothing was ever written to {path}")
        if self._store.get("meta", RESTORING) is not None:
            raise StartupError(
                f"{path} was being replaced by another node's index: what its own log says of its "
                "rows cannot be told"
            )
        return node

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._store.close()

    def logs(self) -> dict[Origin, LogEnds]:
        """The logs, of any node, that have events which the members may lack."""
        floors = dict(self._ends("floor"))
        ends = {
            origin: LogEnds(floors.get(origin, 0), upto)
            for origin, upto in vectors.logs(dict(self._ends("vector")))
        }
        return {origin: log for origin, log in ends.items() if log.upto > log.floor}

    def _ends(self, family: str) -> Iterator[tuple[Origin, int]]:
        for key, value in self._store.scan(family, b"", END):
            yield keys.read_origin(key), keys.read_reach(value)

    def finds(self, after: Mapping[Origin, int]) -> list[Find]:
        """What the events behind those sequences changed, each behind what it builds on."""
        ends = self.logs()
        logs = [self._events(origin, seq, ends[origin].upto) for origin, seq in after.items()]
        return found(in_causal_order(logs), self._queries)

    def _events(self, origin: Origin, after: int, upto: int) -> Iterator[Event]:
        start, stop = keys.log(origin, after + 1), keys.log(origin, upto + 1)
        for _, value in self._store.scan("log", start, stop):
            yield decode_event(value)

    def has_seen(self, event: Dot) -> bool:
        """Whether the event was applied here: what came later has taken it into account."""
        there = (event.origin, vectors.mark_of(event.node))
        found = {origin: self._store.get("vector", keys.origin(origin)) for origin in there}
        ends = {origin: keys.read_reach(row) for origin, row in found.items() if row is not None}
        known = vectors.reached(ends, event.origin)
        return event.seq <= known and self._store.get(QUARANTINE, keys.dot(event)) is None

    def manifest(self, repository: str, digest: Digest) -> ManifestRecord | None:
        """A manifest with its bytes; None when it is not there any more."""
        return self._queries.manifest(repository, digest)
