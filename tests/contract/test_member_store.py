"""The promises of `MemberStore`, held by the index on both stores and by the engine's fake."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cluster.clock import HybridClock, SystemClock
from cluster.model import NodeId, Rumour, Standing, Status
from cluster.ports import MemberStore
from node.index.index import Index, open_index
from node.index.rocks import RocksStore
from tests.builders import a_member
from tests.fakes.member_store import MemoryMembers
from tests.fakes.ordered_store import MemoryStore

Reopen = Callable[[], MemberStore]


@pytest.fixture(params=["fake", "index in memory", "index on disk"])
async def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Reopen]:
    """Opens the store; a second call stands for a restart of the process."""
    fake, memory = MemoryMembers(), MemoryStore()
    opened: list[Index] = []

    def open_again() -> MemberStore:
        if request.param == "fake":
            return fake
        if opened:
            opened.pop().close()
        store = memory if "memory" in request.param else RocksStore(tmp_path)
        clock = SystemClock()
        opened.append(
            open_index(
                store, NodeId("a"), HybridClock(clock), clock, random.Random(1), lambda *_: None
            )
        )
        return opened[-1].members

    yield open_again
    for index in opened:
        index.close()


def rumour(node: str, status: Status = Status.ALIVE, incarnation: int = 1 << 60) -> Rumour:
    member = a_member(node, epoch=7)
    return Rumour(member, Standing(status, incarnation))


async def test_nothing_is_known_at_first(reopen: Reopen):
    assert list(reopen().load()) == []


async def test_what_was_saved_last_is_there_after_a_restart(reopen: Reopen):
    """A node restarted without seeds would be a cluster of its own."""
    store = reopen()
    await store.save([rumour("b"), rumour("b2"), rumour("c", Status.DEAD, 3)])
    await store.save([rumour("b2", Status.LEFT, 4), rumour("c", Status.DEAD, 3), rumour("d")])
    found = sorted(reopen().load(), key=lambda each: each.member.node)
    assert found == [rumour("b2", Status.LEFT, 4), rumour("c", Status.DEAD, 3), rumour("d")]
