"""Which logs need no entry of their own any more."""

from dataclasses import dataclass, field, replace

import pytest

from cluster import vectors
from cluster.gossip import retirement
from cluster.gossip.retirement import Evidence
from cluster.model import NodeId, Origin, Vector

N, A, X = NodeId("n"), NodeId("a"), NodeId("x")
E1, E2, E3 = (Origin(N, epoch) for epoch in (1, 2, 3))
OTHER = Origin(A, 4)
ALL: dict[Origin, int] = {E1: 10, E2: 20, E3: 1, OTHER: 5}


@dataclass
class Case:
    """All is as it has to be, and N runs epoch 3."""

    mine: Vector = field(default_factory=lambda: dict(ALL))
    floor: Vector = field(default_factory=lambda: {E1: 10, E2: 20})
    stable: Vector = field(default_factory=lambda: dict(ALL))
    held: set[Origin] = field(default_factory=set)
    said: dict[NodeId, Vector] = field(
        default_factory=lambda: {node: dict(ALL) for node in (N, A, X)}
    )
    present: int = 3

    def upto(self) -> int:
        known: dict[str, set[int]] = {}
        for vector in (self.mine, *self.said.values()):
            retirement.epochs(known, vector)
        evidence = Evidence(self.mine, self.floor, self.stable, self.held, self.said, known)
        return retirement.retirable(N, self.present, evidence)


def with_said(node: NodeId, vector: Vector) -> Case:
    case = Case()
    case.said[node] = vector
    return case


def test_what_everybody_has_of_runs_that_are_over_is_retired():
    assert Case().upto() == 2


def test_alone_it_goes_by_what_it_has_itself():
    assert replace(Case(), said={}).upto() == 2


def test_a_member_that_has_said_nothing_holds_it_up():
    """Broken: a dead member has three events more that it and the writer acknowledged."""
    assert with_said(X, {}).upto() == 0


@pytest.mark.parametrize(
    ("vector", "upto"),
    [
        ({**ALL, E2: 23}, 1),
        ({**ALL, E2: 19}, 1),
        ({**ALL, E1: 11}, 0),
        ({**ALL, Origin(N, 0): 0}, 2),
        ({E2: 20, E3: 1, OTHER: 5}, 0),
        ({E1: 10, E3: 1, OTHER: 5}, 1),
    ],
    ids=["more", "less", "more of the first", "mark of nothing", "first gone", "second gone"],
)
def test_all_have_each_log_as_far_as_the_others(vector, upto):
    """Broken: events that one member alone has are refused, or missing ones count as had."""
    assert with_said(X, vector).upto() == upto


def test_a_log_in_between_that_one_member_knows_holds_it_up():
    """Broken: by the latest epoch alone all are equal, and a whole log is lost."""
    between = Case(present=9)
    between.mine = {**ALL, Origin(N, 8): 2}
    between.stable, between.floor = between.mine, {E1: 10, E2: 20, E3: 1, Origin(N, 8): 2}
    between.said = {A: between.mine, X: {**between.mine, Origin(N, 5): 3}}
    assert between.upto() == 3


@pytest.mark.parametrize(("present", "upto"), [(2, 1), (1, 0), (0, 0), (4, 2)])
def test_only_a_later_run_ends_one(present, upto):
    """Broken: the run that writes the log is refused. (The log of epoch 3 is not trimmed.)"""
    assert replace(Case(), present=present).upto() == upto


@pytest.mark.parametrize("upto", [0, 1])
def test_what_is_still_needed_here_is_not(upto):
    origin = (E1, E2)[upto]
    untrimmed = Case()
    untrimmed.floor = {**untrimmed.floor, origin: 9}
    assert untrimmed.upto() == upto
    held = replace(Case(), held={origin})
    assert held.upto() == upto
    unstable = replace(Case(), stable={**ALL, origin: 3})
    assert unstable.upto() == upto


def test_members_may_have_decided_already():
    """Broken: nobody retires anything any more once one has, or two differ for ever."""
    for upto in (1, 2):
        assert with_said(X, vectors.retired(ALL, {N: upto})).upto() == 2
    case = Case(mine=vectors.retired(ALL, {N: 1}), floor={E2: 20})
    assert case.upto() == 2
    case.said[X] = vectors.retired(ALL, {N: 2})
    assert case.upto() == 2
    case.mine = vectors.retired(ALL, {N: 2})
    assert case.upto() == 0, "nothing more"


def test_who_retired_something_else_holds_it_up():
    """Broken: two nodes keep what is not the same for the same, for ever."""
    assert with_said(X, vectors.retired({**ALL, E1: 11}, {N: 2})).upto() == 0
    behind = Case(mine=vectors.retired(ALL, {N: 1}), floor={E2: 20})
    behind.said[X] = {**ALL, E1: 11}
    assert behind.upto() == 0
