"""Opening the index of a data directory: identity, epoch, and the parts joined together."""

from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from cluster.clock import HybridClock, WallClock
from cluster.model import NodeId, Origin
from node.index import keys
from node.index.journal import Journal
from node.index.metadata import Metadata
from node.index.replica import IndexReplica, QuarantineAlarm
from node.index.store import Mutation, OrderedStore
from node.index.writer import IndexWriter, Writer
from node.startup import StartupError

FORMAT: Final = 1
"""Version of the key layout and the rows. A newer one on disk is refused, never guessed at."""

_NODE: Final = keys.join("node")
_EPOCH: Final = keys.join("epoch")
_FORMAT: Final = keys.join("format")


class Index(NamedTuple):
    """The opened index: two views of one store, and its writer."""

    metadata: Metadata
    replica: IndexReplica
    journal: Journal
    writer: IndexWriter

    def close(self) -> None:
        """Finish pending changes and close the store. Blocks until then."""
        self.writer.close()
        self.journal.store.close()


def open_index(
    store: OrderedStore,
    node: NodeId,
    clock: HybridClock,
    wall: WallClock,
    on_quarantine: QuarantineAlarm,
    make_writer: Callable[[Journal], IndexWriter] = Writer,
) -> Index:
    """
    Open the index in *store* for *node*, on the running event loop.

    Raises:
        StartupError: it belongs to another node or to a newer version of Atoll.
        OSError: the storage failed.
    """
    origin = identify(store, node, wall)
    journal = Journal(store, origin, clock)
    journal.resume_clock()
    writer = make_writer(journal)
    return Index(
        Metadata(journal, writer), IndexReplica(journal, writer, on_quarantine), journal, writer
    )


def identify(store: OrderedStore, node: NodeId, wall: WallClock) -> Origin:
    """Read the store's identity, or give it one: a new store starts a new epoch."""
    check_format(store)
    found = owner(store)
    if found is None:
        epoch = wall.now_ms()
        store.write(
            [
                Mutation("meta", _FORMAT, keys.u64(FORMAT)),
                Mutation("meta", _NODE, node.encode()),
                Mutation("meta", _EPOCH, keys.u64(epoch)),
            ]
        )
        store.sync()
        return Origin(node, epoch)
    if found != node:
        raise StartupError(f"the data directory belongs to node {found!r}, not to {node!r}")
    stored = store.get("meta", _EPOCH)
    assert stored is not None, "written in the same batch as the node"
    return Origin(node, keys.read_u64(stored))


def owner(store: OrderedStore) -> NodeId | None:
    """The node that the store belongs to; None when it is new."""
    name = store.get("meta", _NODE)
    return None if name is None else NodeId(name.decode())


def check_format(store: OrderedStore) -> None:
    """
    Refuse what a newer Atoll wrote.

    Raises:
        StartupError: with both versions.
    """
    found = store.get("meta", _FORMAT)
    if found is not None and keys.read_u64(found) > FORMAT:
        raise StartupError(
            f"the data directory has format {keys.read_u64(found)}, "
            f"this version of Atoll knows {FORMAT} at most: use the newer version"
        )


def index_path(data_dir: Path) -> Path:
    return data_dir / "index"
