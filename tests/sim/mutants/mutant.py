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


@contextmanager
def mutated(mutant: Mutant) -> Iterator[None]:
    with ExitStack() as stack:
        for owner, name, replacement in mutant.replacements:
            assert hasattr(owner, name), f"{mutant.name}: {owner} has no {name}"
            stack.enter_context(patch.object(owner, name, replacement))
        yield
