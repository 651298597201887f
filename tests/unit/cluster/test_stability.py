"""What no event that is still unseen can be older than."""

from cluster.gossip.stability import Stability
from cluster.model import NodeId, Origin

A, B, M, N = (Origin(NodeId(name), 1) for name in "abmn")
M2 = Origin(NodeId("m"), 2)
MEMBERS = {NodeId("m"): None, NodeId("n"): None}


def test_what_a_member_has_is_stable_once_all_that_it_had_is_here():
    """Broken: M has the delete, and an older push that nobody else has."""
    stability, mine = Stability(), {A: 5, M: 1}
    stability.note(NodeId("n"), {A: 5}, mine)
    stability.note(NodeId("m"), {A: 5, M: 2}, mine)
    assert stability.stable(MEMBERS, mine) == {}
    mine = {A: 6, M: 2}
    # What it says meanwhile is not waited for, or steady writes would put it off for ever.
    stability.note(NodeId("m"), {A: 9, M: 9}, mine)
    assert stability.stable(MEMBERS, mine) == {A: 5}
    stability.note(NodeId("n"), {A: 6}, mine)
    assert stability.stable(MEMBERS, mine) == {A: 5}


def test_who_has_said_nothing_holds_it_up_until_it_is_removed():
    stability, mine = Stability(), {A: 5, B: 1}
    stability.note(NodeId("n"), {A: 5, B: 1}, mine)
    assert stability.stable(MEMBERS, mine) == {}
    assert stability.stable({NodeId("n"): None}, mine) == mine
    assert stability.stable({}, mine) == mine, "alone"


def test_who_comes_back_with_less_begins_anew():
    """Broken: a disk that was set back has pushes again that nobody has, and counts as settled."""
    stability, mine = Stability(), {A: 5, M: 3}
    only = {NodeId("m"): None}
    stability.note(NodeId("m"), {A: 5, M: 3}, mine)
    assert stability.stable(only, mine) == mine
    stability.note(NodeId("m"), {}, mine)
    assert stability.stable(only, mine) == {}
    stability.note(NodeId("m"), {A: 4, N: 1}, mine)
    assert stability.stable(only, mine) == {}


def test_who_was_removed_and_comes_back_begins_anew():
    stability, mine = Stability(), {A: 5}
    stability.note(NodeId("m"), {A: 5}, mine)
    stability.stable({}, mine)
    assert stability.stable({NodeId("m"): None}, mine) == {}


def test_a_word_of_a_lost_disk_is_not_waited_for():
    """Broken: M's disk is lost with what only M had, and no deletion is forgotten any more."""
    for first in ({A: 5, M: 1}, {A: 5, M: 2}):
        stability, mine = Stability(), {A: 5, M: 1}
        only = {NodeId("m"): None}
        stability.note(NodeId("m"), first, mine)
        stability.note(NodeId("m"), {A: 5, M: 2}, mine)
        stability.note(NodeId("m"), {}, mine)
        mine = {A: 6, M: 1, M2: 1}
        stability.note(NodeId("m"), {A: 6, M: 1, M2: 1}, mine)
        stability.note(NodeId("m"), {A: 6, M: 1, M2: 1}, mine)
        assert stability.stable(only, mine) == mine
