"""May a voter vote in its present run?"""

from cluster.control.continuity import Continuity, LastSaid
from cluster.control.state import ControlState
from cluster.control.values import Seat, Slot, Voter

A, B, C, D, E = (Voter(name, f"{name}#1") for name in "abcde")


def voters(*seats: Voter, run: int = 1) -> ControlState:
    named = tuple(Seat(voter.node, voter.store, run) for voter in seats)
    return ControlState(slot=Slot(4), era=Slot(4), seats=named)


def in_run(run: int, *, counter: int = 7, trust_at: float = 10.0) -> Continuity:
    return Continuity(A, run, counter, trust_at=trust_at)


def test_the_run_that_the_slot_names_votes_at_once():
    assert in_run(1).may_vote(voters(A, B, C), 0.0)
    assert not in_run(2).may_vote(voters(A, B, C), 0.0)
    assert in_run(2).has_to_ask(voters(A, B, C), 0.0)


def test_a_later_run_waits_for_enough_others():
    continuity, state = in_run(2), voters(A, B, C)
    continuity.welcome(B)
    continuity.welcome(B)
    assert not continuity.may_vote(state, 0.0), "B and C may have promised something else"
    continuity.welcome(C)
    assert continuity.may_vote(state, 0.0)
    assert not continuity.may_vote(voters(A, D, E), 0.0), "it may have voted there, too"
    assert continuity.may_vote(voters(A, D, E, run=2), 0.0), "this run was named"


def test_who_is_no_voter_neither_votes_nor_asks():
    continuity = in_run(1)
    assert not continuity.may_vote(voters(B, C, D), 99.0)
    assert not continuity.has_to_ask(voters(B, C, D), 0.0)
    wiped = Continuity(Voter("a", "a#2"), 1, 0, trust_at=0.0)
    assert not wiped.may_vote(voters(A, B, C), 99.0)


def test_a_disk_is_trusted_in_the_end_unless_somebody_heard_more_of_it():
    state = voters(A, B, C)
    assert in_run(2).may_vote(state, 10.0)
    same, more = in_run(2, counter=7), in_run(2, counter=7)
    same.hear(7)
    more.hear(8)
    assert same.may_vote(state, 10.0)
    assert not more.may_vote(state, 10.0)
    more.welcome(B)
    more.welcome(C)
    assert more.may_vote(state, 10.0), "they told it what it forgot"


def test_a_lone_voter_can_only_trust_its_disk():
    assert not in_run(2).may_vote(voters(A), 0.0)
    assert in_run(2).may_vote(voters(A), 10.0)


def test_another_number_begins_again():
    continuity = in_run(2)
    continuity.welcome(B)
    continuity.welcome(C)
    continuity.begin_again(6)
    assert not continuity.may_vote(voters(A, B, C), 0.0)


def test_what_was_heard_of_earlier_runs():
    said = LastSaid()
    assert said.before(A, 3) == 0
    said.note(A, 1, 5)
    said.note(A, 1, 4)
    assert (said.before(A, 1), said.before(A, 2)) == (0, 5)
    said.note(A, 3, 6)
    assert (said.before(A, 3), said.before(A, 4)) == (5, 6)
    said.note(A, 1, 9)
    assert said.before(A, 3) == 9, "an answer of an ended run that came late"
