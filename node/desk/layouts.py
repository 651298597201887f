"""The layout's history and what was planned, as people are told of it. Pure."""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from cluster.layout import Entry, Live, contents, differences, fingerprint
from node.desk.values import PlanMoves

LayoutStep = Literal["begin", "forsake", "end"]
"""A version begins, goes on without members that are lost, or is live alone."""


class LayoutDecision(NamedTuple):
    """One decision about the layout."""

    slot: int
    author: str
    """The node that proposed it."""

    who: str | None
    """Who asked for it; None where that was not noted."""

    step: LayoutStep
    version: int
    changes: Sequence[str]


class DeskPlan(NamedTuple):
    """A version that was planned at the node that is asked."""

    version: int
    fingerprint: str
    changes: Sequence[str]
    lost: Sequence[str]
    moves: PlanMoves | None
    """None where that was not kept."""


class DeskLayout(NamedTuple):
    """Where the layout is."""

    version: int | None
    """None while there is none."""

    voters: Sequence[str]
    silent: Sequence[str]
    """Voters without a link to the node that is asked."""

    plans: Sequence[DeskPlan]
    """The latest last."""

    decisions: Sequence[LayoutDecision]
    """The latest first."""


def lost_in(live: Live) -> list[str]:
    """The members that are said to be lost, and are named still."""
    named = {m.node for layout in live.layouts for m in layout.members if m.store in live.lost}
    return sorted(named)


def decisions(entries: Sequence[Entry]) -> Iterator[LayoutDecision]:
    """Each of them, the first one first, with what it changed."""
    before: Live | None = None
    for entry in entries:
        step, changes = _step(entry.live, before)
        who, version = entry.who or None, entry.live.newest.version
        yield LayoutDecision(entry.slot, entry.author, who, step, version, changes)
        before = entry.live


def _step(live: Live, before: Live | None) -> tuple[LayoutStep, Sequence[str]]:
    if before is None:
        return "begin", contents(live.newest)
    if before.newest.version < live.newest.version:
        return "begin", differences(before.newest, live.newest)
    if live.stage.joint:
        lost = set(lost_in(live)) - set(lost_in(before))
        return "forsake", [f"{node} is lost" for node in sorted(lost)]
    return "end", ()


def planned(plan: Live, moves: PlanMoves | None) -> DeskPlan:
    """What *plan* would be."""
    return DeskPlan(
        plan.newest.version,
        fingerprint(plan.newest),
        differences(plan.oldest, plan.newest),
        lost_in(plan),
        moves,
    )
