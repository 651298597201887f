"""
Seeded bugs: is the simulator able to find what it is there to find?

Each mutant changes the real engine in one place. `hunt` looks for seeds that notice.
"""

from typing import Final

from tests.sim.mutants import (
    agreement,
    engine,
    freshness,
    identity,
    index,
    outcomes,
    remembered,
    retirement,
)
from tests.sim.mutants.mutant import Mutant, mutated

MUTANTS: Final = [
    *index.MUTANTS,
    *outcomes.MUTANTS,
    *engine.MUTANTS,
    *agreement.MUTANTS,
    *freshness.MUTANTS,
    *identity.MUTANTS,
    *remembered.MUTANTS,
    *retirement.MUTANTS,
]


def by_name(name: str) -> Mutant:
    return next(mutant for mutant in MUTANTS if mutant.name == name)


__all__ = ["MUTANTS", "Mutant", "by_name", "mutated"]
