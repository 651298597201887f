"""What takes the place of the rules in the seeded bugs (`mutants`)."""

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from msgspec.structs import replace

from cluster.driver.freshness import FreshnessDriver
from cluster.driver.roll import Roll, disk_of
from cluster.freshness import grants
from cluster.freshness.confirmations import Confirmations
from cluster.freshness.continuity import EarlierRuns
from cluster.freshness.drift import DRIFT
from cluster.freshness.grants import Grant, Grants
from cluster.freshness.leases import Leases
from cluster.freshness.machine import Backing, Freshness
from cluster.layout.document import Witness
from cluster.layout.handover import Handover
from cluster.layout.transition import Live
from cluster.messages import Confirmation, Greeting, Stage
from cluster.model import Disk, Dot, Member, NodeId, Region, Run, Vector
from tests.freshness.process import Process, Refused

# What is confirmed.

_confirmation: Final = FreshnessDriver.confirmation
_hear: Final = FreshnessDriver.hear
_note: Final = FreshnessDriver.note
_backing: Final = FreshnessDriver.backing
_confirmed: Final = Confirmations.confirmed
_note_word: Final = Confirmations.note


def without_readers(self: FreshnessDriver, member: Member) -> Confirmation | None:
    said = _confirmation(self, member)
    return None if said is None else replace(said, readers={})


def copies_confirm(self: FreshnessDriver, dot: Dot) -> Backing:
    backing, progress = _backing(self, dot), self._env.progress
    having = {d for d in self.quorum() if progress.reached(NodeId(d.node), dot.origin) >= dot.seq}
    return backing._replace(confirmed=backing.confirmed | having)


def unnoted(method: Callable[..., Any]) -> Callable[..., Any]:
    """*method* of the driver, which tells the machine of no event before it goes on."""

    def without(self: FreshnessDriver, *args: Any) -> Any:
        note_synced = self._machine.note_synced
        self._machine.note_synced = lambda *_: None
        try:
            return method(self, *args)
        finally:
            self._machine.note_synced = note_synced

    return without


confirmation_unnoted: Final = unnoted(_confirmation)
backing_unnoted: Final = unnoted(_backing)


def of_whatever_log(
    self: FreshnessDriver, member: Member, stage: Stage, said: Confirmation | None
) -> None:
    if said is not None:
        said = replace(said, epoch=self._env.events.origin.epoch)
    _hear(self, member, stage, said)


def upto_what_it_has(self: FreshnessDriver, greeting: Greeting) -> None:
    said, own = greeting.confirmation, self._env.events.origin
    if said is not None:
        have = {**greeting.have, **self._env.progress.of(greeting.member.node)}
        greeting = replace(greeting, confirmation=replace(said, upto=have.get(own, said.upto)))
    _note(self, greeting)


def of_whatever_run(self: FreshnessDriver, run: Run, seq: int) -> bool:
    origin = self._env.events.origin
    return self._env.progress.reached(NodeId(run.disk.node), origin) >= seq


def reached_by_whatever_run(self: Confirmations, reader: Run, seq: int) -> bool:
    return any(r.disk == reader.disk and upto >= seq for r, upto in self._reached.items())


def runs_not_compared(self: Confirmations, seq: int, _: Any, has: Any) -> Any:
    said = self._said
    self._said = {disk: (0, replace(word, epochs={})) for disk, (_, word) in said.items()}
    try:
        return _confirmed(self, seq, {}, has)
    finally:
        self._said = said


def runs_of_others_not_compared(self: Confirmations, seq: int, epochs: Any, has: Any) -> Any:
    said = self._said
    self._said = {disk: (run, replace(word, epochs={})) for disk, (run, word) in said.items()}
    try:
        return _confirmed(self, seq, epochs, has)
    finally:
        self._said = said


def later_runs_count(self: Confirmations, seq: int, epochs: Any, has: Any) -> Any:
    said = self._said

    def raised(word: Confirmation) -> Confirmation:
        runs = {disk: max(run, said[disk][0] if disk in said else 0) for disk, run in
                word.epochs.items()}  # fmt: skip
        return replace(word, epochs=runs)

    self._said = {disk: (run, raised(word)) for disk, (run, word) in said.items()}
    try:
        return _confirmed(self, seq, epochs, has)
    finally:
        self._said = said


def at_any_stage(self: Confirmations, run: Run, stage: Stage, said: Confirmation) -> Any:
    return _note_word(self, run, self._stage or stage, said)


# Who reads.

_greet: Final = Grants.greet
_holders: Final = Grants.holders
_take: Final = FreshnessDriver.take


def granted_when_listed(self: Grants, run: Run, have: Vector, now: float) -> Grant:
    answer = _greet(self, run, have, now)
    if answer is Grant.LISTED:
        self._readers[run.disk].until = now + self._lease_s * DRIFT
        return Grant.GRANTED
    return answer


def granted_for_ever(self: Grants, run: Run, have: Vector, now: float) -> Grant:
    answer = _greet(self, run, have, now)
    if answer in (Grant.LAGS, Grant.FALLS_BEHIND) and run.disk in self._readers:
        self._readers[run.disk].until = now + self._lease_s * DRIFT
        return Grant.GRANTED
    return answer


def wants_what_was(self: Grants, reader: Any, now: float) -> Vector:
    return self._moments.at(now - self._laggard_s)


def struck_off_early(self: Grants, now: float) -> Mapping[Disk, int]:
    holders = _holders(self, now)
    return {disk: epoch for disk, epoch in holders.items() if not self._readers[disk].lags}


def any_run_strikes_off(self: Grants, run: Run, have: Vector, now: float) -> Grant:
    reader = self._readers.get(run.disk)
    if reader is not None and run.epoch < reader.epoch:
        del self._readers[run.disk]
    return _greet(self, run, have, now)


def over_as_its_clock_says(self: Grants, reader: Any) -> float:
    return max(reader.until, reader.greeted_at + self._lease_s * grants.DRIFT)


def taken_with_the_answer(self: FreshnessDriver, member: Member, asked_at: float) -> None:
    _take(self, member, self._env.clock.now_s())


def majority_of_the_connected(self: Roll, disks: Collection[Disk]) -> bool:
    there = {disk_of(self._me), *map(disk_of, self.connected())}
    live = self.live
    quorums = () if live is None else live.quorums.get(self._me.region, ())
    return all(2 * len(there & q & set(disks)) > len(there & q) for q in quorums)


def suffice_of_the_connected(self: Roll, having: Collection[Member]) -> bool:
    disks = {disk_of(self._me), *map(disk_of, having)}
    return len(disks) >= self.copies and majority_of_the_connected(self, disks)


def round_with_one_less(self: Freshness, disks: Collection[Disk], now: float) -> bool:
    return any(self._is_majority({*disks, other}) for other in self.quorum())


def leases_with_one_less(self: Freshness) -> None:
    def enough(granters: Collection[Disk]) -> bool:
        return any(self._is_majority({*granters, other}) for other in self.quorum())

    self._covered_until = math.inf if enough(()) else 0.0
    granters = set[Disk]()
    for disk, until in self._leases.latest_first():
        granters.add(disk)
        if not self._covered_until and enough(granters):
            self._covered_until = until


# Runs and disks.

_end_run: Final = FreshnessDriver.end_run
_end: Final = EarlierRuns.end
_init: Final = Freshness.__init__
_look_at_leases: Final = Freshness._look_at_leases


def not_mute(self: Freshness, me: Run, region: Region, start: Vector, d: Any, now: float) -> None:
    _init(self, me, region, start, d, now)
    self._muted_until = now


_left: Final[dict[Disk, Leases]] = {}
_WORLD_BEGINS_S: Final = 1000.0


def with_leases_of_before(
    self: Freshness, me: Run, region: Region, start: Vector, d: Any, now: float
) -> None:
    _init(self, me, region, start, d, now)
    if now > _WORLD_BEGINS_S and me.disk in _left:
        self._leases = _left[me.disk]
    _left[me.disk] = self._leases


def speaks_set_back(self: Freshness, now: float) -> bool:
    return now >= self._muted_until


def _counting_itself(method: Callable[..., Any]) -> Callable[..., Any]:
    def counts(self: Freshness, *args: Any) -> Any:
        whole, self._is_whole = self._is_whole, True
        try:
            return method(self, *args)
        finally:
            self._is_whole = whole

    return counts


leases_count_itself: Final = _counting_itself(_look_at_leases)


def round_counts_itself(self: Freshness, disks: Collection[Disk], now: float) -> bool:
    self.is_continuous(now)
    return self._live is not None and self._live.majority(self._region, {*disks, self._me.disk})


def kept_of_the_own_region(self: FreshnessDriver, member: Member, *, disk_said: Vector) -> None:
    region = member.region
    kept = {o: seq for o, seq in disk_said.items() if self._matters(region, NodeId(o.node))}
    _end_run(self, member, disk_said=kept)


def of_the_last_run(self: EarlierRuns, of: Any, said: Vector, *, continuous: bool) -> None:
    self._said.clear()
    _end(self, of, said, continuous=continuous)


# Layouts.


def newest_majority(self: Live, region: Region, disks: Collection[Disk]) -> bool:
    quorum = self.quorum_set(self.newest, region)
    return 2 * len(quorum & set(disks)) > len(quorum)


def earlier_while_not_connected(self: Process, later: Member, _: Member) -> None:
    if self.env.members.is_connected(later.node):
        raise Refused


_note_pulled: Final = Process._note_pulled


def handed_over_by_any_disk(self: Process, stage: Stage, member: Member, whole: bool) -> None:
    _note_pulled(self, stage, member, whole)
    self.pulls.note(stage, disk_of(member))


_follow: Final = Handover.__init__


def without_wait(self: Handover, live: Live, lease_s: float, laggard_s: float, now: float) -> None:
    _follow(self, live, 0.0, 0.0, now)


def nobody_lags(self: Handover, live: Live, lease_s: float, laggard_s: float, now: float) -> None:
    _follow(self, live, lease_s, min(laggard_s, 0.2), now)


def _seen_by(change: Callable[[Roll, Live], Live]) -> property:
    """What is live, as a node sees it that errs."""
    kept: dict[tuple[int, str], tuple[Live, Live]] = {}

    def live(self: Roll) -> Live | None:
        found = self._chronicle.live
        if found is None:
            return None
        key = id(found), self._me.node
        if key not in kept or kept[key][0] is not found:
            kept[key] = found, change(self, found)
        return kept[key][1]

    return property(live)


def _with_witnesses(found: Live, change: Callable[[Witness], tuple[Witness, ...]]) -> Live:
    def changed(layout: Any) -> Any:
        witnesses = tuple(w for each in layout.witnesses for w in change(each))
        return replace(layout, witnesses=witnesses)

    return Live(changed(found.newest), changed(found.oldest), found.lost)


def _without_witness(self: Roll, found: Live) -> Live:
    return _with_witnesses(found, lambda w: (w,) if self._me.node != "b" else ())


def _with_another_witness(self: Roll, found: Live) -> Live:
    def measured(witness: Witness) -> tuple[Witness, ...]:
        errs = self._me.node in ("b", "w") and witness.region == "eu"
        return (replace(witness, node=NodeId("w")) if errs else witness,)

    return _with_witnesses(found, measured)


no_witness: Final = _seen_by(_without_witness)
another_witness: Final = _seen_by(_with_another_witness)
