"""An index in memory, and a second one to replicate into."""

import random
from collections.abc import Callable, Iterator

import pytest

from cluster.clock import HybridClock
from cluster.model import Event, NodeId
from node.index.index import Index, open_index
from node.index.migrations import FORMATS, Formats
from tests.builders import HandClock
from tests.fakes.ordered_store import MemoryStore


@pytest.fixture
def wall() -> HandClock:
    return HandClock()


@pytest.fixture
def quarantined() -> list[tuple[Event, str]]:
    return []


OpenIndex = Callable[..., Index]


@pytest.fixture
async def open_node(wall: HandClock, quarantined: list[tuple[Event, str]]) -> Iterator[OpenIndex]:
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
