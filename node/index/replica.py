"""The index as replication sees it: the event log, and merging what peers send."""

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, count
from typing import Final

from cluster.errors import (
    ClockAhead,
    ClusterError,
    EventAhead,
    EventGap,
    EventRetired,
    EventUndecodable,
)
from cluster.model import (
    CheckpointHead,
    CheckpointPart,
    Digest,
    Dot,
    Event,
    Held,
    NodeId,
    Origin,
    Stamp,
    Summed,
    Vector,
)
from cluster.objects import builds_on, changes, decode_body
from cluster.ports import Checkpoint, Records
from node.index import canonical, keys, local, objects, rows
from node.index.checkpoint import IndexCheckpoint, Restore
from node.index.journal import Journal, Transaction
from node.index.merkle import Sums, shared_rows
from node.index.queries import Queries
from node.index.rows import HolderRow
from node.index.store import SHARED_FAMILIES, StoreSnapshot
from node.index.writer import IndexWriter

_TOGETHER: Final = 32
"""Events of one write to the store, and what is left of their last change. A scan looks at all that
its transaction has changed."""

_CHECK_ROWS: Final = 256
"""Rows read between two turns of the event loop: about a millisecond."""

_CHECK_PAUSE_S: Final = 0.01
"""The rest in between, so that a check takes a tenth of the loop's time."""

QuarantineAlarm = Callable[[Event, str], None]


class IndexReplica:
    """All roles of `Records` over the journal. Belongs to the event loop it was made on."""

    def __init__(
        self, journal: Journal, writer: IndexWriter, on_quarantine: QuarantineAlarm
    ) -> None:
        self._journal = journal
        self._writer = writer
        self._queries = Queries(journal.store)
        self._on_quarantine = on_quarantine
        self._loop = asyncio.get_running_loop()
        self._restore: Restore | None = None
        self._subscribers: list[Callable[[], None]] = []
        self._own_durable = journal.durable.get(journal.origin, 0)
        writer.on_durable = self._after_sync

    @property
    def roles(self) -> Records:
        return Records(self, self, self, self, self)

    @property
    def origin(self) -> Origin:
        return self._journal.origin

    @property
    def began(self) -> Vector:
        return self._journal.began

    def check(self) -> None:
        if self._writer.failed is not None:
            raise self._writer.failed

    def vector(self) -> Vector:
        return self._journal.durable

    def events_after(self, origin: Origin, seq: int, *, max_bytes: int) -> Sequence[Event]:
        return self._journal.events_after(origin, seq, max_bytes)

    def floor(self) -> Vector:
        return self._journal.floor

    async def trim(self, upto: Vector) -> None:
        await self._writer.submit(lambda: self._journal.trim(upto))

    async def forget_deletions(self, stable: Vector) -> None:
        after: bytes | None = b""
        while after is not None:
            after = await self._writer.submit(
                partial(objects.forget_deletions, self._journal, stable, after)
            )

    def held_back(self) -> Collection[Origin]:
        return tuple(self._journal.quarantine.logs)

    async def retire(self, upto: Mapping[NodeId, int]) -> None:
        await self._writer.submit(lambda: self._journal.retire(upto))

    async def checkpoint(self) -> Checkpoint:
        return await self._writer.submit(lambda: IndexCheckpoint(self._journal))

    @property
    def restoring(self) -> bool:
        return self._journal.restoring

    async def begin_restore(self, head: CheckpointHead) -> None:
        self._restore = None
        self._restore = await self._writer.submit(lambda: Restore(self._journal, head))

    async def restore(self, part: CheckpointPart) -> None:
        assert self._restore is not None, "begin_restore comes first"
        restore = self._restore
        await self._writer.submit(lambda: restore.load(part))

    async def end_restore(self) -> None:
        assert self._restore is not None, "begin_restore comes first"
        await self._writer.submit(self._restore.finish)
        self._restore = None

    async def summed(self) -> Summed:
        return await self._writer.submit(self._summed)

    def _summed(self) -> Summed:
        self._journal.check_serving()
        return Summed(
            dict(self._journal.applied),
            self._journal.sums.encode(),
            dict(self._journal.quarantine.marks),
            canonical.FORM,
        )

    async def check_rows(self) -> bool:
        def begin() -> tuple[StoreSnapshot, Sums]:
            self._journal.check_serving()
            return self._journal.store.snapshot(SHARED_FAMILIES), self._journal.sums

        snapshot, expected = await self._writer.submit(begin)
        found = Sums()
        try:
            for page in shared_rows(snapshot, _CHECK_ROWS):
                found, _ = found.after(page)
                await asyncio.sleep(_CHECK_PAUSE_S)
        finally:
            snapshot.close()
        return found == expected

    async def apply(self, events: Sequence[Event]) -> None:
        if not events:
            return
        problem = await self._writer.submit(lambda: self._apply(events))
        if problem is not None:
            raise problem

    def _apply(self, events: Sequence[Event]) -> ClusterError | None:
        """Apply *events* up to the first change that cannot be; returns what is the matter."""
        ahead = changes(events)
        problem: ClusterError | None = None
        while problem is None and (change := next(ahead, None)) is not None:
            problem = self._apply_together(chain([change], ahead))
        return problem

    def _apply_together(self, ahead: Iterator[list[Event]]) -> ClusterError | None:
        """Apply the next changes in one batch; returns why it ends before its time, if it does."""
        problem: ClusterError | None = None
        txn, applied = self._journal.begin(), 0
        quarantined: list[tuple[Event, str]] = []
        for change in ahead:
            if txn.is_retired(change[0].origin):
                problem = EventRetired(change[0].dot)
                break
            known = txn.known(change[0].origin)
            events = [event for event in change if event.dot.seq > known]
            if events and (problem := self._obstacle(txn, events, known)) is not None:
                break
            for event in events:
                reason = objects.apply(txn, event)
                if reason is not None:
                    quarantined.append((event, reason))
            applied += len(events)
            # What comes behind a deletion may be about the tags that it has left.
            if applied >= _TOGETHER or txn.leaves_work:
                break
        txn.commit()
        for event, reason in quarantined:
            self._loop.call_soon_threadsafe(self._on_quarantine, event, reason)
        return problem

    def _obstacle(
        self, txn: Transaction, change: Sequence[Event], known: int
    ) -> ClusterError | None:
        """Why *change* cannot be the next of its log, of which *known* events are here."""
        first = change[0]
        counts = zip(count(known + 1), reversed(range(len(change))), change, strict=False)
        if any((event.dot.seq, event.rest) != (seq, rest) for seq, rest, event in counts):
            return EventGap(first.dot, known)
        try:
            # First: it may build on one that waits for the same time to come.
            self._journal.clock.observe(Stamp(max(event.stamp for event in change)))
        except ClockAhead as exc:
            return EventAhead(first.dot, exc.ahead_ms)
        if not all(txn.has(dot) for event in change for dot in _builds_on(event)):
            return EventGap(first.dot, known)
        return None

    def holders(self, digest: Digest) -> Mapping[NodeId, Dot]:
        return self._queries.holders(digest)

    def held_size(self, digest: Digest) -> int | None:
        return self._journal.own.size(digest)

    def size_here(self, digest: Digest) -> int | None:
        return self._journal.size_here(digest)

    def cached_here(self, after: Digest | None, limit: int) -> Sequence[Held]:
        """As `held_here`, for the copies that do not count."""
        page = self._queries.of_this_node("cached", after, limit)
        return [Held(digest, keys.read_u64(row), stands=True) for digest, row in page]

    def held_here(self, after: Digest | None, limit: int) -> Sequence[Held]:
        self._journal.check_serving()
        page = self._queries.of_this_node("own", after, limit)
        found = [(digest, rows.decode(HolderRow, row)) for digest, row in page]
        stands = self._journal.stands
        return [Held(digest, row.size, stands(row.epoch, row.seq)) for digest, row in found]

    async def hold(self, digest: Digest, size: int) -> None:
        await self._writer.change(lambda txn: local.hold(txn, digest, size))

    async def cache(self, digest: Digest, size: int) -> None:
        await self._writer.change(lambda txn: local.cache(txn, digest, size))

    def quarantined(self) -> int:
        """Events kept aside as they cannot be applied here."""
        return self._journal.quarantine.events

    async def release(self, digest: Digest) -> None:
        """Record, durably, that the blob is not here, in whatever role it was."""
        await self._writer.change(lambda txn: local.release(txn, digest))

    def subscribe(self, on_durable: Callable[[], None]) -> None:
        self._subscribers.append(on_durable)

    def _after_sync(self) -> None:
        own = self._journal.durable.get(self._journal.origin, 0)
        if own > self._own_durable:
            self._own_durable = own
            self._loop.call_soon_threadsafe(self._notify)

    def _notify(self) -> None:
        for on_durable in self._subscribers:
            on_durable()


def _builds_on(event: Event) -> Sequence[Dot]:
    """Events of other logs that have to be here first; its own log's are, being before it."""
    try:
        body = decode_body(event)
    except EventUndecodable:
        # It will be quarantined, and then it builds on nothing.
        return ()
    return [dot for dot in builds_on(body) if dot.origin != event.origin]
