"""What goes on that takes long: copies, drains, an index taken over, a change of the layout."""

from collections.abc import Iterator, Sequence
from typing import Final, Literal, NamedTuple

from cluster.layout import Availability, Live, Phase, Role, View
from node.attention import troubles
from node.attention.facts import Facts, MemberFacts, NodeCopies
from node.attention.findings import NextStep
from node.attention.rules.absences import away, removal
from node.desk.conditions import condition_of, serves
from node.desk.courses import Course, Left
from node.desk.values import DeskStep, Stall, WorkKind, WorkUnderWay

_NOTHING: Final = NodeCopies()

Unit = Literal["blobs", "rows", ""]


class Restoring(NamedTuple):
    """How far this node is with taking over an index."""

    rows_done: int
    rows: int


class Circumstances(NamedTuple):
    """What is looked at."""

    facts: Facts
    live: Live | None
    change: View | None
    """The change of the layout that goes on."""

    restoring: Restoring | None
    """None while this node takes over nothing."""

    steady: float
    """Seconds of a clock that nobody sets."""


class _Key(NamedTuple):
    kind: WorkKind
    subject: str


class WorkLog:
    """Follows what goes on, from look to look. For one event loop."""

    def __init__(self) -> None:
        self._courses: dict[_Key, Course] = {}
        self._seen: set[_Key] = set()

    def look(self, seen: Circumstances) -> tuple[WorkUnderWay, ...]:
        """Note how it is now, and tell it: what stalls first."""
        self._seen = set()
        found = [
            *self._repair(seen),
            *self._drains(seen),
            *self._restore(seen),
            *self._elsewhere(seen),
            *self._change(seen),
        ]
        for ended in self._courses.keys() - self._seen:
            del self._courses[ended]
        return tuple(sorted(found, key=lambda each: each.stalled is None))

    def _repair(self, seen: Circumstances) -> Iterator[WorkUnderWay]:
        copies = seen.facts.copies
        if copies is None:
            return
        drained = copies.places.drained
        left = Left(copies.short - drained.blobs, copies.short_bytes - drained.bytes)
        if left.units <= 0:
            return
        key = _Key("repair", "")
        course = self._follow(key, seen, copies.places.walk, left)
        stall = _stall(course, seen, *waits_for(seen.facts, seen.live))
        yield _shown(key, "copies are made that blobs lack", course, seen, "blobs", stall=stall)

    def _drains(self, seen: Circumstances) -> Iterator[WorkUnderWay]:
        for member in seen.facts.members:
            if member.availability is Availability.DRAINING and Role.STORE in member.roles:
                yield from self._drain(seen, member)

    def _drain(self, seen: Circumstances, member: MemberFacts) -> Iterator[WorkUnderWay]:
        copies, node = seen.facts.copies, member.node
        if copies is None:
            return
        mine = copies.places.nodes.get(node, _NOTHING)
        key, left = _Key("drain", node), Left(*mine.short)
        course = self._follow(key, seen, copies.places.walk, left, Left(*mine.held))
        if not left.units:
            told = f"it is done: `atoll node remove {node}` takes it out"
            yield _shown(key, f"{node} has drained", course, seen, "blobs", told)
            return
        stall = _stall(course, seen, *waits_for(seen.facts, seen.live))
        title = f"others get the copies of {node}"
        yield _shown(key, title, course, seen, "blobs", stall=stall)

    def _restore(self, seen: Circumstances) -> Iterator[WorkUnderWay]:
        if seen.restoring is None:
            return
        node = seen.facts.node
        done, rows = seen.restoring
        key, left = _Key("restore", node), Left(rows - done)
        course = self._follow(key, seen, seen.steady, left, Left(rows))
        steps = (DeskStep("look for `no checkpoint` in its log, and at its lines to the others"),)
        stall = _stall(course, seen, "no member gives the rest of it", steps)
        yield _shown(key, f"{node} takes over an index", course, seen, "rows", stall=stall)

    def _elsewhere(self, seen: Circumstances) -> Iterator[WorkUnderWay]:
        """Nodes that come, or take over an index: how far another one is, it alone can tell."""
        for member in seen.facts.members:
            node, condition = member.node, condition_of(member)
            if condition == "joining":
                key, title = _Key("join", node), f"{node} comes"
                told = "; ".join(troubles.heard(member.trouble or "").values())
            elif condition == "restoring" and node != seen.facts.node:
                key, title = _Key("restore", node), f"{node} takes over an index"
                told = f"how far it is, {node} can tell"
            else:
                continue
            course = self._follow(key, seen, None, Left(0))
            yield _shown(key, title, course, seen, told=told)

    def _change(self, seen: Circumstances) -> Iterator[WorkUnderWay]:
        view, live = seen.change, seen.live
        if view is None or live is None:
            return
        version = live.newest.version
        key = _Key("change", str(version))
        course = self._follow(key, seen, None, Left(0))
        held = "; ".join(map(str, view.hindrances))
        stall, told = None, held
        match view.phase:
            case Phase.STALLED:  # which has a number of its own (`cluster.layout.handover`)
                what = "start or connect those that hold it up, then"
                steps = (DeskStep(what, "atoll layout show"),)
                stall = Stall(held or "nobody says why", _wall(seen, course.began), steps)
                told = ""
            case Phase.WAITING:
                told = f"leases of the version before end in {view.wait_s:.0f} s"
            case Phase.READY:
                told = "it can end"
            case Phase.PULLING:
                told = held or "its quorums get what those before have"
        title = f"the layout changes to version {version}"
        yield _shown(key, title, course, seen, told=told, stall=stall)

    def _follow(
        self,
        key: _Key,
        seen: Circumstances,
        look: object,
        left: Left,
        total: Left | None = None,
    ) -> Course:
        self._seen.add(key)
        course = self._courses.get(key)
        if course is None:
            course = self._courses[key] = Course(seen.steady, look, left)
        course.note(seen.steady, look, left, total)
        return course


def waits_for(facts: Facts, live: Live | None) -> tuple[str, Sequence[DeskStep]]:
    """What copies that are not made wait for, as far as it can be told; and what to do."""
    gone = [member for member, _ in away(facts) if Role.STORE in member.roles]
    if gone:
        names = ", ".join(f"{member.node} ({condition_of(member)})" for member in gone)
        why = f"what {names} had counts as a copy for as long as it is a member"
        steps = (NextStep("start it again"), removal(facts, gone[0]))
        return why, [DeskStep(step.text, step.command) for step in steps]
    takers = [m for m in facts.members if m.availability is Availability.ACTIVE and serves(m)]
    full = [m.node for m in takers if "disk" in troubles.heard(m.trouble or "")]
    if full:
        return f"no room on {', '.join(full)}", [DeskStep("make room there, or add a store")]
    copies = 1 if live is None else live.newest.settings.copies
    if len(takers) < copies:
        why = f"{len(takers)} stores take copies, and {copies} are asked for"
        return why, [DeskStep("add a store, or have those take copies that are paused")]
    return "nobody says why", [DeskStep("look for `copies repaired` with failures in the logs")]


def _stall(
    course: Course, seen: Circumstances, why: str, steps: Sequence[DeskStep]
) -> Stall | None:
    if not course.is_stalled(seen.steady):
        return None
    return Stall(why, _wall(seen, course.progressed), steps)


def _shown(
    key: _Key,
    title: str,
    course: Course,
    seen: Circumstances,
    unit: Unit = "",
    told: str = "",
    stall: Stall | None = None,
) -> WorkUnderWay:
    left, total = course.left, course.total
    sized = unit and left.bytes is not None and total.bytes is not None
    return WorkUnderWay(
        key.kind,
        key.subject,
        title,
        unit,
        total.units - left.units if unit else None,
        total.units if unit else None,
        (total.bytes or 0) - (left.bytes or 0) if sized else None,
        total.bytes if sized else None,
        _rounded(course.rate()),
        _rounded(course.bytes_per_s()),
        _rounded(course.eta_s()) if stall is None else None,
        _wall(seen, course.began),
        told,
        stall,
    )


def _wall(seen: Circumstances, steady: float) -> float:
    return round(seen.facts.now - (seen.steady - steady), 3)


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 1)
