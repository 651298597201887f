"""Runs of one disk, and disks that are not whole, between whole engines."""

import msgspec
import pytest

from cluster.errors import NotCaughtUp, PeerRefused
from cluster.messages import Greeting
from cluster.model import NodeId
from tests.fakes.fleet import fleet

B = NodeId("b")


async def test_what_is_meant_for_an_earlier_run_is_refused():
    """Broken: a channel opens anew by itself, and the next run answers for the last one."""
    async with fleet() as ships:
        a, _, _ = await ships.trio()
        other = a.member.epoch + 1
        with pytest.raises(PeerRefused, match="restarted"):
            await a.cluster.service.push(B, a.stage, [], run=other)
        with pytest.raises(PeerRefused, match="restarted"):
            await anext(a.cluster.service.pull(B, a.stage, {}, run=other))
        assert (await a.cluster.service.push(B, a.stage, [], run=a.member.epoch)).have == {}


async def test_a_run_that_is_over_is_not_greeted():
    """Broken: a greeting that comes late wipes what the present run of that disk has said."""
    async with fleet() as ships:
        a, b, _ = await ships.trio()
        before = Greeting("test", b.member, (), {}, a.clock.now_ms(), stage=a.stage)
        await ships.kill(b)
        ships.next_run(b)
        await b.until_connected("a", "c")
        await ships.kill(b)
        with pytest.raises(PeerRefused, match="later run"):
            await a.cluster.service.hello(before)
        replaced = msgspec.structs.replace(b.member, epoch=1, store="another disk")
        await a.cluster.service.hello(msgspec.structs.replace(before, member=replaced))


async def test_a_disk_that_is_not_whole_gives_nothing_that_counts():
    """Broken: what a disk forgot that was set back passes for what nobody ever wrote."""
    async with fleet() as ships:
        a, b, c = await ships.trio()
        await ships.until(lambda: a.statistics.current)
        assert await a.ask_region()
        for other in (b, c):
            other.say_its_disk_is_whole(False)
        greetings = ships.network.count("hello", "a:1")
        await ships.until(lambda: ships.network.count("hello", "a:1") > greetings + 4)
        with pytest.raises(NotCaughtUp, match="missing from b, c"):
            await a.ask_region()
        b.say_its_disk_is_whole(True)
        greetings = ships.network.count("hello", "a:1")
        await ships.until(lambda: ships.network.count("hello", "a:1") > greetings + 4)
        assert await a.ask_region()
