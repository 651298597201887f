"""What members said they have holds for the run in which they said it."""

from cluster.gossip.last_said import LastSaid
from cluster.model import Member, NodeId, Origin, Region

A = Origin("a", 1)


def member(name: str, epoch: int) -> Member:
    return Member(NodeId(name), Region("eu"), f"{name}:1", f"{name}:2", epoch)


def test_a_new_run_has_said_nothing_yet():
    """Broken: events are forgotten that a disk set back to an earlier day does not have."""
    said = LastSaid()
    said.note(member("b", 1), {A: 9})
    assert said.by(member("b", 1)) == {A: 9}
    assert said.by(member("b", 2)) == {}
    said.note(member("b", 2), {A: 3})
    assert said.by(member("b", 2)) == {A: 3}


def test_who_was_never_heard_has_said_nothing():
    said = LastSaid()
    said.note(member("b", 1), {A: 9})
    assert said.by_each([member("b", 1), member("c", 1)]) == {"b": {A: 9}, "c": {}}
