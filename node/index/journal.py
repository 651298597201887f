"""
The event log and the transactions that extend it.

A transaction is one change: the events it emits or applies, the objects they merge into and the
rows derived from them go to the store as one atomic batch. Only the writer thread runs
transactions; anyone may read.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple

import msgspec

from cluster import HybridClock, vectors
from cluster.errors import BelowFloor, NotCaughtUp, StorageFailure
from cluster.model import Digest, Dot, Event, Key, NodeId, Origin, Stamp, Vector
from cluster.objects import (
    Body,
    asked_by,
    claims,
    decode_event,
    encode_body,
    encode_event,
    kind_of,
)
from node.index import keys, rows
from node.index.merkle import RowChange, Sums
from node.index.own import OwnBlobs
from node.index.quarantine import FAMILY as QUARANTINE
from node.index.quarantine import Quarantine
from node.index.rows import HolderRow, TotalsRow
from node.index.store import END, LOCAL_FAMILIES, Change, Mutation, OrderedStore, RangeDeletion

RESTORING: Final = keys.join("restoring")
"""Row of `meta` that is there while a checkpoint takes the place of the objects."""

CLOCK: Final = keys.join("clock")
"""Row of `meta` with the largest stamp among the events that are gone from the logs."""

TOTALS: Final = keys.join("totals")
"""Row of `meta` that holds the totals; in the same batch as what they count."""

_READ_LAST_BYTES: Final = 64 << 10
"""Events of more bytes are read for each peer anew: they are not kept."""


def forget_log(origin: Origin, seq: int) -> list[Change]:
    """What takes the events up to *seq* out of a log, and says so."""
    return [
        RangeDeletion("log", keys.log(origin, 0), keys.log(origin, seq + 1)),
        Mutation("floor", keys.origin(origin), keys.u64(seq)),
    ]


class Transaction:
    """
    One change being put together: reads see its own writes, nothing is stored until `commit`.
    """

    def __init__(self, journal: "Journal", who: str = "") -> None:
        """*who* asked for what this node changes by it; empty: that is not noted."""
        self._journal = journal
        self._who = who
        self._rows: dict[tuple[str, bytes], bytes | None] = {}
        self._read: dict[tuple[str, bytes], bytes | None] = {}
        self._progress: dict[Origin, int] = {}
        self._made: list[Event] = []
        self._manifests = 0
        self._said: dict[Digest, HolderRow] = {}
        self._cached: dict[Digest, int | None] = {}
        self._conflicts: list[Key] = []
        self.leaves_work = False
        """Whether its end leaves rows to `Journal.finish_work`, which has to come next."""

    def get(self, family: str, key: bytes) -> bytes | None:
        try:
            return self._rows[family, key]
        except KeyError:
            value = self._journal.store.get(family, key)
            self._read[family, key] = value
            return value

    def scan(self, family: str, prefix: bytes) -> list[tuple[bytes, bytes]]:
        """Every row under *prefix*, in order."""
        return self.page(family, prefix, keys.after(prefix))

    def first(self, family: str, prefix: bytes) -> tuple[bytes, bytes] | None:
        """The first row under *prefix*."""
        return next(iter(self.page(family, prefix, keys.after(prefix), 1)), None)

    def page(
        self, family: str, start: bytes, stop: bytes, limit: int | None = None
    ) -> list[tuple[bytes, bytes]]:
        """The first rows with *start* <= key < *stop*, in order; without a *limit* all of them."""
        own = self._own(family, start, stop)
        stored = self._journal.store.scan(family, start, stop)
        found = [(key, value) for key, value in own.items() if value is not None]
        found += islice((row for row in stored if row[0] not in own), limit)
        return sorted(found)[:limit]

    def _own(self, family: str, start: bytes, stop: bytes) -> dict[bytes, bytes | None]:
        return {
            key: value
            for (written, key), value in self._rows.items()
            if written == family and start <= key < stop
        }

    def put(self, family: str, key: bytes, value: bytes | None) -> None:
        """Set a row, or delete it with None."""
        self._rows[family, key] = value

    def delete(self, family: str, key: bytes) -> None:
        self._rows[family, key] = None

    @property
    def origin(self) -> Origin:
        """The log that this node writes."""
        return self._journal.origin

    def stands(self, epoch: int, seq: int) -> bool:
        """Whether the holder row that this node made with its event (epoch, seq) still counts."""
        return self._journal.stands(epoch, seq)

    def known(self, origin: Origin) -> int:
        """Sequence of the last event of *origin*, this transaction's included."""
        progress = self._progress.get(origin)
        return vectors.reached(self._journal.applied, origin) if progress is None else progress

    def has(self, dot: Dot) -> bool:
        """Whether the event is here, applied or in quarantine."""
        return dot.seq <= self.known(dot.origin)

    def is_retired(self, origin: Origin) -> bool:
        """Whether all of the log is here, and nothing more of it can be taken."""
        return vectors.is_retired(self._journal.applied, origin)

    def seen(self, dot: Dot) -> bool:
        """Whether the event is applied."""
        return self.has(dot) and self.get(QUARANTINE, keys.dot(dot)) is None

    def new_event(self, key: Key, body: Body, after: Stamp) -> Event:
        """
        The next event of this node's own log. Not yet recorded.

        Every event that a transaction makes is part of one change.
        """
        origin = self._journal.origin
        dot = Dot(origin.node, origin.epoch, self.known(origin) + 1)
        stamp = self._journal.clock.tick(after)
        event = Event(dot, stamp, kind_of(body), key, encode_body(asked_by(body, self._who)))
        self._made.append(event)
        return event

    def record(self, event: Event) -> None:
        """Append *event* to its log. It must be the next one there."""
        origin, seq = event.origin, event.dot.seq
        assert seq == self.known(origin) + 1, f"{event.dot} out of order"
        self._progress[origin] = seq
        self._log(event)
        self.put("vector", keys.origin(origin), keys.u64(seq))

    def _log(self, event: Event) -> None:
        self.put("log", keys.log(event.origin, event.dot.seq), encode_event(event))

    def count(self, *, manifests: int) -> None:
        """Add to the totals of what is stored."""
        self._manifests += manifests

    def put_own(self, digest: Digest, row: HolderRow) -> None:
        """Note what this node says of a blob now: a copy that counts is no cached one."""
        self.put("own", keys.join(digest), rows.encode(row) if row.held else None)
        # A row that came back from peers speaks of an earlier disk: it brings no blob here.
        here = self.stands(row.epoch, row.seq) or self._journal.own.size(digest) is not None
        if here or not row.held:
            self._said[digest] = row
        if here and row.held:
            self.put_cached(digest, None)

    def put_cached(self, digest: Digest, size: int | None) -> None:
        """Note that a blob is here that nobody counts on; or, with None, that it is not."""
        if size is not None or self._journal.cached.size(digest) is not None:
            row = None if size is None else keys.u64(size)
            self.put("cached", keys.join(digest), row)
            self._cached[digest] = size

    def conflict(self, key: Key) -> None:
        """Note that the register under *key* has two values now."""
        self._conflicts.append(key)

    def commit(self) -> None:
        """Write everything in one batch."""
        if not self._rows:
            return
        for rest, event in enumerate(reversed(self._made)):
            if rest:
                self._log(msgspec.structs.replace(event, rest=rest))
        totals = TotalsRow(self._journal.totals.manifests + self._manifests)
        if totals != self._journal.totals:
            self.put("meta", TOTALS, rows.encode(totals))
        sums, summed = self._journal.sums.after(self._changes())
        batch = [Mutation(family, key, value) for (family, key), value in self._rows.items()]
        quarantined = [
            (self._before(family, key), value)
            for family, key, value in batch
            if family == QUARANTINE
        ]
        self._journal.store.write([*batch, *summed])
        self._journal.sums = sums
        for before, after in quarantined:
            self._journal.quarantine.follow(before, after)
        self._journal.applied.update(self._progress)
        self._journal.totals = totals
        for digest, row in self._said.items():
            self._journal.own.note(digest, row.size if row.held else None)
        for digest, size in self._cached.items():
            self._journal.cached.note(digest, size)
        for key in self._conflicts:
            self._journal.on_conflict(key)
        if self.leaves_work:
            self._journal.finish_work()

    def _changes(self) -> Iterator[RowChange]:
        for (family, key), after in self._rows.items():
            if family not in LOCAL_FAMILIES:
                yield RowChange(family, key, self._before(family, key), after)

    def _before(self, family: str, key: bytes) -> bytes | None:
        try:
            return self._read[family, key]
        except KeyError:
            return self._journal.store.get(family, key)


class _Read(NamedTuple):
    """Events of one log that were read: those behind a sequence, up to where it was durable."""

    part: tuple[Origin, int, int]
    size: int
    events: Sequence[Event]


class Journal:
    """
    The log of every origin, and how far each is applied and durable.

    `applied` and `sums` belong to the writer thread. `durable` is replaced as a whole after each
    sync, and `floor` with each trim, so that readers on other threads always see a consistent one.
    """

    def __init__(self, store: OrderedStore, origin: Origin, clock: HybridClock) -> None:
        self.store = store
        self.origin = origin
        self.clock = clock
        self.on_conflict: Callable[[Key], None] = lambda key: None
        """Runs on the writer thread once for every conflict that arises."""
        self.on_work_left: Callable[[], None] = lambda: None
        """Brings what was begun and is too large for one batch to its end, in many."""
        self.unfinished: StorageFailure | None = None
        """Why that failed, and rows are half done: nobody may build on them until `recover`."""
        self.applied: dict[Origin, int] = {}
        self.floor: Vector = {}
        """Up to where events are gone from each log. Their effect is in the objects."""
        self.restoring = False
        """The objects are being replaced by a checkpoint: nothing may be read or changed."""
        self.recoveries = 0
        """How often the store was recovered: what was not synced before may be gone since."""
        self._read_last = _Read((origin, 0, 0), 0, ())
        """Peers are handed the same events, one after the other: they are read once."""
        self.sums = Sums()
        self.quarantine = Quarantine()
        self.totals = TotalsRow()
        self._load()
        self.durable: Vector = dict(self.applied)
        self.began: Vector = {o: seq for o, seq in self.durable.items() if o.node == origin.node}
        """How far this node's own logs were on this disk when the run began."""
        self.own = OwnBlobs()
        """What counts as a copy: what this node has told everybody."""
        self.cached = OwnBlobs()
        """What came with a pull, and nobody counts on."""
        self.load_own()

    def _load(self) -> None:
        self.applied = self._origins("vector")
        self.floor = self._origins("floor")
        self.restoring = self.store.get("meta", RESTORING) is not None
        if self.restoring:
            self.applied.update(self._log_ends())
        self.sums = Sums.load(self.store)
        self.quarantine = Quarantine.load(self.store)
        row = self.store.get("meta", TOTALS)
        self.totals = TotalsRow() if row is None else rows.decode(TotalsRow, row)

    def size_here(self, digest: Digest) -> int | None:
        """Size in bytes of a blob that is here in any role; from memory."""
        held = self.own.size(digest)
        return self.cached.size(digest) if held is None else held

    def load_own(self) -> None:
        """Take what is in memory of this node's blobs from their rows."""
        own, cached = OwnBlobs(), OwnBlobs()
        for key, value in self.store.scan("own", b"", END):
            row = rows.decode(HolderRow, value)
            if self.stands(row.epoch, row.seq):
                own.note(Digest(keys.split(key)[0]), row.size)
        for key, value in self.store.scan("cached", b"", END):
            cached.note(Digest(keys.split(key)[0]), keys.read_u64(value))
        self.own, self.cached = own, cached

    def _origins(self, family: str) -> dict[Origin, int]:
        return {
            keys.read_origin(key): keys.read_reach(value)
            for key, value in self.store.scan(family, b"", END)
        }

    def recover(self) -> None:
        """
        Take the store up again after a failure; on the writer thread.

        What the failed changes left here is replaced by what the store really has. They were not
        acknowledged and no peer has seen them, so their sequence numbers may be given again.

        Raises:
            StorageFailure: it still fails; see `OrderedStore.recover`.
        """
        self.store.recover()
        self.recoveries += 1
        self._load()
        self.load_own()
        self.unfinished = None
        if not self.restoring:
            self.finish_work()

    @property
    def trouble(self) -> StorageFailure | None:
        """Why nothing may be changed until `recover`; None when all is well."""
        return self.store.trouble or self.unfinished

    def finish_work(self) -> None:
        """
        Do what changes have left, if there is something. On the writer thread.

        Raises:
            StorageFailure: it is half done. `recover` goes on.
        """
        try:
            self.on_work_left()
        except StorageFailure as exc:
            self.unfinished = exc
            raise

    def resume_clock(self) -> None:
        """
        Take the clock past every stamp in the log, so that a wall clock set back while the node
        was down cannot issue an old stamp again. Reads one event per origin: stamps rise there.
        """
        for origin, seq in vectors.logs(self.applied):
            last = self.store.get("log", keys.log(origin, seq))
            if last is not None:
                self.clock.resume(Stamp(decode_event(last).stamp))
        forgotten = self.store.get("meta", CLOCK)
        if forgotten is not None:
            self.clock.resume(Stamp(keys.read_u64(forgotten)))

    def check_serving(self) -> None:
        """
        Return if the objects can be read.

        Raises:
            NotCaughtUp: they are being replaced by a checkpoint.
        """
        if self.restoring:
            raise NotCaughtUp("this node is taking over the index of another one")

    def stands(self, epoch: int, seq: int) -> bool:
        """Whether the holder row that this node made with its event (epoch, seq) still counts."""
        dot = Dot(self.origin.node, epoch, seq)
        return claims.stands(dot, self.origin.epoch, self.began)

    def begin(self, who: str = "") -> Transaction:
        """
        A new change, that *who* asked for.

        Raises:
            NotCaughtUp: the objects are being replaced by a checkpoint.
        """
        self.check_serving()
        return Transaction(self, who)

    def mark_durable(self) -> None:
        """Take what is applied as durable; the writer calls it after a sync."""
        if not self.restoring:
            # Until the end of a restore the log goes further than the objects, and it counts.
            self.durable = dict(self.applied)

    def trim(self, upto: Vector) -> None:
        """Forget the durable events up to those sequences. On the writer thread."""
        floor, batch, stamp = dict(self.floor), list[Change](), 0
        for origin, asked in upto.items():
            seq = min(asked, self.durable.get(origin, 0))
            if seq <= floor.get(origin, 0):
                continue
            last = self.store.get("log", keys.log(origin, seq))
            stamp = max(stamp, 0 if last is None else decode_event(last).stamp)
            batch += forget_log(origin, seq)
            floor[origin] = seq
        if batch:
            # First, so that nobody begins to read what is about to go.
            self.floor = floor
            self.store.write([*batch, *self.remember_stamp(stamp)])

    def retire(self, upto: Mapping[NodeId, int]) -> None:
        """
        Have one row of `vector` stand for the logs of each node up to an epoch, if nothing of them
        is left here but what they did; nothing while a checkpoint comes, which brings its own. On
        the writer thread.
        """
        if self.restoring:
            return
        may_go = {node: epoch for node, epoch in upto.items() if self._is_done_with(node, epoch)}
        after = vectors.retired(self.applied, may_go)
        gone = self.applied.keys() - after.keys()
        if not gone:
            return
        new = vectors.marks(after).items() - vectors.marks(self.applied).items()
        floor = {origin: seq for origin, seq in self.floor.items() if origin not in gone}
        self.store.write(
            [
                *(Mutation("vector", keys.origin(o), keys.reach(o, value)) for o, value in new),
                *(Mutation("vector", keys.origin(origin), None) for origin in gone),
                *(Mutation("floor", keys.origin(origin), None) for origin in gone),
            ]
        )
        self.applied, self.floor = after, floor

    def _is_done_with(self, node: NodeId, epoch: int) -> bool:
        logs = [
            (origin, seq)
            for origin, seq in vectors.logs(self.applied)
            if origin.node == node and origin.epoch <= epoch
        ]
        return self.origin not in dict(logs) and all(
            self.floor.get(origin, 0) == seq and origin not in self.quarantine.logs
            for origin, seq in logs
        )

    def remember_stamp(self, stamp: int) -> list[Change]:
        """What keeps the clock behind *stamp* after a restart, its event being gone."""
        row = self.store.get("meta", CLOCK)
        known = 0 if row is None else keys.read_u64(row)
        return [Mutation("meta", CLOCK, keys.u64(max(known, stamp)))]

    def _log_ends(self) -> dict[Origin, int]:
        """How far each log goes, from the rows: during a restore the vector may be behind them."""
        ends: dict[Origin, int] = {}
        for key, _ in self.store.scan("log", b"", END):
            ends[keys.read_origin(key[:-8])] = keys.read_u64(key[-8:])
        return {origin: max(end, self.applied.get(origin, 0)) for origin, end in ends.items()}

    def events_after(self, origin: Origin, seq: int, max_bytes: int) -> Sequence[Event]:
        """
        Durable events of one log after *seq*: one change, then as many as fit into *max_bytes*.

        Raises:
            BelowFloor: they are gone.
        """
        upto = self.durable.get(origin, 0)
        events: list[Event] = []
        if seq >= upto:
            return events
        if seq < self.floor.get(origin, 0):
            raise BelowFloor.of(origin, self.floor[origin])
        read = self._read_last
        if read.part == (origin, seq, upto) and read.size <= max_bytes:
            return read.events
        size = 0
        stop = keys.log(origin, upto + 1)
        for _, value in self.store.scan("log", keys.log(origin, seq + 1), stop):
            size += len(value)
            if events and not events[-1].rest and size > max_bytes:
                break
            events.append(decode_event(value))
        if not events or events[0].dot.seq != seq + 1:
            # The log was trimmed between the look at the floor and the scan.
            raise BelowFloor.of(origin, self.floor.get(origin, 0))
        if events[-1].dot.seq == upto and size <= _READ_LAST_BYTES:
            self._read_last = _Read((origin, seq, upto), size, events)
        return events
