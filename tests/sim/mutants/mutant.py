"""One seeded bug."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple
from unittest.mock import patch

Replacement = tuple[object, str, Callable[..., Any]]


class Mutant(NamedTuple):
    name: str
    says: str
    replacements: list[Replacement]
    needs: frozenset[str] = frozenset()
    """Kinds of steps of which a plan has one, or it cannot notice; `hunt` says what else counts."""

    family: str = ""
    """Of the seeds that may notice (`tests.sim.identity.plan.plan_of`)."""

    def seed(self, number: int) -> str:
        """The name of a seed that may notice."""
        return f"{self.family} {number}".strip()


@contextmanager
def mutated(mutant: Mutant) -> Iterator[None]:
    with ExitStack() as stack:
        for owner, name, replacement in mutant.replacements:
            assert hasattr(owner, name), f"{mutant.name}: {owner} has no {name}"
            stack.enter_context(patch.object(owner, name, replacement))
        yield
