"""Who is away, and what that explains. The rules about members and all others go by this."""

from collections.abc import Iterator

from cluster.layout import Role
from node.attention.codes import Code
from node.attention.facts import Facts, MemberFacts
from node.attention.findings import THE_CLUSTER, FindingKey, FindingSubject, NextStep


def absence_of(member: MemberFacts) -> Code | None:
    """Why what a member has, and would do, is not there; None while it is."""
    match member.state:
        case "dead":
            return Code.NODE_DEAD
        case "unheard":
            return Code.NODE_UNHEARD
        case "left":
            return Code.NODE_LEFT
        case "suspect":
            return Code.NODE_SUSPECT
        case "outside":
            return None if member.availability is None else Code.DISK_REPLACED
        case "alive":
            if member.connected:
                return None
            return Code.NODE_STOPPED if member.stopped else Code.NODE_UNLINKED


def node_subject(node: str) -> FindingSubject:
    return FindingSubject("node", node)


def key_of(code: Code, node: str) -> FindingKey:
    return FindingKey(code, node_subject(node))


def away(facts: Facts) -> Iterator[tuple[MemberFacts, Code]]:
    """The members by the layout that are, and why."""
    for member in facts.members:
        code = absence_of(member)
        if code is not None and member.availability is not None:
            yield member, code


def absences(facts: Facts, *nodes: str) -> tuple[FindingKey, ...]:
    """The findings of those of *nodes* that are away; without any, of all members."""
    return tuple(
        key_of(code, member.node)
        for member, code in away(facts)
        if not nodes or member.node in nodes
    )


def stores_away(facts: Facts) -> tuple[FindingKey, ...]:
    """The findings of the members that are away with copies of blobs."""
    return tuple(
        key_of(code, member.node) for member, code in away(facts) if Role.STORE in member.roles
    )


def no_majority() -> FindingKey:
    """The finding of a node that is not connected with most voters."""
    return FindingKey(Code.VOTERS_LOST, THE_CLUSTER)


def can_decide(facts: Facts) -> bool:
    """Whether the layout can be changed from here."""
    return facts.layout is not None and facts.voters.majority


def removal(facts: Facts, member: MemberFacts) -> NextStep:
    """How a member is taken out that is gone for good; at a node that cannot decide, where to."""
    if not can_decide(facts):
        return NextStep("ask again where most voters are connected, before you remove it")
    lost = {m.node for m, code in away(facts) if code in _GONE and m.region == member.region}
    region = [m for m in facts.members if m.region == member.region and m.availability is not None]
    # Where most of a region are gone none of them can be taken out alone.
    together = lost if 2 * len(lost) >= len(region) else set()
    names = " ".join(sorted({member.node, *together}))
    return NextStep(
        "if it is gone for good, with what only it has", f"atoll node remove {names} --lost"
    )


_GONE = frozenset({Code.NODE_DEAD, Code.NODE_UNHEARD, Code.NODE_LEFT})
