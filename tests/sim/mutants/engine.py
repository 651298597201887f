"""Bugs of the engine: what nodes tell each other, wait for and believe of each other."""

import math
from typing import Any, Final

import msgspec

from cluster.agent import Cluster
from cluster.clock import COUNTER_BITS, HybridClock
from cluster.driver.catchup import CatchUp
from cluster.driver.duties import Duties
from cluster.driver.pusher import Pusher
from cluster.driver.reads import Reads
from cluster.driver.service import Service
from cluster.errors import NotCaughtUp, StorageFailure
from cluster.gossip import floor
from cluster.gossip.differences import Differences
from cluster.membership.detector import Detector
from cluster.messages import PushAnswer
from cluster.model import Origin, Status
from cluster.objects import claims
from cluster.replication.durability import Durability
from node.copies.holdings import Holdings
from tests.sim.mutants.mutant import Mutant


def _tick_wall(self: HybridClock, after: int = 0) -> int:
    return self._wall.now_ms() << COUNTER_BITS


async def _nothing(*_: Any, **__: Any) -> None:
    return None


def _confirm_for_ever(self: Durability, digest: Any, upto: Any) -> None:
    self._confirmed.setdefault(digest, {})[upto.node] = upto


async def _answer_and_forget(
    self: Service, sender: Any, stage: Any, events: Any, *, run: int = 0
) -> PushAnswer:
    mine = [event for event in events if event.dot.seq % 7]
    await self._intake.take(mine[:1])
    have = {event.origin: event.dot.seq for event in events}
    member = self._env.members.get(sender)
    said = None if member is None else self._freshness.confirmation(member)
    if said is not None and (origin := Origin(sender, said.epoch)) in have:
        said = msgspec.structs.replace(said, upto=have[origin])
    return PushAnswer(have, said)


_settle = Pusher._settle


def _skip_on_error(self: Pusher, events: Any, answer: Any) -> None:
    _settle(self, events, PushAnswer({event.origin: event.dot.seq for event in events}))


def _settle_by_the_present(self: Pusher, events: Any, answer: Any) -> None:
    origins = {event.origin for event in events}
    have = self._env.progress.of(self._member.node)
    late = [o for o in origins if answer.have.get(o, 0) <= have.get(o, 0)]
    _settle(self, events, answer)
    for origin in late:
        self._pause(origin)


def _dead_at_once(self: Detector, number: int, now: float, *, refused: bool = False) -> None:
    target = self._attempts.pop(number).target
    if self._members.status(target) is Status.ALIVE:
        self._declare_dead(target, now)


def _own_word(self: Detector) -> tuple[Status, int]:
    return self.own.standing.status, self.own.standing.incarnation


_catch_up = CatchUp.catch_up


async def _catch_up_quietly(self: CatchUp, *, near: bool = False) -> None:
    try:
        await _catch_up(self, near=near)
    except (NotCaughtUp, StorageFailure):
        return


_candidates = floor.candidates


def _candidates_of_the_present(
    own: Any, begin: Any, haves: Any, members: Any, connected: Any, **ages: Any
) -> Any:
    return _candidates(own, begin, haves, connected, connected, **ages)


def _what_was_told_was_heard(self: Differences, heard: Any) -> int:
    return self.version if heard.version else 0


MUTANTS: Final = [
    Mutant(
        "wall-clock-stamps",
        "stamps are the wall clock's, however it was set back",
        [(HybridClock, "tick", _tick_wall)],
    ),
    Mutant(
        "404-without-asking", "a look-up that misses asks nobody", [(CatchUp, "catch_up", _nothing)]
    ),
    Mutant(
        "relay-does-not-relay",
        "what came from another region is not handed on",
        [(Duties, "note_received", lambda *_: None)],
    ),
    Mutant(
        "answer-and-forget",
        "a node answers that it has events which it did not keep",
        [(Service, "push", _answer_and_forget)],
    ),
    Mutant(
        "cursor-skips-on-error",
        "what a peer refused counts as delivered",
        [(Pusher, "_settle", _skip_on_error)],
    ),
    Mutant(
        "copy-on-another-disk",
        "a holder row counts whatever became of the disk of which it speaks",
        [(claims, "stands", lambda *_: True)],
        frozenset({"wipe", "restore", "clone"}),
    ),
    Mutant(
        "clock-bound-unchecked",
        "an event is applied however far in the future it is",
        [(HybridClock, "observe", HybridClock.resume)],
        frozenset({"clock_jump", "clock_drift"}),
    ),
    Mutant(
        "catch-up-swallows-errors",
        "a round that failed counts as having brought everything",
        [(CatchUp, "catch_up", _catch_up_quietly)],
    ),
    Mutant(
        "told-is-heard",
        "a greeting leaves out what was told before, whether it was heard or not",
        [(Differences, "base", _what_was_told_was_heard)],
    ),
    Mutant(
        "push-waits-for-ever",
        "a push that nobody answers holds up its log until the transport's deadline",
        [(Pusher, "_patience_s", lambda *_: 3600.0)],
        frozenset({"loss", "half", "one_way", "region", "bridge"}),
    ),
    Mutant(
        "overtaken-answer-pauses",
        "an answer that a greeting has overtaken counts as a refusal",
        [(Pusher, "_settle", _settle_by_the_present)],
        frozenset({"loss", "delay", "reordering"}),
    ),
    Mutant(
        "clock-off-unheeded",
        "a node whose own clock is wrong reads and writes all the same",
        [
            (Cluster, "check_writable", lambda *_: None),
            (Reads, "check_clock", lambda *_: None),
            (CatchUp, "_check_clock", lambda *_: None),
        ],
        frozenset({"clock_jump", "clock_drift"}),
    ),
    Mutant(
        "rows-unverified",
        "a node greets its peers before it has looked after its files",
        [(Holdings, "verify", _nothing)],
        frozenset({"wipe", "restore"}),
    ),
    Mutant(
        "trim-waits-for-nobody",
        "what every connected member has is forgotten, whoever is away",
        [(floor, "candidates", _candidates_of_the_present)],
        frozenset({"trimmed"}),
    ),
    Mutant(
        "copies-remembered-for-ever",
        "what a peer said of a blob is never forgotten",
        [(Durability, "_confirm", _confirm_for_ever)],
        frozenset({"narrow"}),
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
