"""
Which of two words about a member is the later one. Pure.

Words are ordered by incarnation, and within one incarnation by what is worse: alive, suspect,
dead, left (Das, Gupta and Motivala, "SWIM", 2002, section 4.2; that left outranks dead is ours: a
node that said goodbye and then falls silent has not died). Only the member itself can contradict:
it takes an incarnation above the one in which it was accused.

An incarnation begins at the member's epoch, which is larger at every start. So the first word of
a new run outranks everything said of the runs before, and nothing but one number is compared.

`merge` is commutative, associative and idempotent, so it does not matter how often, in which
order and by which way rumours come.
"""

from typing import Final

from cluster.model import Member, NodeId, Rumour, Standing, Status

ACCUSERS_MAX: Final = 4
"""Accusers that a rumour carries: one, and the three confirmations that end a suspicion soonest."""

_BADNESS: Final = {Status.ALIVE: 0, Status.SUSPECT: 1, Status.DEAD: 2, Status.LEFT: 3}

_Key = tuple[int, int, tuple[int, str, str, str, tuple[str, ...], str, str, int]]


def first_word(member: Member) -> Rumour:
    """What is known of a member that nobody has said anything of in its present run."""
    return Rumour(member, Standing(Status.ALIVE, member.epoch))


def accuse(rumour: Rumour, accuser: NodeId) -> Rumour:
    """The suspicion that *accuser* makes of what it knows of a member."""
    standing = Standing(Status.SUSPECT, rumour.standing.incarnation, (accuser,))
    return merge(rumour, Rumour(rumour.member, standing))


def merge(one: Rumour, other: Rumour) -> Rumour:
    """The later of two words about one member; equal suspicions add up their accusers."""
    assert one.member.node == other.member.node, "two members cannot be merged"
    later = max(one, other, key=_key)
    if one.standing.status is other.standing.status is Status.SUSPECT and (
        one.standing.incarnation == other.standing.incarnation
    ):
        # The same few are kept wherever rumours meet, so that all nodes end up with the same.
        both = sorted({*one.standing.accusers, *other.standing.accusers})[:ACCUSERS_MAX]
        standing = Standing(Status.SUSPECT, one.standing.incarnation, tuple(both))
        return Rumour(later.member, standing)
    return later


def is_news(rumour: Rumour, known: Rumour) -> bool:
    """Whether *rumour* adds anything to what is *known* of its member."""
    return merge(known, rumour) != known


def _key(rumour: Rumour) -> _Key:
    """
    A total order. Beyond the status it only decides between two nodes that share a name, which
    must not happen; should it, everyone still has to decide alike.
    """
    member, standing = rumour.member, rumour.standing
    where = (member.epoch, member.rpc, member.http, member.region)
    run = (*where, member.features, member.store, member.zone, member.weight)
    return standing.incarnation, _BADNESS[standing.status], run
