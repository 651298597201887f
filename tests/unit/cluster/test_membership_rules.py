"""The member table, joining, and back-off."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.errors import DuplicateNode, PeerRefused
from cluster.membership.backoff import Backoff
from cluster.membership.join import Join
from cluster.membership.members import Members
from cluster.membership.precedence import first_word
from cluster.model import NodeId, Rumour, Standing, Status
from tests.builders import a_member

ME = a_member("me")


def test_this_node_recognises_itself():
    members = Members(ME, 10)
    assert members.is_me(a_member("me"))
    assert not members.is_me(a_member("me", epoch=2))
    assert not members.is_me(a_member("me", host="elsewhere"))
    assert not members.is_me(a_member("other"))


@pytest.mark.parametrize("twin", [a_member("me", host="elsewhere"), a_member("me", epoch=2)])
def test_another_node_of_this_name_is_refused(twin):
    with pytest.raises(DuplicateNode):
        Members(ME, 10).greet(twin)


def test_a_name_that_is_connected_elsewhere_is_taken():
    members = Members(ME, 10)
    members.greet(a_member("b"))
    members.connect(NodeId("b"))
    with pytest.raises(DuplicateNode, match=r"b:1.*x:1"):
        members.greet(a_member("b", host="x"))
    assert members.get(NodeId("b")) == a_member("b")


def test_a_name_moves_when_nobody_answers_to_it():
    members = Members(ME, 10)
    members.greet(a_member("b"))
    members.connect(NodeId("b"))
    members.disconnect(NodeId("b"))
    members.greet(a_member("b", host="x"))
    assert members.get(NodeId("b")) == a_member("b", host="x")


def test_a_restored_node_comes_back_at_its_address():
    members = Members(ME, 10)
    members.greet(a_member("b"))
    members.connect(NodeId("b"))
    members.greet(a_member("b", epoch=2))
    assert members.get(NodeId("b")) == a_member("b", epoch=2)


def test_a_full_table_ignores_rumours_and_refuses_strangers():
    """A peer that invents names cannot fill the memory."""
    members = Members(ME, 2)
    taken = [members.take(first_word(a_member(f"n{n}"))) for n in range(100)]
    assert sum(rumour is not None for rumour in taken) == 2
    with pytest.raises(PeerRefused):
        members.greet(a_member("stranger"))
    members.greet(a_member("n0", epoch=2))


def test_connected_members():
    members = Members(ME, 10)
    for name in ("b", "c"):
        members.take(first_word(a_member(name)))
    members.connect(NodeId("c"))
    assert members.connected() == (a_member("c"),)
    assert members.is_connected(NodeId("c"))
    members.disconnect(NodeId("c"))
    members.disconnect(NodeId("unknown"))
    assert members.connected() == ()


def test_the_dead_are_waited_for_while_their_link_is_up():
    """Others say that it is dead; if nobody waits, its clients read what is no more."""
    members = Members(ME, 10)
    members.greet(a_member("b"))
    members.take(Rumour(a_member("b"), Standing(Status.DEAD, 1)))
    assert members.living() == ()
    members.connect(NodeId("b"))
    assert members.living() == (a_member("b"),)
    members.disconnect(NodeId("b"))
    assert members.living() == ()


def test_joined_without_seeds():
    assert Join([]).joined


def test_joined_when_every_seed_was_greeted_and_pulled_from():
    join = Join(["b:1", "c:1", "me:1"])
    join.greeted("me:1", None)
    join.greeted("b:1", NodeId("b"))
    join.caught_up(NodeId("b"))
    assert not join.joined
    assert join.missing == ["c:1"]
    join.greeted("c:1", NodeId("c"))
    assert join.missing == ["c"]
    join.caught_up(NodeId("c"))
    assert join.joined


def test_catching_up_may_come_before_the_greeting():
    """The peer may have found this node first."""
    join = Join(["b:1"])
    join.caught_up(NodeId("b"))
    assert not join.joined
    join.greeted("b:1", NodeId("b"))
    assert join.joined


def test_who_came_empty_has_not_joined_because_its_seed_left():
    """It would be a cluster of one."""
    join = Join(["b:1"], empty=True)
    join.greeted("b:1", NodeId("b"))
    join.excuse(NodeId("b"))
    assert join.knows_nothing
    assert not join.joined
    join.caught_up(NodeId("c"))
    assert join.joined


@pytest.mark.parametrize("empty", [False, True])
def test_a_node_whose_seeds_are_itself_is_the_first_of_its_cluster(empty: bool):
    join = Join(["me:1"], empty=empty)
    join.greeted("me:1", None)
    assert join.joined


def test_giving_up_joins():
    join = Join(["b:1"])
    join.give_up()
    assert join.joined
    join.greeted("b:1", NodeId("b"))
    assert join.joined


def test_a_node_is_rejected_when_all_that_answer_refuse_it():
    join = Join(["b:1", "c:1", "me:1"])
    join.greeted("me:1", None)
    join.unanswered("b:1", "no", refused=True)
    assert join.rejection(final=False) is None, "c may still take it"
    assert "b:1: no" in (join.rejection(final=True) or "")
    join.unanswered("c:1", "no", refused=True)
    assert join.rejection(final=False)
    join.greeted("c:1", NodeId("c"))
    assert join.rejection(final=True) is None


@given(st.integers(), st.integers(0, 60))
def test_pauses_stay_within_their_bounds(seed, failures):
    backoff = Backoff(0.1, 5.0, random.Random(seed))
    for n in range(failures):
        assert 0.1 <= backoff.next_s() <= min(5.0, 0.1 * 2 ** (n + 1))
    backoff.reset()
    assert 0.1 <= backoff.next_s() <= 0.2


def test_pauses_grow_and_spread():
    """Peers cut off together must not return together."""
    pauses = []
    for seed in range(200):
        backoff = Backoff(0.1, 5.0, random.Random(seed))
        pauses.append([backoff.next_s() for _ in range(8)][-1])
    assert len({round(pause, 3) for pause in pauses}) > 150
    assert 2.0 < sum(pauses) / len(pauses) < 3.1
