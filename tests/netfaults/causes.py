"""
Which fault may be why an answer failed: at whom, how, and for how long. Pure.

A fault explains a failure at the nodes that it is about, until they have recovered. At others it
explains one thing only: whoever has to ask a silent member waits until the link to it is lost. A
read of what its region has acknowledged has to ask a majority at most, and so no silent member.
Whatever fails beside that is a broken promise, also while something is wrong elsewhere. The times
are those that the nodes are configured with.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from cluster.config import ClusterConfig
from tests.netfaults.disturbances import RECONNECT_S, Disturbance, Disturbances
from tests.netfaults.history import Op
from tests.netfaults.nodes import REGION_OF, REGIONS
from tests.netfaults.violation import Violation
from tests.netfaults.writes import Writes

_CONFIG: Final = ClusterConfig()

NEAR_LOST_S: Final = _CONFIG.heartbeat_misses * (
    _CONFIG.heartbeat_interval_s + _CONFIG.heartbeat_timeout_s
)
FAR_LOST_S: Final = _CONFIG.heartbeat_misses * (
    _CONFIG.heartbeat_remote_interval_s + _CONFIG.heartbeat_timeout_s
)
"""How long a member may be silent until its link counts as lost, in the region and across."""

START_MAX_S: Final = _CONFIG.join_timeout_s
"""A killed node that is started again is excused until it says that it is ready, and no longer than
a start may wait for its peers."""

RESUME_S: Final = _CONFIG.catch_up_timeout_s
"""A process that goes on has no lease. Who asks it then waits for a round of pulls, in which
answers may still be missing that were due while it stood still."""

LINK_S: Final = _CONFIG.heartbeat_timeout_s
"""A node that is ready has greeted everybody; the links of the others to it are up by then."""

CLOCK_CACHE_S: Final = 2.0
"""libfaketime compares whole seconds: with a cache of one it may look at its file after two."""

PROXY_S: Final = 1.0
"""A proxy that has found no node ready looks again every half second, and waits for the answers."""

TIMER_S: Final = 0.5
"""How late a timer of a node may be. Two cores run five nodes, their clients and the proxies."""

UNEXPLAINED: Final = "an answer without a cause"

_TELLS: Final = {
    "kill": frozenset({0, 502, 503}),
    "stop": frozenset({0, 503}),
    "cut": frozenset({0, 503}),
    "bridge": frozenset({0, 503}),
    "clock": frozenset({503}),
    "disk": frozenset({503}),
}
"""The statuses of answers of a node that this was done to. 0 is none: a connection that broke, or
nothing within the client's patience. 502 is the proxy's, that no node accepted a connection."""

START_AGAIN: Final = frozenset({"BLOB_UPLOAD_UNKNOWN", "MANIFEST_BLOB_UNKNOWN"})
"""The codes of a 404 that tells a push to begin from the start, as a node that it used is away:
what an upload brings is kept on one node until a manifest names it."""

_AWAY: Final = frozenset({"kill", "stop", "cut", "bridge"})


def itself_until(fault: Disturbance) -> float:
    """Until when answers of the nodes that *fault* is about may fail."""
    match fault.kind:
        case "kill":
            latest = fault.end + START_MAX_S
            return latest if fault.ready is None else min(fault.ready, latest)
        case "stop":
            return fault.end + RESUME_S
        case "cut" | "bridge" | "disk":
            # A disk that is full ends links too: what they bring cannot be stored.
            return fault.end + RECONNECT_S
        case "clock":
            return fault.end + CLOCK_CACHE_S + TIMER_S


def parts(fault: Disturbance, read: Op) -> bool:
    """
    Whether the node that is asked for a blob may not have heard what the one that gave out its
    manifest knew: of one of them *fault* is, or it is between them.
    """
    if fault.kind in ("cut", "bridge"):
        apart = fault.divides(read.seen_at, read.node)
    else:
        apart = not fault.nodes.isdisjoint((read.seen_at, read.node))
    return (
        apart
        and not fault.harmless
        and fault.start <= read.end
        and read.seen <= itself_until(fault)
    )


def over_at(fault: Disturbance) -> float:
    """When nothing at all that *fault* does may be felt any more, by whomever."""
    if fault.harmless:
        return fault.start
    ends = [_silent_until(fault, node) for node in REGION_OF]
    if fault.kind == "bridge" or any(_is_about(fault, node) for node in REGION_OF):
        late_s = max(LINK_S, PROXY_S) if fault.kind == "kill" else 0.0
        ends.append(itself_until(fault) + late_s)
    return max(ends)


def may_hinder(fault: Disturbance, op: Op) -> bool:
    """Whether *op* may fail because of *fault*."""
    hinders = _hits(fault, op) or _keeps_waiting(fault, op) or _keeps_from_copies(fault, op)
    return hinders and not fault.harmless


def reason(fault: Disturbance, op: Op, *, there: bool = False) -> str:
    """
    Why *op* may fail because of *fault* in the way in which it did; empty: it may not. *there*: it
    reads what a majority of its region is sure to have.
    """
    if fault.harmless:
        return ""
    if _hits(fault, op):
        if op.code in START_AGAIN:
            # What was pushed before names blobs that all have heard of but who is cut off.
            told = fault.kind == "cut" or (op.kind == "push" and fault.kind in _AWAY)
        else:
            told = op.status in _TELLS[fault.kind]
        if told:
            return "at its node" if _is_at_its_node(fault, op) else "its uploads are there"
    if op.status != 503:
        return ""
    if not there and _keeps_waiting(fault, op):
        return "a member is silent"
    return "no copy in reach" if _keeps_from_copies(fault, op) else ""


def explained(history: Sequence[Op], disturbances: Disturbances) -> Iterator[tuple[Op, str]]:
    """Every answer that is no success, and why that may be; empty: there is no reason."""
    writes = Writes(history, disturbances)
    for op in history:
        if op.outcome not in ("ok", "missing"):
            there = writes.must_be_found(op)
            told = ((fault, reason(fault, op, there=there)) for fault in disturbances)
            yield op, next((f"{fault.kind}, {why}" for fault, why in told if why), "")


def _is_about(fault: Disturbance, node: str) -> bool:
    """
    Whether *node* cannot do its work while *fault* lasts.

    To whom a cut leaves a majority of its region's quorum nothing is missing: those are enough to
    read, and enough to acknowledge. Here each of them has one or lacks one, and a bridge takes it
    from nobody.
    """
    if fault.kind in ("cut", "bridge"):
        return not fault.leaves_majority(node)
    return node in fault.nodes


def _hits(fault: Disturbance, op: Op) -> bool:
    """Whether a node that *op* needed was one that *fault* is about, or was cut off from it."""
    if op.end < fault.start:
        return False
    until = itself_until(fault)
    if not op.node:
        dead = fault.kind == "kill" and any(REGION_OF[node] == op.region for node in fault.nodes)
        return dead and op.start <= until + PROXY_S
    if _is_about(fault, op.node) and op.start <= until:
        return True
    late_s = LINK_S if fault.kind == "kill" else 0.0
    return op.start <= until + late_s and any(
        _is_about(fault, owner) or fault.divides(owner, op.node) for owner in op.owners
    )


def _is_at_its_node(fault: Disturbance, op: Op) -> bool:
    return not op.node or _is_about(fault, op.node)


def _keeps_waiting(fault: Disturbance, op: Op) -> bool:
    """Whether *op* may have waited for a member that did not say anything."""
    return bool(op.node) and fault.start <= op.end <= _silent_until(fault, op.node)


def _keeps_from_copies(fault: Disturbance, op: Op) -> bool:
    """
    Whether *op* reads a blob all of whose copies may be on the other side of a cut, or at nodes
    that were killed together.

    They are where it was pushed, on nodes of that region, or, while one of its nodes was away, on
    one of it and another elsewhere: a single node that is away has never all. The other region has
    what somebody pulled there.
    """
    if op.kind != "pull_blob" or not op.node:
        return False
    holders, until = frozenset(REGIONS[op.home]), itself_until(fault)
    if fault.kind == "kill":
        away, until = holders <= fault.nodes and op.node not in holders, until + LINK_S
    else:
        away = all(fault.divides(node, op.node) for node in holders)
    return away and fault.start <= op.end and op.start <= until


def _silent_until(fault: Disturbance, node: str) -> float:
    """
    When, at the latest, *node* no longer asks those that *fault* made silent.

    Whose process is gone, or whose clock or disk is wrong, answers at once, if only with an error.
    """
    if fault.kind == "stop":
        silent = fault.nodes - {node}
    else:
        silent = frozenset(other for other in REGION_OF if fault.divides(node, other))
    if not silent:
        return fault.start
    near = all(REGION_OF[each] == REGION_OF[node] for each in silent)
    lost = fault.holds + (NEAR_LOST_S if near else FAR_LOST_S)
    # Who goes on answers. A connection that was cut is lost even when its packets pass again.
    return (min(lost, fault.end) if fault.kind == "stop" else lost) + TIMER_S


def unexplained(history: Sequence[Op], disturbances: Disturbances) -> Iterator[Violation]:
    """Every answer that is not a success has a cause: something was wrong there, at that time."""
    for op, why in explained(history, disturbances):
        if not why:
            yield Violation(UNEXPLAINED, (op,))


def is_strict(op: Op, disturbances: Disturbances) -> bool:
    """Whether there is no fault that could excuse *op*, were it not answered as it should be."""
    return not any(may_hinder(fault, op) for fault in disturbances)


Period = tuple[float, float]
"""A time in which there was load: its begin and its end."""


def strict_s(disturbances: Disturbances, periods: Sequence[Period]) -> float:
    """
    How many seconds of *periods* no fault could excuse anything at any node, but for reading a
    blob of a region that is cut off.
    """
    felt = sorted((fault.start, over_at(fault)) for fault in disturbances)
    total = 0.0
    for start, end in periods:
        at = start
        for begun, over in felt:
            total += max(0.0, min(begun, end) - at)
            at = max(at, min(over, end))
        total += max(0.0, end - at)
    return total
