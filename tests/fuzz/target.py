"""What is fuzzed: how its inputs are made, and how one is tried."""

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec
from hypothesis import strategies as st

from node.registry import manifests
from tests.api.conftest import Registry, StartRegistry
from tests.fuzz.asking import Asker

Input = Any
"""A `msgspec.Struct` of the target's own, so that it can be kept as JSON."""


class Wrong(AssertionError):
    """An input was answered as it must not be."""


class Target:
    """One of the things that strangers write, and all that reads it."""

    name: ClassVar[str]
    input_type: ClassVar[type[msgspec.Struct]]
    expected: ClassVar[frozenset[str]]
    """Outcomes that have to occur in a run, or it has not got past the first check."""

    registry: Registry
    asker: Asker

    def inputs(self) -> st.SearchStrategy[Input]:
        """How inputs are made."""
        raise NotImplementedError

    async def open(self, start: StartRegistry) -> None:
        """Start a registry, with what the inputs are about."""
        raise NotImplementedError

    async def attempt(self, given: Input) -> Sequence[str]:
        """
        Try one input, and return the classes of its outcomes.

        Raises:
            Wrong: something was not as it has to be.
        """
        raise NotImplementedError

    def forget(self) -> None:
        """
        Forget what the process remembers of inputs, so that one costs again what it costs; and so
        that nobody meets what was taken while a bug was put in.
        """
        manifests._parse_small.cache_clear()
        manifests._parse_large.cache_clear()

    async def close(self) -> None:
        await self.asker.close()


def must(holds: bool, *what: object) -> None:
    """Raise `Wrong`, with *what* was found, unless it *holds*; `python -O` changes nothing."""
    if not holds:
        raise Wrong(" ".join(str(each)[:600] for each in what))
