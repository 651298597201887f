"""Every seeded bug of who may read is noticed, in the world that `caught` names."""

from functools import cache

import pytest

from tests.freshness.cases import CASES
from tests.freshness.caught import CAUGHT
from tests.freshness.hunt import Catch, violation_with
from tests.freshness.mutants import MUTANTS, Mutant, mutated


@cache
def violation_without(catch: Catch) -> str | None:
    return catch.run()


def test_every_bug_has_its_world():
    """`python -m tests.freshness --hunt NAME` looks for one."""
    assert sorted(mutant.name for mutant in MUTANTS) == sorted(CAUGHT)


def test_every_case_shows_something():
    assert {case.__name__ for case in CASES} <= {catch.world for catch in CAUGHT.values()}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_bug_changes_something_that_is_there(mutant: Mutant):
    before = [getattr(owner, name) for owner, name, _ in mutant.replacements]
    with mutated(mutant):
        during = [getattr(owner, name) for owner, name, _ in mutant.replacements]
        assert all(old is not new for old, new in zip(before, during, strict=True))
    assert before == [getattr(owner, name) for owner, name, _ in mutant.replacements]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_bug_is_noticed(mutant: Mutant):
    catch = CAUGHT[mutant.name]
    assert violation_without(catch) is None
    assert violation_with(mutant, catch) is not None
