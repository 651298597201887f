"""`make mutants` looks for the seeded bugs; that there is something to put them into, here."""

import inspect

import pytest

from tests.sim import hunt
from tests.sim.mutants import MUTANTS, Mutant, by_name, mutated
from tests.sim.mutants.stories import STORIES


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_changes_something_that_is_there(mutant: Mutant):
    """Broken: the engine has changed, and a bug is none any more."""
    before = [getattr(owner, name) for owner, name, _ in mutant.replacements]
    with mutated(mutant):
        during = [getattr(owner, name) for owner, name, _ in mutant.replacements]
        assert all(old is not new for old, new in zip(before, during, strict=True))
    assert before == [getattr(owner, name) for owner, name, _ in mutant.replacements]


def test_a_name_is_one_mutant():
    assert [by_name(mutant.name) for mutant in MUTANTS] == MUTANTS


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_there_are_plans_that_a_mutant_may_show_in(mutant: Mutant):
    """Broken: a kind of fault has another name, and the hunt for the bug looks at no seed."""
    assert any(hunt.fits(mutant, seed) for seed in range(100))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_called_as_what_it_replaces(mutant: Mutant):
    """Broken: a bug that fails wherever it is called is noticed at once, and tells nothing."""
    for owner, name, replacement in mutant.replacements:
        called = list(inspect.signature(getattr(owner, name)).parameters.values())
        plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        given = [None for parameter in called if parameter.kind in plain]
        named = {p.name: None for p in called if p.kind is inspect.Parameter.KEYWORD_ONLY}
        inspect.signature(replacement).bind(*given, **named)


@pytest.mark.parametrize("name", STORIES)
def test_a_story_tells_its_bug_from_none(name: str):
    story = STORIES[name]
    assert story.shown(None) == []
    assert story.shown(name)[0].startswith(story.shows)


def test_each_mutant_has_a_seed_or_a_story():
    """Broken: nobody knows whether the checker sees a bug of this kind."""
    names = {mutant.name for mutant in MUTANTS}
    assert names - hunt.earlier_catches(hunt.KNOWN).keys() - STORIES.keys() == set()
