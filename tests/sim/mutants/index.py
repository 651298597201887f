"""Bugs of the index: what is written, merged, forgotten and read."""

from typing import Any, Final

import msgspec

from cluster import vectors
from cluster.errors import EventGap, StorageFailure
from cluster.gossip.stability import Stability
from cluster.model import CheckpointHead, Digest, Key
from cluster.objects import merge
from cluster.objects.events import Remove, Write, decode_event, encode_event
from node.index import history, index, keys, local, objects, references, replica, rows
from node.index.checkpoint import IndexCheckpoint, Restore
from node.index.journal import Journal, Transaction
from node.index.merkle import Sums
from node.index.queries import Queries
from node.index.replica import IndexReplica
from node.index.store import Mutation
from node.index.writer import IndexWriter
from node.registry.listing import PAGE_MAX, Listing, ReferrersPage
from node.registry.values import Page
from tests.fakes.ordered_store import MemorySnapshot
from tests.sim.mutants.mutant import Mutant


def _seal_without_sync(self: IndexWriter) -> None:
    self._journal.mark_durable()
    self.on_durable()


def _epoch_again(last: int, wall: Any, rng: Any) -> int:
    return last or wall.now_ms() << 16


_merge_tag = objects._merge_tag


def _merge_without_history(txn: Transaction, event: Any, body: Write) -> None:
    _merge_tag(txn, event, body)
    winner = rows.register(txn, "tags", event.key.repository, event.key.name).winner
    if winner is None or winner.dot != event.dot:
        key = event.key
        txn.delete("history", keys.history(key.repository, key.name, event.stamp, event.dot))


def _tags_by_loose_prefix(self: Queries, repository: str, last: str, limit: int) -> Page:
    start = repository.encode()
    found = []
    for key, row in self._scan("tags", start, start + b"\xff"):
        winner = rows.decode(merge.Register, row).winner
        if winner is not None and winner.value is not None:
            repo, tag = keys.split(key)
            if self._is_listed(repo, Digest(winner.value)):
                found.append(tag)
    return Page(found, None)


_list_referrer = objects._list_referrer


def _list_for_ever(txn: Transaction, repository: str, digest: Any, *, listed: bool) -> None:
    if listed:
        _list_referrer(txn, repository, digest, listed=listed)


async def _referrers_from_here(
    self: Listing, repository: Any, subject: Any, types: Any, last: str
) -> Any:
    await self._gate.ensure_current()
    return ReferrersPage(*self._listings.referrers(repository, subject, types, last, PAGE_MAX))


def _record_anything(self: Transaction, event: Any) -> None:
    origin, seq = event.origin, event.dot.seq
    self._progress[origin] = max(seq, self.known(origin))
    self.put("log", keys.log(origin, seq), encode_event(event))
    self.put("vector", keys.origin(origin), keys.u64(self._progress[origin]))


_obstacle = IndexReplica._obstacle


def _no_gap_is_an_obstacle(self: IndexReplica, *args: Any) -> Any:
    problem = _obstacle(self, *args)
    return None if isinstance(problem, EventGap) else problem


def _delete_nothing(txn: Transaction, key: Key, state: Any, *, seen_only: bool = False) -> Any:
    body = Remove(state.dots[:-1], seen_only)
    return local.emit(txn, key, body, max(push.stamp for push in state.live))


def _push_without_needs(txn: Transaction, key: Key, payload: bytes, needs: Any = ()) -> Any:
    return _push(txn, key, payload)


_push = local.push
_write_local = local.write

_write = merge.write


def _write_tag_blindly(txn: Transaction, key: Key, value: Any, *, instead_of: Any = None) -> Any:
    if key.collection == objects.TAG:
        return local.emit(txn, key, Write((), value))
    return _write_local(txn, key, value, instead_of=instead_of)


def _get_or_none(self: Queries, family: str, key: bytes) -> bytes | None:
    try:
        return self._store.get(family, key)
    except StorageFailure:
        return None


def _last_come(state: merge.Register, version: Any, *_: Any) -> merge.Register:
    return merge.Register((version,), state.awaited)


def _without_floor(self: Journal, origin: Any, seq: int, max_bytes: int) -> Any:
    stop = keys.log(origin, self.durable.get(origin, 0) + 1)
    rows_after = self.store.scan("log", keys.log(origin, seq + 1), stop)
    return [decode_event(row) for _, row in rows_after]


_checkpoint = IndexCheckpoint.__init__


def _checkpoint_again(self: IndexCheckpoint, journal: Journal) -> None:
    _checkpoint(self, journal)
    # The rows of the first one are given to whoever asks later.
    first = journal.__dict__.setdefault("first_checkpoint", self)
    self._snapshot = MemorySnapshot(dict(first._snapshot._families))
    self._head = CheckpointHead(dict(journal.applied), first._head.rows, first._head.seal)
    if first is self:
        first._snapshot.close = lambda: None  # type: ignore[attr-defined]


def _vector_without_objects(self: Restore) -> None:
    batch = []
    for origin, end in vectors.logs(self._have):
        if end > vectors.reached(self._vector, origin):
            self._journal.applied[origin] = end
            batch.append(Mutation("vector", keys.origin(origin), keys.u64(end)))
    self._journal.store.write(batch)


_part = IndexCheckpoint.part


def _part_without_history(self: IndexCheckpoint, after: bytes) -> Any:
    self._snapshot._families["history"].clear()  # type: ignore[attr-defined]
    return _part(self, after)


_finish = Restore.finish


def _finish_unchecked(self: Restore) -> None:
    self._seal = msgspec.structs.replace(self._seal, sums=self._sums.encode())
    _finish(self)


_after = Sums.after


def _sums_without_removals(self: Sums, changes: Any) -> Any:
    return _after(self, [change for change in changes if change.after is not None])


_commit = Transaction.commit


def _commit_without_sums(self: Transaction) -> None:
    """The sums are right in memory, and stored with a later batch than the rows."""
    late = self._journal.__dict__.setdefault("late_sums", [])
    store, write = self._journal.store, self._journal.store.write

    def held_back(batch: Any) -> None:
        summed = [change for change in batch if change.family == "merkle"]
        write([*(change for change in batch if change.family != "merkle"), *late])
        late[:] = summed

    store.write = held_back
    try:
        _commit(self)
    finally:
        del store.write


def _cut_anywhere(self: Journal, origin: Any, seq: int, max_bytes: int) -> Any:
    return _events_after(self, origin, seq, max_bytes)[:1]


_events_after = Journal.events_after


def _one_by_one(events: Any) -> Any:
    """Each event as if it were a change of its own."""
    return ([msgspec.structs.replace(event, rest=0)] for event in events)


_family_of = references._family_of


def _named_or_nothing(*args: Any) -> str | None:
    """As if nobody could be pushing an index that names what is deleted."""
    family = _family_of(*args)
    return family if family == references.NAMED else None


MUTANTS: Final = [
    Mutant(
        "ack-before-fsync",
        "what a group wrote counts as durable, and is told, before it is synced",
        [(IndexWriter, "seal", _seal_without_sync)],
    ),
    Mutant(
        "epoch-reuse",
        "a directory that was copied or set back goes on with its old log",
        [(index, "_next_epoch", _epoch_again)],
        frozenset({"restore", "clone"}),
    ),
    Mutant(
        "merge-drops-history",
        "a write that loses against a concurrent one leaves no history",
        [(objects, "_merge_tag", _merge_without_history)],
    ),
    Mutant(
        "history-too-short",
        "the history of a tag keeps one write less than it should",
        [(history, "is_trimmed", lambda of: of.writes < history.KEPT_MAX)],
    ),
    Mutant(
        "loose-prefix",
        "the listing of lib/app also scans lib/app2",
        [(Queries, "tags", _tags_by_loose_prefix)],
    ),
    Mutant(
        "gaps-applied",
        "an event is applied without those before it, or those that it builds on",
        [
            (IndexReplica, "_obstacle", _no_gap_is_an_obstacle),
            (Transaction, "record", _record_anything),
        ],
    ),
    Mutant(
        "bytes-go-with-the-deletion",
        "a deleted manifest's bytes are dropped though somebody may be pushing what names it",
        [(references, "_family_of", _named_or_nothing)],
    ),
    Mutant(
        "named-for-ever",
        "what a deleted manifest names can be read for ever",
        [(references, "_family_of", lambda *_: references.NAMED)],
    ),
    Mutant(
        "referrer-stays",
        "a manifest that goes leaves its row among the referrers of its subject",
        [(objects, "_list_referrer", _list_for_ever)],
    ),
    Mutant(
        "referrers-without-asking",
        "an empty list of referrers is answered without asking",
        [(Listing, "referrers", _referrers_from_here)],
    ),
    Mutant(
        "delete-forgets-a-dot",
        "a delete does not name every push that it removes",
        [(local, "remove", _delete_nothing)],
    ),
    Mutant(
        "needs-unnamed",
        "a push does not say what other logs brought of it",
        [(local, "push", _push_without_needs)],
    ),
    Mutant(
        "write-forgets-replaced",
        "a tag write does not name what it replaces",
        [(local, "write", _write_tag_blindly)],
    ),
    Mutant(
        "io-error-is-absence",
        "a row that cannot be read is taken for one that is not there",
        [(Queries, "get", _get_or_none)],
        frozenset({"io_error"}),
    ),
    Mutant(
        "last-come-wins",
        "a tag write throws away concurrent heads, in the order of arrival",
        [(merge, "write", _last_come)],
    ),
    Mutant(
        "clock-not-resumed",
        "a restart forgets the stamps in the log",
        [(Journal, "resume_clock", lambda self: None)],
        frozenset({"boot_clock"}),
    ),
    Mutant(
        "delete-hides-what-it-saw-only",
        "a delete does nothing to older pushes that come after it",
        [(objects, "deletion", lambda *_: None)],
    ),
    Mutant(
        "changes-are-cut",
        "the events of one change are sent and applied one by one",
        [(Journal, "events_after", _cut_anywhere), (replica, "changes", _one_by_one)],
    ),
    Mutant(
        "deletions-settle-at-once",
        "a delete is forgotten once its node has it",
        [(Stability, "stable", lambda self, members, mine: mine)],
        frozenset({"trimmed"}),
    ),
    Mutant(
        "delta-below-the-floor",
        "a peer that needs forgotten events gets those that are left",
        [(Journal, "events_after", _without_floor)],
        frozenset({"trimmed"}),
    ),
    Mutant(
        "checkpoint-of-old-rows",
        "a checkpoint has the vector of now and the rows of an earlier one",
        [(IndexCheckpoint, "__init__", _checkpoint_again)],
        frozenset({"trimmed"}),
    ),
    Mutant(
        "checkpoint-lacks-rows",
        "a checkpoint comes without some rows, and nobody compares its sums",
        [
            (IndexCheckpoint, "part", _part_without_history),
            (Restore, "finish", _finish_unchecked),
        ],
        frozenset({"trimmed"}),
    ),
    Mutant(
        "restore-loses-its-own",
        "what a node has beyond the checkpoint counts as applied, and is not",
        [(Restore, "_apply_beyond", _vector_without_objects)],
        frozenset({"trimmed"}),
    ),
    Mutant(
        "sums-keep-what-is-gone",
        "a row that is removed stays in its partition's sum",
        [(Sums, "after", _sums_without_removals)],
    ),
    Mutant(
        "sums-in-another-batch",
        "the sums are stored with the batch after the rows",
        [(Transaction, "commit", _commit_without_sums)],
    ),
]
