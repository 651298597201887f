"""A vector told as what has changed, between one that tells and one that hears."""

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from cluster.gossip.differences import NOTHING, Differences
from cluster.gossip.progress import Progress
from cluster.messages import Heard
from cluster.model import Member, NodeId, Origin
from tests.builders import a_member

A = NodeId("a")
LOGS = [Origin(node, epoch) for node in "ab" for epoch in (1, 2)]


def run(epoch: int = 1) -> Member:
    return a_member("a", epoch=epoch)


class Said(NamedTuple):
    """A greeting, as far as it is about the vector."""

    have: dict[Origin, int]
    since: int
    version: int


def say(differences: Differences, heard: Heard) -> Said:
    since = differences.base(heard)
    return Said(differences.since(since), since, differences.version)


def hear(progress: Progress, said: Said, member: Member | None = None) -> Heard:
    progress.heard(member or run(), said.have, since=said.since, version=said.version)
    return progress.heard_of(A)


def test_the_first_greeting_tells_everything():
    differences = Differences(1)
    differences.note({LOGS[0]: 3, LOGS[1]: 4})
    assert say(differences, NOTHING).have == {LOGS[0]: 3, LOGS[1]: 4}


def test_what_was_heard_is_not_told_again():
    """Broken: a heartbeat grows with the members and with their restarts."""
    differences, progress = Differences(1), Progress()
    differences.note({LOGS[0]: 3, LOGS[1]: 4})
    heard = hear(progress, say(differences, NOTHING))
    assert say(differences, heard).have == {}
    differences.note({LOGS[0]: 3, LOGS[1]: 5})
    assert say(differences, heard).have == {LOGS[1]: 5}


def test_what_was_told_and_not_heard_is_told_again():
    """Broken: one lost greeting, and a member is never known to have what it has."""
    differences = Differences(1)
    differences.note({LOGS[0]: 1})
    heard = hear(Progress(), say(differences, NOTHING))
    differences.note({LOGS[0]: 1, LOGS[1]: 1})
    say(differences, heard)
    differences.note({LOGS[0]: 1, LOGS[1]: 1, LOGS[2]: 1})
    assert say(differences, heard).have == {LOGS[1]: 1, LOGS[2]: 1}


def test_what_tells_on_from_something_that_never_came_is_true_and_not_all():
    """Broken: the receiver, a new run say, counts as having heard what its last run has heard."""
    progress = Progress()
    assert hear(progress, Said({LOGS[1]: 5}, since=7, version=8)) == Heard(1, 0)
    assert progress.of(A) == {LOGS[1]: 5}
    assert hear(progress, Said({LOGS[0]: 3, LOGS[1]: 5}, since=0, version=8)) == Heard(1, 8)
    assert progress.of(A) == {LOGS[0]: 3, LOGS[1]: 5}


def test_a_new_run_of_the_teller_begins_from_nothing():
    """Broken: its new disk counts as having what the old one had, or its vector is never whole."""
    progress = Progress()
    hear(progress, Said({LOGS[0]: 9}, since=0, version=9))
    assert hear(progress, Said({LOGS[1]: 1}, since=2, version=3), run(2)) == Heard(2, 0)
    assert progress.of(A) == {LOGS[1]: 1}
    differences = Differences(2)
    differences.note({LOGS[0]: 3})
    assert say(differences, Heard(1, 1)).have == {LOGS[0]: 3}, "version 1 is of the run before"


def test_who_claims_to_have_heard_what_was_never_told_is_told_everything():
    differences = Differences(1)
    differences.note({LOGS[0]: 3})
    assert say(differences, Heard(1, 2)).since == 0


def test_who_was_never_heard_has_told_nothing():
    assert Progress().heard_of(A) == NOTHING


@given(st.data())
def test_greetings_may_be_lost_come_late_and_come_twice(data):
    """What is heard is never more than is there; and when one comes through in time, it is all."""
    differences, progress = Differences(1), Progress()
    vector: dict[Origin, int] = {}
    under_way: list[Said] = []
    heard = [NOTHING]
    for _ in range(data.draw(st.integers(1, 12))):
        for log in data.draw(st.sets(st.sampled_from(LOGS))):
            vector = {**vector, log: vector.get(log, 0) + 1}
        differences.note(vector)
        # The answers that say what was heard may be old, too.
        under_way.append(say(differences, data.draw(st.sampled_from(heard))))
        if data.draw(st.booleans()):
            heard.append(hear(progress, data.draw(st.sampled_from(under_way))))
        assert all(seq <= vector[log] for log, seq in progress.of(A).items())
    hear(progress, say(differences, progress.heard_of(A)))
    assert progress.of(A) == vector
    assert progress.heard_of(A).version == differences.version
