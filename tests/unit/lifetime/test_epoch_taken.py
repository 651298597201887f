"""A node that has begun an epoch which is over goes on with a later one, in the same process."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from unittest.mock import AsyncMock

import pytest

from cluster.errors import EpochTaken
from cluster.model import NodeId
from node import main
from node.errors.startup import StartupError
from node.index.index import identify
from node.recovery.repair import NO_REPAIR
from node.settings import load
from tests.builders import HandClock
from tests.fakes.ordered_store import MemoryStore

NODE = NodeId("eu-1")


@pytest.mark.parametrize("times", [1, 3, 4])
def test_it_goes_on_a_few_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int):
    """Broken: it begins the same epoch again; or, with a copy of its directory, for ever."""
    after: list[int] = []

    @asynccontextmanager
    async def running(*_: object, epoch_after: int = 0, **__: object) -> AsyncIterator[AsyncMock]:
        after.append(epoch_after)
        if len(after) <= times:
            raise EpochTaken(100 + len(after))
        yield AsyncMock()

    monkeypatch.setattr(main, "running", running)
    settings = load({"data_dir": str(tmp_path)}, {})
    serving = main._serve(settings, NODE, rejoin=False, repair=NO_REPAIR)
    if times > 3:
        with pytest.raises(StartupError, match=r"later epoch 104; .* 3 times in a row"):
            asyncio.run(serving)
    else:
        assert asyncio.run(serving) == 0
        assert after == [0, *(101 + number for number in range(times))]


def test_the_next_epoch_is_behind_the_one_that_was_heard_of():
    """Broken: the clock of a new disk is behind, and what it writes is refused by everybody."""
    store, clock = MemoryStore(), HandClock()
    first = identify(store, NODE, clock, random.Random(1))
    later = first.epoch + (3_600_000 << 16)
    again = identify(store, NODE, clock, random.Random(1), epoch_after=later)
    assert again.epoch > later
    third = identify(store, NODE, clock, random.Random(1))
    assert third.epoch > again.epoch, "and stays so"
