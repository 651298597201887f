"""Every seeded bug of the control log is noticed, by the seed that `caught` names."""

import pytest

from tests.control.caught import CAUGHT
from tests.control.hunt import violation_with
from tests.control.mutants import MUTANTS, Mutant, mutated


def test_every_bug_has_its_seed():
    """`python -m tests.control --hunt NAME` looks for one, `--kind walk` elsewhere."""
    assert sorted(mutant.name for mutant in MUTANTS) == sorted(CAUGHT)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_bug_changes_something_that_is_there(mutant: Mutant):
    before = [getattr(owner, name) for owner, name, _ in mutant.replacements]
    with mutated(mutant):
        during = [getattr(owner, name) for owner, name, _ in mutant.replacements]
        assert all(old is not new for old, new in zip(before, during, strict=True))
    assert before == [getattr(owner, name) for owner, name, _ in mutant.replacements]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_bug_is_noticed(mutant: Mutant):
    assert violation_with(mutant, CAUGHT[mutant.name]) is not None
