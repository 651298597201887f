"""Opening the index of a data directory: identity, epoch, and the parts joined together."""

from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from cluster.clock import HybridClock, WallClock
from cluster.model import NodeId, Origin
from cluster.ports import Chance
from node.index import keys
from node.index.journal import Journal
from node.index.members import IndexMembers
from node.index.merkle import Sums
from node.index.metadata import Metadata
from node.index.replica import IndexReplica, QuarantineAlarm
from node.index.store import Mutation, OrderedStore
from node.index.writer import IndexWriter, Writer
from node.startup import StartupError

FORMAT: Final = 2
"""
Version of the key layout and the rows. A newer one on disk is refused, never guessed at; an older
one is brought up to this one when it is opened.

    1  the first
    2  `merkle`: sums over the shared rows; `floor`: logs may begin later than at 1
"""

_NODE: Final = keys.join("node")
_EPOCH: Final = keys.join("epoch")
_STORE: Final = keys.join("store")
_FORMAT: Final = keys.join("format")

_SUMS_SINCE: Final = 2

_RANDOM_BITS: Final = 16
"""Of an epoch; the rest is milliseconds since the Unix epoch, and at least one more than before."""


class Index(NamedTuple):
    """The opened index: two views of one store, and its writer."""

    metadata: Metadata
    replica: IndexReplica
    members: IndexMembers
    journal: Journal
    writer: IndexWriter
    store_id: int
    """Names this data directory; a new one has another, also under the same node name."""

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
) -> Index:
    """
    Open the index in *store* for *node*, on the running event loop.

    Raises:
        StartupError: it belongs to another node or to a newer version of Atoll.
        OSError: the storage failed.
    """
    identity = identify(store, node, wall, rng)
    journal = Journal(store, identity.origin, clock, identity.store_id)
    journal.resume_clock()
    writer = make_writer(journal)
    return Index(
        Metadata(journal, writer),
        IndexReplica(journal, writer, on_quarantine),
        IndexMembers(journal, writer),
        journal,
        writer,
        identity.store_id,
    )


class Identity(NamedTuple):
    """Who writes: the log of this run, and the disk that it is on."""

    origin: Origin
    store_id: int


def identify(store: OrderedStore, node: NodeId, wall: WallClock, rng: Chance) -> Identity:
    """
    Begin a new epoch in the store; a new store gets its identity too.

    Every run writes a log of its own. A directory that was restored from a backup, rolled back to
    a snapshot or copied to a second machine has forgotten events, or shares them; none of that can
    be told from the inside, and a sequence number used twice would never be noticed. The price is
    one entry of the version vector per start.
    """
    check_format(store)
    found = owner(store)
    if found is not None and found != node:
        raise StartupError(f"the data directory belongs to node {found!r}, not to {node!r}")
    upgrade = _upgrade(store)
    epoch = _next_epoch(store.get("meta", _EPOCH), wall, rng)
    store_id = _stored_id(store, rng)
    store.write(
        [
            *upgrade,
            Mutation("meta", _FORMAT, keys.u64(FORMAT)),
            Mutation("meta", _NODE, node.encode()),
            Mutation("meta", _EPOCH, keys.u64(epoch)),
            Mutation("meta", _STORE, keys.u64(store_id)),
        ]
    )
    store.sync()
    return Identity(Origin(node, epoch), store_id)


def _upgrade(store: OrderedStore) -> list[Mutation]:
    """What a store of an older format lacks."""
    return Sums.recompute(store).stored() if needs_sums(store) else []


def needs_sums(store: OrderedStore) -> bool:
    """Whether the store was written before there were sums."""
    found = store.get("meta", _FORMAT)
    return found is not None and keys.read_u64(found) < _SUMS_SINCE


def _next_epoch(last: bytes | None, wall: WallClock, rng: Chance) -> int:
    """Larger than the last, and by its random part not that of a copy started at the same time."""
    after = 0 if last is None else (keys.read_u64(last) >> _RANDOM_BITS) + 1
    return max(wall.now_ms(), after) << _RANDOM_BITS | rng.getrandbits(_RANDOM_BITS)


def _stored_id(store: OrderedStore, rng: Chance) -> int:
    stored = store.get("meta", _STORE)
    return rng.getrandbits(63) if stored is None else keys.read_u64(stored)


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
