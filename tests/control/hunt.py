"""Which seed is the first that notices each seeded bug."""

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from tests.control import plan, scenarios, walk
from tests.control.mutants import Mutant, mutated
from tests.control.plan import Result

KINDS: Final[dict[str, Callable[[int], Result]]] = {
    "plan": plan.run,
    "walk": walk.run,
    "scenario": scenarios.run,
}


class Catch(NamedTuple):
    kind: str
    seed: int


def violation_with(mutant: Mutant, catch: Catch) -> str | None:
    """What the mutant breaks in one seed."""
    with mutated(mutant):
        return KINDS[catch.kind](catch.seed).violation


def first_catch(mutant: Mutant, kind: str, seeds: Iterable[int]) -> Catch | None:
    """The first of *seeds* in which the mutant breaks an oracle, or a rule's own check."""
    with mutated(mutant):
        for seed in seeds:
            if KINDS[kind](seed).violation is not None:
                return Catch(kind, seed)
    return None
