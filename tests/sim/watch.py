"""
What the simulator sees of every node that no client sees: its log, its leases, what it forgets.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from cluster import vectors
from cluster.clock import MAX_OFFSET_MS, stamp_ms
from cluster.errors import EventUndecodable
from cluster.model import (
    Dot,
    Event,
    Origin,
    Vector,
)
from cluster.objects.events import Add, Remove, Write, decode_body, decode_event
from node.index import keys
from tests.sim.excuses import Excused

if TYPE_CHECKING:
    from tests.sim.machine import Machine


def named_by(event: Event) -> Sequence[Dot]:
    """The events that *event* replaces or removes."""
    with suppress(EventUndecodable):
        match decode_body(event):
            case Add(dots, _) | Remove(dots) | Write(dots, _):
                return dots
    return ()


class Observer:
    """What the simulator sees of every index: each event once it is durable where it was made."""

    def __init__(
        self,
        everyone: "Callable[[], list[Machine]]",
        lacks: "Callable[[Machine, Dot], bool]",
        excused: Excused,
    ) -> None:
        """*lacks* says whether a machine does not have an event."""
        self.excused = excused
        self.events: dict[Dot, Event] = {}
        self.violations: list[str] = []
        self.everyone = everyone
        self.lacks = lacks
        self.holders: Callable[[Dot], list[str]] = lambda dot: []
        """Names the machines that are members, with a disk that has the event; set by the world."""
        self.ends: dict[Origin, int] = {}
        """How far each log went, by whoever retired it first."""

        self.told: dict[str, dict[Origin, int]] = {}
        """By region, up to where its clients were told that a log is safe."""
        self.counted_dead: Callable[[str, str, int], None] = lambda by, node, incarnation: None
        """Gets a node's name, and name and incarnation of the member that it has just given up."""

    def lacking(self, dot: Dot) -> "list[Machine]":
        """The machines that do not have the event *dot*."""
        return [machine for machine in self.everyone() if self.lacks(machine, dot)]

    def acknowledged(self, dot: Dot | None, region: str) -> None:
        """A client in *region* is told that *dot* is safe: whoever reads there has it (P2)."""
        if dot is None:
            return
        told = self.told.setdefault(region, {})
        told[dot.origin] = max(dot.seq, told.get(dot.origin, 0))
        for machine in self.lacking(dot):
            if machine.region == region and machine.reads:
                self.violations.append(f"lease: {machine.name} reads, and lacks {dot}")

    def came_to_read(self, machine: "Machine") -> None:
        """*machine* has another lease: if it reads by that, it has what its region was told."""
        if not machine.reads:
            return
        for origin, seq in self.told.get(machine.region, {}).items():
            dot = Dot(origin.node, origin.epoch, seq)
            if self.lacks(machine, dot):
                self.violations.append(f"lease: {machine.name} comes to read, and lacks {dot}")

    def made(self, event: Event) -> None:
        known = self.events.setdefault(event.dot, event)
        if known != event:
            self.violations.append(f"the dot {event.dot} names two events")
        for earlier in self._known_to(event):
            if earlier.stamp >= event.stamp:
                self.violations.append(f"stamp order: {event.dot} is not after {earlier.dot}")

    def _known_to(self, event: Event) -> Iterator[Event]:
        """What the writer of *event* had certainly seen: its last event, and what this one names"""
        node, epoch, seq = event.dot
        for dot in (Dot(node, epoch, seq - 1), *named_by(event)):
            if dot in self.events:
                yield self.events[dot]


def answering(machines: "Sequence[Machine]", known: Mapping[str, str]) -> list[str]:
    """
    The addresses of those *machines* that a node takes for members: *known* is where each name
    answers, as far as that node has heard.

    A name is one member and says of itself what it has. While a copy of a machine's directory
    answers to the name, the others hear of the copy's disk, which counts here, and cannot know
    that the machine lacks anything. Once the machine is heard again it is the member again. Who is
    not known at all has to be waited for nevertheless, where it should be.
    """
    return [m.address for m in machines if known.get(m.name, f"{m.name}:1") == m.address]


class Watch:
    """Looks over the writer's shoulder: what was applied, and what became durable."""

    def __init__(self, machine: "Machine") -> None:
        self._machine = machine
        self._observer = machine.observer
        self._applied: dict[Origin, int] = {}
        self._made = 0
        self._floor: Vector = {}
        self._known: dict[str, str] = {}
        """Whom the node knew, and where, when it last decided to forget something."""
        self._restoring = False
        self._found_stamp = 0
        """The latest stamp in the log when the run began."""

    def begin(self, journal: Any) -> None:
        self._journal = journal
        self._applied = dict(journal.applied)
        self._vector = journal.applied
        self._floor, self._restoring = journal.floor, journal.restoring
        for origin, seq in vectors.logs(journal.applied):
            if origin.node == self._machine.name:
                # A killed process may have written events that the next one finds.
                self._note(origin, 0, seq)
            last = self._event(origin, seq)
            self._found_stamp = max(self._found_stamp, 0 if last is None else last.stamp)

    def on_trim(
        self, trim: Callable[[Vector], Awaitable[None]]
    ) -> Callable[[Vector], Awaitable[None]]:
        """*trim*, which notes who is known: the decision is carried out some time later."""

        async def noting(upto: Vector) -> None:
            running = self._machine.running
            assert running is not None, "what does not run forgets nothing"
            self._known = {str(m.node): m.rpc for m in running.cluster._env.roll.others()}
            await trim(upto)

        return noting

    def on_group(self) -> None:
        """Check what was just applied, and what was just forgotten."""
        restored, self._restoring = self._restoring, self._journal.restoring
        self._check_retired(taken_over=restored)
        if not restored and not self._restoring:
            self._check_order()
            self._check_floor()
        elif restored != self._restoring:
            self._observer.excused.note("restored")
        self._floor = self._journal.floor
        self._check_clock_bound()

    def _check_retired(self, *, taken_over: bool) -> None:
        """
        What is retired is here, to an end that is the same everywhere, and nobody has more of it.

        *taken_over* with a checkpoint: then what was here before tells nothing of that.
        """
        before, after = self._vector, self._journal.applied
        if before is after:
            return
        self._vector = after
        ends, disk = self._observer.ends, self._machine.disk
        for origin in {dot.origin for dot in self._observer.events} | before.keys():
            if not vectors.is_retired(after, origin) or vectors.is_retired(before, origin):
                continue
            if not taken_over:
                here = before.get(origin, 0)
                if ends.setdefault(origin, here) != here:
                    self._complain(
                        f"retired: {self._machine.name} has {origin} up to {here}, "
                        f"others had it up to {ends[origin]}"
                    )
            # Nobody retired a log of which there is nothing.
            disk.ends[origin] = ends.get(origin, 0)
            self._check_nobody_has_more(origin, disk.ends[origin])

    def _check_nobody_has_more(self, origin: Origin, end: int) -> None:
        dot = Dot(*origin, end + 1)
        if dot not in self._observer.events:
            return
        holders = self._observer.holders(dot)
        if holders:
            self._complain(f"retired: {self._machine.name} lacks {dot}, which {holders} have")

    def _check_order(self) -> None:
        """Every event of every log is here, and what it builds on."""
        applied = self._journal.applied
        for origin, upto in vectors.logs(applied):
            for seq in range(self._applied.get(origin, 0) + 1, upto + 1):
                event = self._event(origin, seq)
                if event is None:
                    self._complain(f"order: {self._machine.name} has no {origin} {seq}")
                    continue
                if event.kind in self._machine.cannot_read:
                    self._observer.excused.note("earlier version")
                    continue
                for dot in named_by(event):
                    if dot.seq > vectors.reached(applied, dot.origin):
                        self._complain(
                            f"order: {self._machine.name} applied {event.dot} without {dot}"
                        )

    def _check_floor(self) -> None:
        """A log is kept for whoever lacks it, for as long as it says."""
        keep_ms = self._machine.config.log_away_s * 1000
        for origin, seq in self._journal.floor.items():
            if seq == self._floor.get(origin, 0):
                continue
            event = self._observer.events.get(Dot(origin.node, origin.epoch, seq))
            if event is None:
                continue
            age_ms = self._machine.clock.now_ms() - stamp_ms(event.stamp)
            # A disk that was destroyed had it, perhaps, and the others cannot know that it is gone.
            whole = [m for m in self._observer.lacking(event.dot) if m.lost_disk[1] is None]
            lacking = self._members_among(whole)
            if age_ms < keep_ms and lacking:
                self._complain(
                    f"floor: {self._machine.name} forgot {event.dot} after {age_ms} ms, "
                    f"and {lacking} lack it"
                )

    def _members_among(self, machines: "Sequence[Machine]") -> list[str]:
        due = [m for m in machines if m.name in self._known]
        return answering(due, {**self._known, self._machine.name: self._machine.address})

    def _complain(self, text: str) -> None:
        self._observer.violations.append(text)

    def _check_clock_bound(self) -> None:
        applied = self._journal.applied
        for origin, seq in vectors.logs(applied):
            before = self._applied.get(origin, 0)
            if seq == before:
                continue
            self._applied[origin] = seq
            if origin == self._journal.origin:
                continue
            last = self._event(origin, seq)
            ahead_ms = 0 if last is None else stamp_ms(last.stamp) - self._machine.clock.now_ms()
            if ahead_ms > MAX_OFFSET_MS:
                self._observer.violations.append(
                    f"clock bound: {self._machine.name} applied {origin} {ahead_ms} ms ahead"
                )

    def on_sealed(self) -> None:
        origin = self._journal.origin
        durable = self._journal.durable.get(origin, 0)
        if durable > self._made:
            self._note(origin, self._made, durable)
            self._made = durable

    def _note(self, origin: Origin, after: int, upto: int) -> None:
        for seq in range(after + 1, upto + 1):
            event = self._event(origin, seq)
            if event is None:
                continue
            self._observer.made(event)
            if origin == self._journal.origin and event.stamp <= self._found_stamp:
                self._observer.violations.append(f"stamp order: {event.dot} is before its log")

    def _event(self, origin: Origin, seq: int) -> Event | None:
        row = self._machine.disk.families["log"].get(keys.log(origin, seq))
        return None if row is None else decode_event(row)
