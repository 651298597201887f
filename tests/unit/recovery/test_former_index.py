"""An index that the cluster has left behind is set aside once, and what comes next is not lost."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple
from unittest.mock import AsyncMock

import pytest

from cluster.errors import StartsEmpty
from cluster.model import NodeId
from node import main
from node.errors.startup import StartupError
from node.index import keys
from node.index.index import disk_of, identify, index_path, owner
from node.index.rocks import RocksStore
from node.index.store import Mutation
from node.recovery.former import FORMER, LeftBehind, has_former, leave_behind, part, parted
from node.recovery.repair import NO_REPAIR, open_store
from node.settings import Settings, load
from tests.builders import HandClock
from tests.fakes.log import MemoryLog

NODE = NodeId("eu-1")
ENDED = (b"\0 first", b"second\xff")
MARKER = Mutation("meta", keys.join("marker"), b"of the old index")

CRASHES = ("none", "renamed", "opened", "identified")


class Started(NamedTuple):
    disk: str
    ended: list[bytes]
    has_marker: bool


def start(data_dir: Path, log: MemoryLog, crash: str = "none") -> Started | None:
    """What `node.main` does with the index at a start, up to where the process ends by *crash*."""
    ended = part(data_dir, log)
    if crash == "renamed":
        return None
    store = open_store(data_dir, NO_REPAIR, has_peers=True, log=log)
    try:
        if crash == "opened":
            return None
        identify(store, NODE, HandClock(), random.Random(), ended=ended or ())
        if crash == "identified":
            return None
        if ended is not None:
            parted(data_dir)
        prefix = keys.join("ended")
        found = [key[len(prefix) :] for key, _ in store.scan("meta", prefix, keys.after(prefix))]
        marker = store.get("meta", MARKER.key) is not None
        return Started(disk_of(store), found, marker)
    finally:
        store.close()


@pytest.fixture
def used(tmp_path: Path) -> Path:
    """The data directory of a node that has written something."""
    assert start(tmp_path, MemoryLog()) is not None
    store = RocksStore(index_path(tmp_path))
    store.write([MARKER])
    store.sync()
    store.close()
    assert not has_former(tmp_path)
    return tmp_path


@pytest.mark.parametrize("crash", CRASHES)
def test_the_next_start_has_an_empty_index_that_knows_what_ended(used: Path, crash: str):
    """Broken: a kill in between, and the node goes on with what was given up, or joins the past."""
    before = start(used, MemoryLog())
    assert before is not None
    assert before.has_marker
    leave_behind(used, LeftBehind("it was removed", ENDED))
    log = MemoryLog()
    if crash != "none":
        assert start(used, log, crash) is None
    after = start(used, log)
    assert after is not None
    assert (sorted(after.ended), after.has_marker) == (sorted(ENDED), False)
    assert after.disk != before.disk
    assert has_former(used)
    first, *_ = sorted(used.glob(f"{FORMER}*"))
    line = log.named("index left behind")[0]
    assert (line.fields["reason"], line.fields["directory"]) == ("it was removed", str(first))
    former = RocksStore(first, read_only=True)
    assert (owner(former), former.get("meta", MARKER.key)) == (NODE, MARKER.value)
    former.close()

    later = start(used, MemoryLog())
    assert later == after, "once and not at each start"


def test_a_note_that_cannot_be_read_keeps_the_index(used: Path):
    """Broken: a torn note, and the node goes on with the index, or sets it aside for no reason."""
    (used / "index.left-behind").write_bytes(b"{")
    with pytest.raises(StartupError, match="does not say why"):
        start(used, MemoryLog())
    assert not has_former(used)


@pytest.mark.parametrize("times", [1, 3, 4])
def test_a_node_that_is_left_behind_goes_on_a_few_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
):
    """Broken: one that two clusters want makes an index after the other, for ever."""
    runs: list[Settings] = []

    @asynccontextmanager
    async def running(settings: Settings, *_: object, **__: object) -> AsyncIterator[AsyncMock]:
        runs.append(settings)
        if len(runs) <= times:
            raise StartsEmpty("it was removed", ENDED)
        yield AsyncMock()

    monkeypatch.setattr(main, "running", running)
    settings = load({"data_dir": str(tmp_path)}, {})
    serving = main._serve(settings, NODE, rejoin=False, repair=NO_REPAIR)
    if times > 3:
        with pytest.raises(StartupError, match=r"it was removed; .* 3 times in a row"):
            asyncio.run(serving)
    else:
        assert asyncio.run(serving) == 0
        assert len(runs) == times + 1
    assert part(tmp_path, MemoryLog()) == ENDED
