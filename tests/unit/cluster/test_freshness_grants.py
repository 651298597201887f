"""Who reads by a node's word: first listed, then granted, struck off with the last lease."""

import pytest

from cluster.freshness.drift import DRIFT
from cluster.freshness.grants import Grant, Grants
from cluster.freshness.moments import Moments
from cluster.model import Disk, NodeId, Origin, Run, Vector

LEASE_S = 0.8
LAGGARD_S = 0.2
W = Origin("w", 1)
READER = Disk(NodeId("r"), "r-disk1")
R1, R2 = Run(READER, 1), Run(READER, 2)


class Granter:
    """A node's readers, and its vector, which grows as a test says."""

    def __init__(self) -> None:
        self.moments = Moments(LAGGARD_S, lambda node: True)
        self.grants = Grants(LEASE_S, LAGGARD_S, self.moments)

    def has(self, seq: int, now: float) -> None:
        self.moments.note({W: (0, seq)}, now)

    def greet(self, now: float, has: int = 0, run: Run = R1) -> Grant:
        have: Vector = {W: has} if has else {}
        return self.grants.greet(run, have, now)

    def readers(self, now: float) -> dict[Disk, int]:
        return dict(self.grants.holders(now))


@pytest.fixture
def granter() -> Granter:
    return Granter()


def test_the_first_greeting_lists_and_the_second_one_grants(granter: Granter):
    assert granter.greet(10.0) is Grant.LISTED
    assert granter.readers(10.0) == {READER: 1}
    assert granter.greet(10.25) is Grant.GRANTED


def test_who_lags_is_not_listed(granter: Granter):
    granter.has(5, 10.0)
    assert granter.greet(10.0 + LAGGARD_S, has=4) is Grant.LAGS
    assert granter.readers(10.3) == {}


def test_who_lacks_only_what_came_a_moment_ago_is_listed(granter: Granter):
    granter.has(5, 10.0)
    granter.has(6, 10.15)
    assert granter.greet(10.3, has=5) is Grant.LISTED


def test_a_listed_reader_needs_what_there_was_when_it_was_listed(granter: Granter):
    """Broken: an event was confirmed before, so without its name, and it reads without that."""
    granter.has(5, 10.0)
    granter.has(6, 10.15)
    assert granter.greet(10.3, has=5) is Grant.LISTED
    assert granter.greet(10.34, has=5) is Grant.FALLS_BEHIND


def test_a_listed_reader_that_gets_the_rest_in_time_is_granted(granter: Granter):
    granter.has(5, 10.0)
    granter.has(6, 10.15)
    granter.greet(10.3, has=5)
    assert granter.greet(10.34, has=6) is Grant.GRANTED


def test_a_steady_stream_of_events_starves_nobody(granter: Granter):
    granter.greet(10.0)
    answers = []
    for step in range(1, 20):
        now = 10.0 + step * 0.1
        granter.has(step, now)
        answers.append(granter.greet(now, has=max(0, step - 2)))
    assert set(answers) == {Grant.GRANTED}


def test_a_reader_that_lags_is_named_until_its_lease_is_over(granter: Granter):
    granter.greet(10.0)
    granter.greet(10.25)
    granter.has(1, 10.3)
    assert granter.greet(10.6) is Grant.FALLS_BEHIND
    assert granter.readers(10.6) == {READER: 1}
    over = 10.25 + LEASE_S * DRIFT
    assert granter.greet(over - 0.001) is Grant.LAGS
    assert granter.readers(over - 0.001) == {READER: 1}
    assert granter.greet(over + 0.001) is Grant.LAGS
    assert granter.readers(over + 0.001) == {}


def test_a_silent_reader_is_named_until_its_lease_is_over(granter: Granter):
    granter.greet(10.0)
    granter.greet(10.25)
    over = 10.25 + LEASE_S * DRIFT
    assert granter.grants.over_at(READER, 10.3) == over
    assert granter.readers(over - 0.001) == {READER: 1}
    assert granter.readers(over + 0.001) == {}


def test_a_new_run_is_listed_anew(granter: Granter):
    granter.greet(10.0)
    granter.greet(10.25)
    assert granter.greet(10.3, run=R2) is Grant.LISTED
    assert granter.readers(10.3) == {READER: 2}


def test_a_greeting_of_a_run_that_is_over_changes_nothing(granter: Granter):
    """Broken: the present run reads by a lease, and no confirmation names it."""
    granter.greet(10.0, run=R2)
    granter.greet(10.25, run=R2)
    assert granter.greet(10.3, run=R1) is Grant.LAGS
    assert granter.readers(10.3) == {READER: 2}
