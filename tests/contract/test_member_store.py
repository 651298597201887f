"""The promises of `MemberStore`, held by the index on both stores and by the engine's fake."""

from collections.abc import AsyncIterator, Callable
from operator import attrgetter
from pathlib import Path

import pytest

from cluster.model import Rumour, Standing, Status
from cluster.ports import MemberStore
from tests.builders import a_member
from tests.contract.reopened import KINDS, reopened
from tests.fakes.member_store import MemoryMembers

Reopen = Callable[[], MemberStore]


@pytest.fixture(params=KINDS)
async def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Reopen]:
    with reopened(request.param, tmp_path, MemoryMembers(), attrgetter("members")) as open_again:
        yield open_again


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
