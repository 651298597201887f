"""
Seeded bugs: is the simulator able to find what it is there to find?

Each mutant changes the real engine in one place. `hunt` looks for seeds that notice.
"""

import asyncio
import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final, NamedTuple
from unittest.mock import patch

import msgspec
from msgspec.structs import replace

from cluster.agent import Cluster
from cluster.clock import COUNTER_BITS, HybridClock
from cluster.driver.catchup import CatchUp
from cluster.driver.forwarding import Forwarding
from cluster.driver.pushing import Pushing
from cluster.driver.service import Service
from cluster.errors import EventGap, NotCaughtUp
from cluster.events import Remove, Write, decode_event, encode_event
from cluster.gossip import floor, merge
from cluster.gossip.dissemination import Acknowledgements
from cluster.membership.detector import Detector
from cluster.model import CheckpointHead, Digest, Key, Status
from cluster.replication import claims
from node.holdings import Holdings
from node.index import keys, local, objects, opening, rows
from node.index.checkpoint import IndexCheckpoint, Restore
from node.index.journal import Journal, Transaction
from node.index.memory import MemorySnapshot
from node.index.merkle import Sums
from node.index.queries import Queries
from node.index.replica import IndexReplica
from node.index.store import Mutation
from node.index.writer import GroupCommit
from node.registry.ports import Page

Replacement = tuple[object, str, Callable[..., Any]]


class Mutant(NamedTuple):
    name: str
    says: str
    replacements: list[Replacement]


@contextmanager
def mutated(mutant: Mutant) -> Iterator[None]:
    with ExitStack() as stack:
        for owner, name, replacement in mutant.replacements:
            assert hasattr(owner, name), f"{mutant.name}: {owner} has no {name}"
            stack.enter_context(patch.object(owner, name, replacement))
        yield


def _seal_without_sync(self: GroupCommit) -> None:
    self._journal.mark_durable()
    self.on_durable()


def _tick_wall(self: HybridClock, after: int = 0) -> int:
    return self._wall.now_ms() << COUNTER_BITS


def _epoch_again(last: bytes | None, wall: Any, rng: Any) -> int:
    return wall.now_ms() << 16 if last is None else keys.read_u64(last)


_merge_tag = objects._merge_tag


def _merge_without_history(txn: Transaction, event: Any, body: Write) -> None:
    _merge_tag(txn, event, body)
    winner = objects.register(txn, "tags", event.key.repository, event.key.name).winner
    if winner is None or winner.dot != event.dot:
        key = event.key
        txn.delete("history", keys.history(key.repository, key.name, event.stamp, event.dot))


async def _nothing(*_: Any, **__: Any) -> None:
    return None


async def _for_ever(*_: Any) -> None:
    await asyncio.Event().wait()


async def _answer_and_forget(self: Service, sender: Any, events: Any) -> Any:
    mine = [event for event in events if event.dot.seq % 7]
    await self._intake.take(mine[:1])
    return {event.origin: event.dot.seq for event in events}


def _tags_by_loose_prefix(self: Queries, repository: str, last: str, limit: int) -> Page:
    start = repository.encode()
    found = []
    for key, row in self._scan("tags", start, start + b"\xff"):
        winner = rows.decode(merge.Register, row).winner
        if winner is not None and winner.value is not None:
            repo, tag = keys.split(key)
            if self._has_manifest(repo, Digest(winner.value)):
                found.append(tag)
    return Page(found, more=False)


_settle = Pushing._settle


def _skip_on_error(self: Pushing, events: Any, answer: Any) -> None:
    _settle(self, events, {event.origin: event.dot.seq for event in events})


async def _push_for_ever(self: Pushing, events: Any) -> Any:
    return await self._peer.push(events)


def _settle_by_the_present(self: Pushing, events: Any, answer: Any) -> None:
    origins = {event.origin for event in events}
    late = [o for o in origins if answer.get(o, 0) <= self._reached.get(o, 0)]
    _settle(self, events, answer)
    for origin in late:
        self._paused_until[origin] = self._env.clock.now_s() + 1.0


def _record_anything(self: Transaction, event: Any) -> None:
    origin, seq = event.origin, event.dot.seq
    self._progress[origin] = max(seq, self.known(origin))
    self.put("log", keys.log(origin, seq), encode_event(event))
    self.put("vector", keys.origin(origin), keys.u64(self._progress[origin]))


_obstacle = IndexReplica._obstacle


def _no_gap_is_an_obstacle(self: IndexReplica, *args: Any) -> Any:
    problem = _obstacle(self, *args)
    return None if isinstance(problem, EventGap) else problem


def _dead_at_once(self: Detector, number: int, now: float, *, refused: bool = False) -> None:
    target = self._attempts.pop(number).target
    if self._members.status(target) is Status.ALIVE:
        self._declare_dead(target, now)


def _own_word(self: Detector) -> tuple[Status, int]:
    return self._own.standing.status, self._own.standing.incarnation


def _delete_nothing(txn: Transaction, key: Key, state: Any) -> Any:
    return local.emit(txn, key, Remove(state.dots[:-1]), max(push.stamp for push in state.live))


_write = merge.write


def _write_tag_blindly(txn: Transaction, repository: str, tag: str, value: Any) -> Any:
    return local.emit(txn, Key(objects.TAG, repository, tag), Write((), value))


_catch_up = CatchUp.catch_up


async def _catch_up_quietly(self: CatchUp) -> None:
    try:
        await _catch_up(self)
    except (NotCaughtUp, OSError):
        return


def _get_or_none(self: Queries, family: str, key: bytes) -> bytes | None:
    try:
        return self._store.get(family, key)
    except OSError:
        return None


def _write_a_head(state: merge.Register, version: Any, replaces: Any, seen: Any) -> Any:
    merged = _write(state, replace(version, value=version.value or "-"), replaces, seen)
    heads = (version if head.dot == version.dot else head for head in merged.heads)
    return merge.Register(tuple(heads), merged.awaited)


def _last_come(state: merge.Register, version: Any, replaces: Any, seen: Any) -> merge.Register:
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
    for origin, end in self._have.items():
        if end > self._vector.get(origin, 0):
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


_candidates = floor.candidates


def _candidates_of_the_present(
    own: Any, begin: Any, haves: Any, members: Any, connected: Any, **ages: Any
) -> Any:
    return _candidates(own, begin, haves, connected, connected, **ages)


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


MUTANTS: Final = [
    Mutant(
        "ack-before-fsync",
        "what a group wrote counts as durable, and is told, before it is synced",
        [(GroupCommit, "seal", _seal_without_sync)],
    ),
    Mutant(
        "wall-clock-stamps",
        "stamps are the wall clock's, however it was set back",
        [(HybridClock, "tick", _tick_wall)],
    ),
    Mutant(
        "epoch-reuse",
        "a directory that was copied or set back goes on with its old log",
        [(opening, "_next_epoch", _epoch_again)],
    ),
    Mutant(
        "merge-drops-history",
        "a write that loses against a concurrent one leaves no history",
        [(objects, "_merge_tag", _merge_without_history)],
    ),
    Mutant(
        "404-without-asking", "a look-up that misses asks nobody", [(CatchUp, "catch_up", _nothing)]
    ),
    Mutant(
        "relay-does-not-relay",
        "what came from another region is not handed on",
        [(Forwarding, "note_received", lambda *_: None)],
    ),
    Mutant(
        "answer-and-forget",
        "a node answers that it has events which it did not keep",
        [(Service, "on_push", _answer_and_forget)],
    ),
    Mutant(
        "loose-prefix",
        "the listing of lib/app also scans lib/app2",
        [(Queries, "tags", _tags_by_loose_prefix)],
    ),
    Mutant(
        "region-not-waited-for",
        "an acknowledgement does not wait for members that may still read here",
        [(Acknowledgements, "lacking", lambda *_: [])],
    ),
    Mutant(
        "cursor-skips-on-error",
        "what a peer refused counts as delivered",
        [(Pushing, "_settle", _skip_on_error)],
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
        "delete-forgets-a-dot",
        "a delete does not name every push that it removes",
        [(local, "remove", _delete_nothing)],
    ),
    Mutant(
        "write-forgets-replaced",
        "a tag write does not name what it replaces",
        [(local, "write_tag", _write_tag_blindly)],
    ),
    Mutant(
        "copy-on-another-disk",
        "a holder row counts whatever became of the disk of which it speaks",
        [(claims, "stands", lambda *_: True)],
    ),
    Mutant(
        "clock-bound-unchecked",
        "an event is applied however far in the future it is",
        [(HybridClock, "observe", HybridClock.resume)],
    ),
    Mutant(
        "catch-up-swallows-errors",
        "a round that failed counts as having brought everything",
        [(CatchUp, "catch_up", _catch_up_quietly)],
    ),
    Mutant("no-anti-entropy", "missed events are not repaired", [(CatchUp, "_repair", _for_ever)]),
    Mutant(
        "lease-unchecked",
        "a node answers from its own index whether it has leases or not",
        [(Cluster, "ensure_current", _nothing)],
    ),
    Mutant(
        "lease-for-laggards",
        "a member that lacks acknowledged events is told that it is current",
        [(Acknowledgements, "may_grant", lambda *_: True)],
    ),
    Mutant(
        "io-error-is-absence",
        "a row that cannot be read is taken for one that is not there",
        [(Queries, "_get", _get_or_none)],
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
    ),
    Mutant(
        "push-waits-for-ever",
        "a push that nobody answers holds up its log until the transport's deadline",
        [(Pushing, "_push", _push_for_ever)],
    ),
    Mutant(
        "overtaken-answer-pauses",
        "an answer that a greeting has overtaken counts as a refusal",
        [(Pushing, "_settle", _settle_by_the_present)],
    ),
    Mutant(
        "clock-off-unheeded",
        "a node whose own clock is wrong reads and writes all the same",
        [
            (Cluster, "check_writable", lambda *_: None),
            (CatchUp, "_check_clock", lambda *_: None),
        ],
    ),
    Mutant(
        "delete-is-a-head",
        "deleting a tag is a write that wins against those it has not seen",
        [(merge, "write", _write_a_head)],
    ),
    Mutant(
        "rows-unverified",
        "a node greets its peers before it has looked after its files",
        [(Holdings, "verify", _nothing)],
    ),
    Mutant(
        "delta-below-the-floor",
        "a peer that needs forgotten events gets those that are left",
        [(Journal, "events_after", _without_floor)],
    ),
    Mutant(
        "checkpoint-of-old-rows",
        "a checkpoint has the vector of now and the rows of an earlier one",
        [(IndexCheckpoint, "__init__", _checkpoint_again)],
    ),
    Mutant(
        "checkpoint-lacks-rows",
        "a checkpoint comes without some rows, and nobody compares its sums",
        [
            (IndexCheckpoint, "part", _part_without_history),
            (Restore, "finish", _finish_unchecked),
        ],
    ),
    Mutant(
        "restore-loses-its-own",
        "what a node has beyond the checkpoint counts as applied, and is not",
        [(Restore, "_apply_beyond", _vector_without_objects)],
    ),
    Mutant(
        "trim-waits-for-nobody",
        "what every connected member has is forgotten, whoever is away",
        [(floor, "candidates", _candidates_of_the_present)],
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
    Mutant(
        "dead-by-one-observer",
        "a probe that fails is a death: nobody is suspected first",
        [(Detector, "_fail", _dead_at_once)],
    ),
    Mutant(
        "suspicion-never-ends",
        "a suspect that does not contradict stays one",
        [(Detector, "_verdict_at", lambda *_: math.inf)],
    ),
    Mutant(
        "refutation-without-incarnation",
        "a suspect that contradicts does not raise its incarnation",
        [(Detector, "_hear_of_myself", lambda self, _: self._speak(*_own_word(self)))],
    ),
    Mutant(
        "wan-timeouts-in-region",
        "neighbours are watched as if they were far away",
        [(Detector, "_scope", lambda self, _: self._wan)],
    ),
]


def by_name(name: str) -> Mutant:
    return next(mutant for mutant in MUTANTS if mutant.name == name)
