"""About nodes that refuse requests, or answer them with what may not be the latest."""

from collections.abc import Callable, Iterator
from typing import Final

from cluster import WANTS_STATE
from node.attention import troubles
from node.attention.codes import Code
from node.attention.facts import Facts, MemberFacts
from node.attention.findings import (
    THE_CLUSTER,
    Finding,
    FindingKey,
    FindingSubject,
    Measure,
    NextStep,
)
from node.attention.rules.absences import absences, key_of, no_majority, node_subject

BEHIND_EVENTS: Final = 1_000
"""Events from which on a lag is told: ten seconds of a hundred writes a second. What a busy cluster
lags is what was written since the last greeting."""

RECENT_S: Final = 30
"""For how long it is told that reads were refused, or answered unconfirmed."""

_TROUBLES: Final = {
    "cluster": Code.NODE_JOINING,
    "index": Code.INDEX_UNUSABLE,
    "blobs": Code.BLOB_DISK_FAILING,
    "clock": Code.CLOCK_OFF,
    "copies": Code.WRITES_REFUSED,
    "disk": Code.DISK_FULL,
}
"""By the conditions of `/readyz`; what is not here is of another version."""

_TITLES: Final = {
    Code.NODE_JOINING: "{node} has not joined, and is sent no clients",
    Code.NODE_RESTORING: "{node} takes no clients",
    Code.NODE_STOPPING: "{node} takes no clients",
    Code.INDEX_UNUSABLE: "the index of {node} cannot be used",
    Code.BLOB_DISK_FAILING: "the disk of the blobs of {node} fails",
    Code.CLOCK_OFF: "the clock of {node} is wrong, and it takes no writes",
    Code.WRITES_REFUSED: "{node} takes no pushes",
    Code.DISK_FULL: "the disk of {node} is full, and it takes no pushes",
    Code.NODE_TROUBLE: "{node} is in trouble",
}

_STEPS: Final = {
    Code.NODE_JOINING: (NextStep("start the nodes that it waits for, or correct `join`"),),
    Code.NODE_RESTORING: (NextStep("wait until it has what it lacks"),),
    Code.NODE_STOPPING: (NextStep("wait until it is back"),),
    Code.INDEX_UNUSABLE: (NextStep("look after its disk; then do what docs/damage.md says"),),
    Code.BLOB_DISK_FAILING: (NextStep("look at the kernel's log and at its disk"),),
    Code.CLOCK_OFF: (NextStep("set the clock of its machine (chrony, ntpd)"),),
    Code.WRITES_REFUSED: (NextStep("start or connect the members that are missing"),),
    Code.DISK_FULL: (NextStep("make room on it, or give it a larger one"),),
    Code.NODE_TROUBLE: (NextStep("look at its log, and at `/readyz` on its machine"),),
}


def in_trouble(facts: Facts) -> Iterator[Finding]:
    """What keeps a node from serving all that it could, as it says itself."""
    for member in facts.members:
        # Of who is no member it is known why it does not serve.
        if member.state == "outside" or not member.trouble:
            continue
        told: dict[Code, list[str]] = {}
        for condition, why in troubles.heard(member.trouble).items():
            told.setdefault(_trouble_of(condition, why), []).append(why)
        for code, reasons in told.items():
            yield _in_trouble(facts, member, code, "; ".join(reasons))


def _trouble_of(condition: str, why: str) -> Code:
    if condition == "running":
        return Code.NODE_JOINING if why == "starting" else Code.NODE_STOPPING
    if condition == "index" and why == WANTS_STATE:
        return Code.NODE_RESTORING
    if condition == "index" and why.startswith("no room"):
        return Code.DISK_FULL
    return _TROUBLES.get(condition, Code.NODE_TROUBLE)


def _in_trouble(facts: Facts, member: MemberFacts, code: Code, why: str) -> Finding:
    node = member.node
    because: tuple[FindingKey, ...] = ()
    match code:
        case Code.WRITES_REFUSED:
            # Who says so names whom it misses; those are the away ones of this node's view too.
            because = (*absences(facts), no_majority())
        case Code.INDEX_UNUSABLE:
            because = (key_of(Code.ROWS_DAMAGED, node), key_of(Code.DISK_FULL, node))
        case Code.NODE_JOINING:
            because = (FindingKey(Code.NO_LAYOUT, THE_CLUSTER), key_of(Code.NODE_RESTORING, node))
        case Code.BLOB_DISK_FAILING:
            because = (key_of(Code.DISK_FULL, node),)
        case _:
            pass
    return Finding(
        code=code,
        subject=node_subject(node),
        title=f"{_TITLES[code].format(node=node)}: {why}",
        measures=_room(member) if code is Code.DISK_FULL else (),
        next=_STEPS[code],
        because=because,
    )


def _room(member: MemberFacts) -> tuple[Measure, ...]:
    if member.disk_bytes is None or member.disk_free_bytes is None:
        return ()
    return (
        Measure("disk_free", member.disk_free_bytes, "bytes"),
        Measure("disk", member.disk_bytes, "bytes"),
    )


def reads_refused(facts: Facts) -> Iterator[Finding]:
    if not facts.reads.refused:
        return
    yield Finding(
        code=Code.READS_REFUSED,
        subject=node_subject(facts.node),
        title=(
            f"{facts.node} refused {facts.reads.refused} requests lately, as it could not tell "
            "whether it has the latest"
        ),
        measures=(Measure("refused", facts.reads.refused, f"requests in {RECENT_S} s"),),
        next=(NextStep("look at the links to its members", "atoll status"),),
        because=_view_of(facts, facts.node, facts.region),
    )


def reads_unconfirmed(facts: Facts) -> Iterator[Finding]:
    if not facts.reads.unconfirmed:
        return
    yield Finding(
        code=Code.READS_UNCONFIRMED,
        subject=node_subject(facts.node),
        title=(
            f"{facts.node} answered {facts.reads.unconfirmed} reads lately without a majority of "
            f"region {facts.region}: they may not be the latest"
        ),
        measures=(Measure("unconfirmed", facts.reads.unconfirmed, f"reads in {RECENT_S} s"),),
        next=(NextStep(f"start or connect the other stores of region {facts.region}"),),
        because=_view_of(facts, facts.node, facts.region),
    )


def reads_uncovered(facts: Facts) -> Iterator[Finding]:
    for member in facts.members:
        if not member.uncovered or member.state != "alive":
            continue
        node = member.node
        yield Finding(
            code=Code.READS_UNCOVERED,
            subject=node_subject(node),
            title=f"{node} asks its region before each read: {member.uncovered}",
            next=(NextStep(f"look at the links between the stores of region {member.region}"),),
            because=_view_of(facts, node, member.region),
        )


def _view_of(facts: Facts, node: str, region: str) -> tuple[FindingKey, ...]:
    """What keeps a node from reading by itself: its own state, or who of its region is away."""
    own = (Code.ROWS_DAMAGED, Code.INDEX_UNUSABLE, Code.NODE_RESTORING, Code.NODE_JOINING,
           Code.CLOCK_OFF, Code.NODE_STOPPING)  # fmt: skip
    near = [member.node for member in facts.members if member.region == region]
    return (*(key_of(code, node) for code in own), *(absences(facts, *near) if near else ()))


def region_behind(facts: Facts) -> Iterator[Finding]:
    """Members that lack much of what this node wrote."""
    worst: dict[str, MemberFacts] = {}
    for member in facts.members:
        if member.node == facts.node or member.availability is None or not member.connected:
            continue
        lag = member.lag_events or 0
        before = worst.get(member.region)
        if lag >= BEHIND_EVENTS and (before is None or lag > (before.lag_events or 0)):
            worst[member.region] = member
    for region, member in worst.items():
        lag = member.lag_events or 0
        yield Finding(
            code=Code.REGION_BEHIND,
            subject=FindingSubject("region", region),
            title=f"region {region} is behind: {member.node} lacks {lag} events of {facts.node}",
            measures=(Measure("lag", lag, "events"), Measure("node", member.node)),
            next=(NextStep(f"look at the line between {facts.node} and {member.node}"),),
            because=tuple(
                key_of(code, member.node)
                for code in (Code.NODE_SUSPECT, Code.INDEX_UNUSABLE, Code.DISK_FULL,
                             Code.NODE_RESTORING, Code.NODE_JOINING)
            ),
        )  # fmt: skip


def node_behind(facts: Facts) -> Iterator[Finding]:
    """This node lacks much of what others have."""
    ahead = max(facts.members, key=lambda member: member.ahead_events, default=None)
    if ahead is None or ahead.ahead_events < BEHIND_EVENTS:
        return
    node = facts.node
    yield Finding(
        code=Code.NODE_BEHIND,
        subject=node_subject(node),
        title=f"{node} is behind: it lacks {ahead.ahead_events} events that {ahead.node} has",
        measures=(Measure("lag", ahead.ahead_events, "events"), Measure("node", ahead.node)),
        next=(NextStep(f"look at the line between {node} and {ahead.node}"),),
        because=(
            key_of(Code.NODE_RESTORING, node),
            key_of(Code.INDEX_UNUSABLE, node),
            key_of(Code.CLOCK_OFF, node),
            key_of(Code.NODE_JOINING, node),
            FindingKey(Code.LOG_STANDS, node_subject(node)),
        ),
    )


def log_stands(facts: Facts) -> Iterator[Finding]:
    if not facts.logs_standing:
        return
    yield Finding(
        code=Code.LOG_STANDS,
        subject=node_subject(facts.node),
        title=f"{facts.logs_standing} logs stand still at {facts.node}: an event that they need is "
        "with nobody who can be reached",
        measures=(Measure("logs", facts.logs_standing),),
        next=(NextStep("see `a log stands still` in its log, and bring back who has the event"),),
        because=absences(facts),
    )


def clock_off(facts: Facts) -> Iterator[Finding]:
    """This node, before it has said so of itself."""
    me = facts.member(facts.node)
    if not facts.clock_off_ms or (me is not None and "clock" in troubles.heard(me.trouble or "")):
        return
    off = f"{facts.clock_off_ms:.0f} ms off its members'"
    yield Finding(
        code=Code.CLOCK_OFF,
        subject=node_subject(facts.node),
        title=f"{_TITLES[Code.CLOCK_OFF].format(node=facts.node)}: {off}",
        measures=(Measure("clock_off", round(facts.clock_off_ms), "ms"),),
        next=_STEPS[Code.CLOCK_OFF],
    )


RULES: Final[tuple[Callable[[Facts], Iterator[Finding]], ...]] = (
    in_trouble,
    clock_off,
    reads_refused,
    reads_unconfirmed,
    reads_uncovered,
    region_behind,
    node_behind,
    log_stands,
)
