"""About what the members decide together: the layout, its voters and its changes."""

from collections.abc import Callable, Iterator
from typing import Final

from node.attention.codes import Code
from node.attention.facts import Facts
from node.attention.findings import THE_CLUSTER, Finding, Measure, NextStep
from node.attention.rules.absences import absences, no_majority


def no_layout(facts: Facts) -> Iterator[Finding]:
    if facts.no_layout is None:
        return
    yield Finding(
        code=Code.NO_LAYOUT,
        subject=THE_CLUSTER,
        title=facts.no_layout or "there is no layout",
        next=(
            NextStep("wait until all nodes of `initial` are there, or correct `join`"),
            NextStep("to begin a cluster of this node alone", "atoll layout init"),
        ),
    )


def voters_lost(facts: Facts) -> Iterator[Finding]:
    voters, silent = facts.voters
    if not voters or facts.voters.majority:
        return
    there = sorted({m.node for m in facts.members if m.connected and m.availability is not None})
    survivors = ",".join(there or [facts.node])
    yield Finding(
        code=Code.VOTERS_LOST,
        subject=THE_CLUSTER,
        title=(
            f"{facts.node} is connected with {len(voters) - len(silent)} of {len(voters)} voters: "
            f"{', '.join(silent)} do not answer, and the layout cannot be changed from here"
        ),
        measures=(
            Measure("voters_connected", len(voters) - len(silent)),
            Measure("voters", len(voters)),
            *_logins_end(facts),
        ),
        next=(
            NextStep(
                f"look at a node on the other side, and mend the network or start {silent[0]}"
            ),
            NextStep(
                "only if those that are not named are switched off for good",
                f"atoll layout force --survivors {survivors}",
            ),
        ),
    )


def _logins_end(facts: Facts) -> Iterator[Measure]:
    access = facts.access
    if not access.is_open and access.cutoff_s and access.apart_s <= access.cutoff_s:
        left_s = access.cutoff_s - max(0.0, access.apart_s)
        yield Measure("logins_end_in", round(left_s), "s")


def logins_refused(facts: Facts) -> Iterator[Finding]:
    access = facts.access
    if access.is_open or not access.cutoff_s or access.apart_s <= access.cutoff_s:
        return
    if not facts.voters.voters or facts.voters.majority:
        return  # It has just come back, or has not begun.
    yield Finding(
        code=Code.LOGINS_REFUSED,
        subject=THE_CLUSTER,
        title=(
            f"{facts.node} logs nobody in: it has not been connected with most voters for more "
            f"than {access.cutoff_s:.0f} s"
        ),
        measures=(Measure("login_cutoff", access.cutoff_s, "s"),),
        next=(NextStep("send clients to nodes that are connected with most voters"),),
        because=(no_majority(),),
    )


def change_stalled(facts: Facts) -> Iterator[Finding]:
    change = facts.stalled
    if change is None:
        return
    why = "; ".join(each.text for each in change.hindrances)
    nodes = {each.node for each in change.hindrances}
    yield Finding(
        code=Code.CHANGE_STALLED,
        subject=THE_CLUSTER,
        title=f"the change to version {change.version} STALLED" + (f": {why}" if why else ""),
        measures=(Measure("version", change.version),),
        next=(NextStep("start or connect those that hold it up, then", "atoll layout show"),),
        because=(*(absences(facts, *nodes) if nodes else ()), no_majority()),
    )


def layout_unmet(facts: Facts) -> Iterator[Finding]:
    if facts.layout is None or not facts.layout.unmet:
        return
    told = "; ".join(f"{u.what}: {u.wanted} wanted, {u.given} possible" for u in facts.layout.unmet)
    options = {_OPTIONS[u.what]: max(1, u.given) for u in facts.layout.unmet if u.what in _OPTIONS}
    less = " ".join(f"{option} {number}" for option, number in options.items())
    yield Finding(
        code=Code.LAYOUT_UNMET,
        subject=THE_CLUSTER,
        title=f"the layout asks for more than its members give: {told}",
        measures=tuple(Measure(u.what, u.given, f"of {u.wanted}") for u in facts.layout.unmet),
        next=(
            NextStep("add stores"),
            NextStep("or ask for less", f"atoll layout plan {less}") if less else _RULES_OF_REGIONS,
        ),
    )


_OPTIONS: Final = {"copies": "--copies", "regions with copies": "--regions-min"}
"""What asks for less of what `cluster.layout.unmet` names."""

_RULES_OF_REGIONS: Final = NextStep("or change the rules of the regions")


RULES: Final[tuple[Callable[[Facts], Iterator[Finding]], ...]] = (
    no_layout,
    voters_lost,
    logins_refused,
    change_stalled,
    layout_unmet,
)
