"""Opening the index of a data directory: identity, epoch, and the parts joined together."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from cluster import HybridClock
from cluster.model import NodeId, Origin
from cluster.ports import Chance, WallClock
from node.errors.startup import StartupError
from node.index import keys, objects
from node.index.control import IndexControl, ended_rows
from node.index.journal import Journal
from node.index.members import IndexMembers
from node.index.metadata import Metadata
from node.index.migrations import FORMATS, Formats
from node.index.replica import IndexReplica, QuarantineAlarm
from node.index.store import Mutation, OrderedStore
from node.index.worded import Observer, WordedStore
from node.index.writer import IndexWriter, Writer
from node.remembered.words import Words

_NODE: Final = keys.join("node")
_EPOCH: Final = keys.join("epoch")
_STORE: Final = keys.join("store")

_STORE_BITS: Final = 64
"""Of a disk's name: as many as make it improbable that two of a cluster are alike."""

_RANDOM_BITS: Final = 16
"""Of an epoch; the rest is milliseconds since the Unix epoch, and at least one more than before."""


class Index(NamedTuple):
    """The opened index: two views of one store, and its writer."""

    metadata: Metadata
    replica: IndexReplica
    members: IndexMembers
    control: IndexControl
    disk: str
    """The name of this disk: a new index is another one."""

    journal: Journal
    writer: IndexWriter
    words: Words
    """Changed with all that is written in it."""

    def observe(self, observer: Observer) -> None:
        """Have *observer* hear of all that is written from now on."""
        store = self.journal.store
        assert isinstance(store, WordedStore), "an index is opened over one"
        store.observers.append(observer)

    def close(self) -> None:
        """Finish pending changes and close the store. Blocks until then."""
        self.writer.close()
        self.journal.store.close()


def open_index(
    store: OrderedStore,
    node: NodeId,
    clock: HybridClock,
    wall: WallClock,
    rng: Chance,
    on_quarantine: QuarantineAlarm,
    make_writer: Callable[[Journal], IndexWriter] = Writer,
    formats: Formats = FORMATS,
    ended: Sequence[bytes] = (),
    epoch_after: int = 0,
) -> Index:
    """
    Open the index in *store* for *node*, on the running event loop. It knows from now on that the
    generations *ended* of the control log are over, and begins an epoch behind *epoch_after*.

    Raises:
        StartupError: it belongs to another node, or has a format that there is no way from.
        StorageFailure: the storage failed.
    """
    words = Words()
    worded = WordedStore(store, words)
    mine = identify(worded, node, wall, rng, formats, ended, epoch_after)
    journal = Journal(worded, mine, clock)
    journal.resume_clock()
    journal.on_work_left = partial(objects.finish, journal)
    if not journal.restoring:
        journal.finish_work()
        objects.retry(journal)
    writer = make_writer(journal)
    return Index(
        Metadata(journal, writer, words),
        IndexReplica(journal, writer, on_quarantine),
        IndexMembers(journal, writer),
        IndexControl(journal, writer),
        disk_of(store),
        journal,
        writer,
        words,
    )


def identify(
    store: OrderedStore,
    node: NodeId,
    wall: WallClock,
    rng: Chance,
    formats: Formats = FORMATS,
    ended: Sequence[bytes] = (),
    epoch_after: int = 0,
) -> Origin:
    """
    Begin a new epoch in the store, of the current format from now on; returns the log that this
    run writes.

    Every run writes a log of its own. A directory that was restored from a backup, rolled back to
    a snapshot or copied to a second machine has forgotten events, or shares them; none of that can
    be told from the inside, and a sequence number used twice would never be noticed. The price is
    one entry of the version vector per start, until that is retired (`cluster.gossip.retirement`).
    """
    formats.check(store)
    found = owner(store)
    if found is not None and found != node:
        raise StartupError(f"the data directory belongs to node {found!r}, not to {node!r}")
    formats.upgrade(store)
    row = store.get("meta", _EPOCH)
    last = max(epoch_after, 0 if row is None else keys.read_u64(row))
    epoch = _next_epoch(last, wall, rng)
    rows = [Mutation("meta", _NODE, node.encode()), Mutation("meta", _EPOCH, keys.u64(epoch))]
    if store.get("meta", _STORE) is None:
        name = f"{rng.getrandbits(_STORE_BITS):0{_STORE_BITS // 4}x}"
        rows.append(Mutation("meta", _STORE, name.encode()))
    store.write([*rows, *ended_rows(ended)])
    store.sync()
    return Origin(node, epoch)


def _next_epoch(last: int, wall: WallClock, rng: Chance) -> int:
    """Larger than the last, and by its random part not that of a copy started at the same time."""
    after = (last >> _RANDOM_BITS) + 1
    return max(wall.now_ms(), after) << _RANDOM_BITS | rng.getrandbits(_RANDOM_BITS)


def disk_of(store: OrderedStore) -> str:
    """The name that `identify` gave to the disk."""
    name = store.get("meta", _STORE)
    assert name is not None, "the store has been identified"
    return name.decode()


def owner(store: OrderedStore) -> NodeId | None:
    """The node that the store belongs to; None when it is new."""
    name = store.get("meta", _NODE)
    return None if name is None else NodeId(name.decode())


def index_path(data_dir: Path) -> Path:
    return data_dir / "index"
