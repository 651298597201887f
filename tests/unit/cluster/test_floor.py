"""Which events may be forgotten."""

from cluster.gossip.floor import Candidate, candidates
from cluster.model import NodeId, Origin, Vector

A, B, C = Origin("a", 1), Origin("b", 1), Origin("a", 2)
NODES = [NodeId("b"), NodeId("c")]


def found(
    own: Vector,
    haves: dict[str, Vector],
    *,
    floor: Vector | None = None,
    connected: list[NodeId] | None = None,
    members: list[NodeId] | None = None,
) -> list[Candidate]:
    return candidates(
        own,
        floor or {},
        {NodeId(node): have for node, have in haves.items()},
        NODES if members is None else members,
        NODES if connected is None else connected,
        settled_age_s=1.0,
        away_age_s=9.0,
    )


def test_what_every_member_has_may_go():
    """Broken: logs grow for ever, or somebody misses what is gone."""
    assert found({A: 9, B: 4}, {"b": {A: 7, B: 4}, "c": {A: 8, B: 4}}) == [
        Candidate(A, 7, 1.0),
        Candidate(B, 4, 1.0),
    ]


def test_nothing_goes_past_what_is_here():
    assert found({A: 3}, {"b": {A: 7}, "c": {A: 8}}) == [Candidate(A, 3, 1.0)]


def test_a_member_that_has_not_spoken_holds_everything():
    """Broken: a restarted node forgets at once what a silent member lacks."""
    assert found({A: 9}, {"b": {A: 9}}) == []


def test_what_an_absent_member_lacks_goes_after_the_long_time():
    """Broken: one dead disk makes every log grow for ever."""
    haves: dict[str, Vector] = {"b": {A: 7}, "c": {A: 2}}
    assert found({A: 9}, haves, connected=[NodeId("b")]) == [
        Candidate(A, 2, 1.0),
        Candidate(A, 7, 9.0),
    ]


def test_a_minority_forgets_nothing_for_the_absent():
    """Broken: after a long partition the smaller side has lost what only it had."""
    four = [NodeId(name) for name in "bcd"]
    haves: dict[str, Vector] = {"b": {A: 7}, "c": {}, "d": {}}
    assert found({A: 9}, haves, members=four, connected=[NodeId("b")]) == []
    assert found({A: 9}, {}, connected=[]) == []


def test_below_the_floor_there_is_nothing_to_do():
    assert found({A: 9}, {"b": {A: 7}, "c": {A: 7}}, floor={A: 7}) == []


def test_a_lone_node_keeps_nothing_for_others():
    assert found({A: 9, C: 2}, {}, members=[], connected=[]) == [
        Candidate(A, 9, 1.0),
        Candidate(C, 2, 1.0),
    ]
