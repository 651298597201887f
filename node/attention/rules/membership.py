"""About the members one by one, and about how they differ."""

from collections.abc import Callable, Iterator
from typing import Final

from cluster.layout import Availability
from node.attention.codes import Code
from node.attention.facts import Facts, MemberFacts
from node.attention.findings import THE_CLUSTER, Finding, FindingKey, Measure, NextStep
from node.attention.rules.absences import (
    absence_of,
    absences,
    can_decide,
    no_majority,
    node_subject,
    removal,
)

_START: Final = NextStep("start it again")
_LOGS_PER_NODE: Final = 50
"""Entries of the vector from which on it says so: there are two where every member is there."""


def away(facts: Facts) -> Iterator[Finding]:
    for member in facts.members:
        code = absence_of(member)
        if code is not None and (member.availability is not None or code is Code.NODE_DEAD):
            yield _away(facts, member, code)


def _away(facts: Facts, member: MemberFacts, code: Code) -> Finding:
    node = member.node
    steps: tuple[NextStep, ...]
    match code:
        case Code.NODE_DEAD:
            title, steps = f"{node} is dead", (_START, removal(facts, member))
        case Code.NODE_UNHEARD:
            title = f"nobody has heard of {node}"
            steps = (NextStep("start it"), removal(facts, member))
        case Code.NODE_LEFT:
            title = f"{node} left, and is still in the layout"
            steps = (removal(facts, member),)
        case Code.NODE_SUSPECT:
            title = f"{node} is suspect"
            steps = (NextStep("it is slow, cut off or down: look at its machine and its network"),)
        case Code.NODE_STOPPED:
            title = f"{node} stopped, to be back soon"
            steps = (NextStep("wait, or start it again"),)
        case Code.NODE_UNLINKED:
            title = f"no link to {node}, which is alive"
            steps = (NextStep(f"look at the network between {facts.node} and {node}"),)
        case Code.DISK_REPLACED:
            title = f"{node} is there with another disk"
            steps = _disk_steps(facts, member)
        case _:
            raise AssertionError(f"{code} is no absence")
    return Finding(
        code=code,
        subject=node_subject(node),
        title=title,
        measures=_voting(facts, node),
        next=steps,
        because=(no_majority(),) if node in facts.voters.silent else (),
    )


def _disk_steps(facts: Facts, member: MemberFacts) -> tuple[NextStep, ...]:
    node = member.node
    bring = NextStep("start it with the disk that it had")
    if not can_decide(facts):
        return (bring,)
    command = f"atoll node replace {node} {node} --lost"
    return (bring, NextStep("if that disk is gone, with what only it has", command))


def _voting(facts: Facts, node: str) -> tuple[Measure, ...]:
    """Of a voter: how many are left."""
    voters, silent = facts.voters
    if node not in silent:
        return ()
    left = len(voters) - len(silent)
    return (Measure("voters_connected", left), Measure("voters", len(voters)))


def outside(facts: Facts) -> Iterator[Finding]:
    for member in facts.members:
        if member.state != "outside" or member.availability is not None:
            continue
        node = member.node
        yield Finding(
            code=Code.NODE_OUTSIDE,
            subject=node_subject(node),
            title=f"{node} is no member",
            next=(NextStep("if it is to be one", f"atoll node add {node}"),)
            if can_decide(facts)
            else (),
            because=(FindingKey(Code.NO_LAYOUT, THE_CLUSTER),),
        )


def becoming(facts: Facts) -> Iterator[Finding]:
    """Members that get no copies, as somebody wanted."""
    for member in facts.members:
        node = member.node
        if member.availability is Availability.PAUSED:
            yield Finding(
                code=Code.NODE_PAUSED,
                subject=node_subject(node),
                title=f"{node} is paused: it gets no copies",
                next=(NextStep("to end that", f"atoll node resume {node}"),),
            )
        elif member.availability is Availability.DRAINING:
            yield Finding(
                code=Code.NODE_DRAINING,
                subject=node_subject(node),
                title=f"{node} drains: its copies do not count",
                next=(
                    NextStep("may it go?", f"atoll node safe-to-remove {node}"),
                    NextStep("to end that", f"atoll node resume {node}"),
                ),
            )


def settings_differ(facts: Facts) -> Iterator[Finding]:
    for member in facts.members:
        told = "; ".join(f"{name}: {value}" for name, value in member.settings_differing.items())
        if not told:
            continue
        names = ", ".join(member.settings_differing)
        yield Finding(
            code=Code.SETTINGS_DIFFER,
            subject=node_subject(member.node),
            title=f"{member.node} has another {names} than {facts.node} ({told})",
            next=(NextStep("give all nodes the same, one after the other"),),
        )


def versions_mixed(facts: Facts) -> Iterator[Finding]:
    versions: dict[str, list[str]] = {}
    for member in facts.members:
        if member.version and member.availability is not None:
            versions.setdefault(member.version, []).append(member.node)
    if len(versions) < 2:
        return
    told = "; ".join(
        f"{version}: {', '.join(nodes)}" for version, nodes in sorted(versions.items())
    )
    yield Finding(
        code=Code.VERSIONS_MIXED,
        subject=THE_CLUSTER,
        title=f"the members run {len(versions)} versions of Atoll ({told})",
        measures=(Measure("versions", len(versions)),),
        next=(NextStep("finish the upgrade"),),
    )


def seeds_missing(facts: Facts) -> Iterator[Finding]:
    if not facts.seeds_missing:
        return
    told = "; ".join(f"{seed} ({why})" for seed, why in sorted(facts.seeds_missing.items()))
    yield Finding(
        code=Code.SEEDS_MISSING,
        subject=node_subject(facts.node),
        title=f"nobody answers {facts.node} at addresses in its `join`: {told}",
        measures=(Measure("addresses", len(facts.seeds_missing)),),
        next=(NextStep("start them, or take them out of `join`"),),
        because=absences(facts),
    )


def logs_many(facts: Facts) -> Iterator[Finding]:
    others = sum(member.node != facts.node for member in facts.members)
    if facts.logs <= _LOGS_PER_NODE * (others + 1):
        return
    yield Finding(
        code=Code.LOGS_MANY,
        subject=THE_CLUSTER,
        title=f"{facts.logs} logs are told in greetings",
        measures=(Measure("logs", facts.logs),),
        next=(
            NextStep("those of ended runs are retired once every member by the layout is there"),
        ),
        because=absences(facts),
    )


RULES: Final[tuple[Callable[[Facts], Iterator[Finding]], ...]] = (
    away,
    outside,
    becoming,
    settings_differ,
    versions_mixed,
    seeds_missing,
    logs_many,
)
