"""
The event log and the transactions that extend it.

A transaction is one change: the events it emits or applies, the objects they merge into and the
rows derived from them go to the store as one atomic batch. Only the writer thread runs
transactions; anyone may read.
"""

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final, Protocol

from cluster.events import Body, decode_event, encode_body, encode_event, kind_of
from cluster.model import Dot, Event, Key, Origin, Stamp, Vector
from node.index import keys, rows
from node.index.rows import TotalsRow
from node.index.store import Mutation, OrderedStore

TOTALS: Final = keys.join("totals")
"""Row of `meta` that holds the totals; in the same batch as what they count."""


class StampSource(Protocol):
    """The hybrid logical clock, as the index needs it. Called on the writer thread."""

    def tick(self, after: Stamp) -> Stamp:
        """A new stamp, larger than every earlier one and than *after*."""
        ...

    def observe(self, stamp: Stamp) -> None:
        """Take note of a peer's stamp; raises `ClockAhead` when it is beyond the bound."""
        ...

    def resume(self, stamp: Stamp) -> None:
        """Go on after *stamp*, which was issued or accepted before a restart; no bound."""
        ...


class Transaction:
    """
    One change being put together: reads see its own writes, nothing is stored until `commit`.
    """

    def __init__(self, journal: "Journal") -> None:
        self._journal = journal
        self._rows: dict[tuple[str, bytes], bytes | None] = {}
        self._progress: dict[Origin, int] = {}
        self._counted = TotalsRow()
        self._conflicts: list[Key] = []

    def get(self, family: str, key: bytes) -> bytes | None:
        try:
            return self._rows[family, key]
        except KeyError:
            return self._journal.store.get(family, key)

    def scan(self, family: str, prefix: bytes) -> list[tuple[bytes, bytes]]:
        """Every row under *prefix*, in order."""
        stop = keys.after(prefix)
        found: dict[bytes, bytes | None] = dict(self._journal.store.scan(family, prefix, stop))
        found |= self._own(family, prefix, stop)
        return sorted((key, value) for key, value in found.items() if value is not None)

    def first(self, family: str, start: bytes, stop: bytes) -> tuple[bytes, bytes] | None:
        """The first row with *start* <= key < *stop*."""
        own = self._own(family, start, stop)
        stored = self._journal.store.scan(family, start, stop)
        found = [(key, value) for key, value in own.items() if value is not None]
        found += islice((row for row in stored if row[0] not in own), 1)
        return min(found, default=None)

    def _own(self, family: str, start: bytes, stop: bytes) -> dict[bytes, bytes | None]:
        return {
            key: value
            for (written, key), value in self._rows.items()
            if written == family and start <= key < stop
        }

    def put(self, family: str, key: bytes, value: bytes) -> None:
        self._rows[family, key] = value

    def delete(self, family: str, key: bytes) -> None:
        self._rows[family, key] = None

    @property
    def origin(self) -> Origin:
        """The log that this node writes."""
        return self._journal.origin

    @property
    def store_id(self) -> int:
        """Names the disk that this node's blobs are on."""
        return self._journal.store_id

    def known(self, origin: Origin) -> int:
        """Sequence of the last event of *origin*, this transaction's included."""
        progress = self._progress.get(origin)
        return self._journal.applied.get(origin, 0) if progress is None else progress

    def seen(self, dot: Dot) -> bool:
        return dot.seq <= self.known(Origin(dot.node, dot.epoch))

    def new_event(self, key: Key, body: Body, after: Stamp) -> Event:
        """The next event of this node's own log. Not yet recorded."""
        origin = self._journal.origin
        dot = Dot(origin.node, origin.epoch, self.known(origin) + 1)
        stamp = self._journal.clock.tick(after)
        return Event(dot, stamp, kind_of(body), key, encode_body(body))

    def record(self, event: Event) -> None:
        """Append *event* to its log. It must be the next one there."""
        origin, seq = event.origin, event.dot.seq
        assert seq == self.known(origin) + 1, f"{event.dot} out of order"
        self._progress[origin] = seq
        self.put("log", keys.log(origin, seq), encode_event(event))
        self.put("vector", keys.origin(origin), keys.u64(seq))

    def count(self, *, manifests: int = 0, blobs: int = 0, blob_bytes: int = 0) -> None:
        """Add to the totals of what is stored."""
        self._counted = self._counted.plus(TotalsRow(manifests, blobs, blob_bytes))

    def conflict(self, key: Key) -> None:
        """Note that the register under *key* has two values now."""
        self._conflicts.append(key)

    def commit(self) -> None:
        """Write everything in one batch."""
        if not self._rows:
            return
        totals = self._journal.totals.plus(self._counted)
        if totals != self._journal.totals:
            self.put("meta", TOTALS, rows.encode(totals))
        self._journal.store.write(
            [Mutation(family, key, value) for (family, key), value in self._rows.items()]
        )
        self._journal.applied.update(self._progress)
        self._journal.totals = totals
        for key in self._conflicts:
            self._journal.on_conflict(key)


class Journal:
    """
    The log of every origin, and how far each is applied and durable.

    `applied` belongs to the writer thread. `durable` is replaced as a whole after each sync,
    so that readers on other threads always see a consistent one.
    """

    def __init__(
        self, store: OrderedStore, origin: Origin, clock: StampSource, store_id: int
    ) -> None:
        self.store = store
        self.store_id = store_id
        self.origin = origin
        self.clock = clock
        self.on_conflict: Callable[[Key], None] = lambda key: None
        """Runs on the writer thread once for every conflict that arises."""
        self.applied: dict[Origin, int] = {}
        self.totals = TotalsRow()
        self._load()
        self.durable: Vector = dict(self.applied)

    def _load(self) -> None:
        self.applied = {
            keys.read_origin(key): keys.read_u64(value)
            for key, value in self.store.scan("vector", b"", b"\xff")
        }
        row = self.store.get("meta", TOTALS)
        self.totals = TotalsRow() if row is None else rows.decode(TotalsRow, row)

    def recover(self) -> None:
        """
        Take the store up again after `IndexFull`; on the writer thread.

        What the failed changes left here is replaced by what the store really has. They were not
        acknowledged and no peer has seen them, so their sequence numbers may be given again.

        Raises:
            IndexFull: there is still no room.
        """
        self.store.recover()
        self._load()

    def resume_clock(self) -> None:
        """
        Take the clock past every stamp in the log, so that a wall clock set back while the node
        was down cannot issue an old stamp again. Reads one event per origin: stamps rise there.
        """
        for origin, seq in self.applied.items():
            last = self.store.get("log", keys.log(origin, seq))
            if last is not None:
                self.clock.resume(Stamp(decode_event(last).stamp))

    def begin(self) -> Transaction:
        return Transaction(self)

    def mark_durable(self) -> None:
        """Take what is applied as durable; the writer calls it after a sync."""
        self.durable = dict(self.applied)

    def events_after(self, origin: Origin, seq: int, max_bytes: int) -> Sequence[Event]:
        """Durable events of one log after *seq*: one, then as many as fit into *max_bytes*."""
        upto = self.durable.get(origin, 0)
        events: list[Event] = []
        if seq >= upto:
            return events
        size = 0
        stop = keys.log(origin, upto + 1)
        for _, value in self.store.scan("log", keys.log(origin, seq + 1), stop):
            size += len(value)
            if events and size > max_bytes:
                break
            events.append(decode_event(value))
        return events
