"""An index in memory, and a second one to replicate into."""

import random
from collections.abc import Callable, Iterator

import pytest

from cluster.clock import HybridClock
from cluster.model import Event, NodeId
from node.index.index import Index, open_index
from node.index.migrations import FORMATS, Formats
from tests.fakes.ordered_store import MemoryStore


class StepClock:
    """A wall clock that a test moves by hand."""

    def __init__(self) -> None:
        self.ms = 1_700_000_000_000

    def now_ms(self) -> int:
        return self.ms


@pytest.fixture
def wall() -> StepClock:
    return StepClock()


@pytest.fixture
def quarantined() -> list[tuple[Event, str]]:
    return []


OpenIndex = Callable[..., Index]


@pytest.fixture
async def open_node(wall: StepClock, quarantined: list[tuple[Event, str]]) -> Iterator[OpenIndex]:
    opened: list[Index] = []

    def open_node(
        name: str = "a",
        store: MemoryStore | None = None,
        rng: random.Random | None = None,
        formats: Formats = FORMATS,
    ) -> Index:
        index = open_index(
            store or MemoryStore(),
            NodeId(name),
            HybridClock(wall),
            wall,
            rng or random.Random(name),
            lambda event, reason: quarantined.append((event, reason)),
            formats=formats,
        )
        opened.append(index)
        return index

    yield open_node
    for index in opened:
        index.writer.close()
