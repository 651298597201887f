"""Which scenario, or which seed, is the first that notices each seeded bug."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from tests.freshness import plan
from tests.freshness.cases import CASES
from tests.freshness.mutants import Mutant, mutated
from tests.freshness.oracles import Violation
from tests.freshness.scenarios import SCENARIOS

_SCENARIOS: Final = {scenario.__name__: scenario for scenario in (*SCENARIOS, *CASES)}


class Catch(NamedTuple):
    """A scenario, or a seed of worlds of a size."""

    world: str
    seed: int | None = None

    def run(self) -> str | None:
        """What is violated there."""
        if self.seed is not None:
            return plan.run(self.seed, self.world).violation
        try:
            _SCENARIOS[self.world]()
        except Violation as exc:
            return f"{exc}"
        return None


def violation_with(mutant: Mutant, catch: Catch) -> str | None:
    """What the mutant breaks there."""
    with mutated(mutant):
        return catch.run()


def first_catch(mutant: Mutant, seeds: Iterable[int], size: str | None = None) -> Catch | None:
    """The first scenario that notices the mutant, and nothing else; else one of *seeds*."""
    for name in _SCENARIOS:
        catch = Catch(name)
        if catch.run() is None and violation_with(mutant, catch) is not None:
            return catch
    for seed in seeds:
        for world in plan.SIZES if size is None else (size,):
            if violation_with(mutant, catch := Catch(world, seed)) is not None:
                return catch
    return None
