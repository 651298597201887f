"""The driver of the control log: disks that fail, letters, and what ends a node's run."""

import asyncio
from dataclasses import replace

import msgspec
import pytest

from cluster.control.coordinator import Decided
from cluster.control.values import Setting
from cluster.driver.control import _LETTERS_MAX
from cluster.errors import StartsEmpty, StorageFailure, TwoClusters
from cluster.layout.changes import SetWeight
from cluster.model import WHO, NodeId
from tests.fakes.fleet import PATIENCE_S, Engine, Fleet, fleet

A = NodeId("a")


def letters_of(ships: Fleet, engine: Engine) -> int:
    return sum(c.method == "tell" and c.caller == engine.address for c in ships.network.calls)


async def test_a_slot_is_acted_by_only_once_it_is_synced():
    """
    Broken: a node goes by a layout that its restart forgets. It has told others that it serves no
    earlier one.
    """
    async with fleet() as ships:
        a, b, c = await ships.trio()
        b.control.broken = StorageFailure("no room")
        changing = asyncio.create_task(a.cluster.layouts.change(SetWeight(A, 7)))
        await ships.until(lambda: bool(b.log.named("control log not saved")))
        await ships.until(lambda: min(a.stage, c.stage) > (1, 1))
        said = letters_of(ships, b)
        failures = len(b.log.named("control log not saved"))
        await asyncio.sleep(3.0)
        assert b.stage == (1, 1)
        assert letters_of(ships, b) == said, "it promises nothing that it could forget"
        assert len(b.log.named("control log not saved")) >= failures + 2, "it tries again"
        b.control.broken = None
        async with asyncio.timeout(PATIENCE_S):
            await changing
        await ships.until(lambda: b.stage == (2, 2))


async def test_a_change_of_the_layout_says_who_asked():
    """On every node, after a restart as well. Broken: nobody knows who took a node out."""
    async with fleet() as ships:
        a, b, c = await ships.trio()
        a.who = "ann"
        await a.cluster.layouts.change(SetWeight(A, 7))
        a.who = ""
        await ships.until(lambda: c.stage == (2, 2))
        await ships.kill(c)
        ships.restart(c)
        await ships.until(lambda: min(b.stage, c.stage) == (2, 2))
        for engine in (a, b, c):
            begun = [e.who for e in engine.cluster.layouts.entries if e.live.newest.version == 2]
            assert begun[0] == "ann"


async def test_nobody_is_named_in_a_slot_that_a_member_could_not_read():
    """Broken: a node of an earlier version reads no slot behind it, and acts by none."""
    async with fleet() as ships:
        a, b, c = await ships.trio()
        a.who = b.who = "ann"
        await ships.kill(c)
        c.member = msgspec.structs.replace(c.member, features=())
        ships.next_run(c)
        await ships.until(lambda: not any(e.cluster.uses(WHO) for e in (a, b)))
        await a.cluster.layouts.change(SetWeight(A, 7))
        assert {entry.who for entry in a.cluster.layouts.entries[1:]} == {""}


async def test_who_cannot_save_decides_nothing_and_the_others_do():
    async with fleet() as ships:
        a, b, c = await ships.trio()
        c.control.broken = StorageFailure("no room")
        outcome = await b.decides.propose(b.decides.state.next, (Setting("x", "y"),), timeout=10.0)
        assert isinstance(outcome, Decided)
        await ships.until(lambda: a.decides.state.settings == {"x": "y"})
        assert c.decides.state.slot < outcome.slot or not c.control.slots.get(outcome.slot)
        c.control.broken = None
        await ships.until(lambda: outcome.slot in c.control.slots)


async def test_what_was_decided_is_there_after_a_restart():
    async with fleet() as ships:
        a, b, c = await ships.trio()
        await a.cluster.layouts.change(SetWeight(A, 7))
        await ships.until(lambda: b.stage == (2, 2))
        for engine in (a, b, c):
            await ships.kill(engine)
        b.renew()
        assert b.stage == (2, 2), "before it has met anybody"


async def test_letters_that_wait_are_bounded():
    """Broken: a peer fills the memory of a node whose disk is slow."""
    async with fleet() as ships:
        a = ships.add("a")
        letter = await some_letter(ships)
        for _ in range(3 * _LETTERS_MAX):
            await a.decides.tell(letter)
        assert a.letters_waiting == _LETTERS_MAX


async def some_letter(ships: Fleet) -> bytes:
    """What a node says to another one that it meets."""
    x, y = (ships.add(n, seeds=("x:1", "y:1"), initial=("x", "y")) for n in "xy")
    heard: list[bytes] = []

    async def tell(letter: bytes) -> None:
        heard.append(letter)

    ships.start(x)
    ships.start(y)
    ships.network.services["y:1"].tell = tell  # type: ignore[method-assign]
    await ships.until(lambda: bool(heard))
    return heard[0]


async def test_what_is_no_letter_is_refused():
    async with fleet() as ships:
        a = ships.add("a")
        with pytest.raises(ValueError, match="this is no letter"):
            await a.decides.tell(b"\xff no letter")
        assert a.letters_waiting == 0


async def test_two_clusters_that_meet_are_one_too_many():
    """Only an operator can tell what is to stay: broken, one of them loses what it acknowledged."""
    async with fleet() as ships:
        a, x = ships.add("a"), ships.add("x")
        ships.start(a)
        await a.cluster.wait_joined()
        await asyncio.sleep(1.0)
        ships.start(x)
        await x.cluster.wait_joined()
        x.records.write("acknowledged")
        await ships.kill(x)
        # Somebody gave it the address of the other one.
        x.config = replace(x.config, seeds=("a:1",))
        x.renew()
        ships.network.services[x.address] = x.cluster.service
        with pytest.raises(TwoClusters):
            async with asyncio.timeout(PATIENCE_S):
                await x.cluster.run()
        assert a.task is not None
        assert not a.task.done(), "the older one goes on"


async def test_who_was_not_among_the_survivors_comes_back_empty():
    """What only it has was given up by an operator's word (`atoll layout force`)."""
    async with fleet() as ships:
        a, b, c = await ships.trio()
        before = b.decides.state.generation
        for engine in (b, c):
            await ships.kill(engine)
        await a.until_connected()
        await a.cluster.generations.force([A])
        b.renew()
        ships.network.services[b.address] = b.cluster.service
        with pytest.raises(StartsEmpty) as ended:
            async with asyncio.timeout(PATIENCE_S):
                await b.cluster.run()
        assert before in ended.value.ended, "it must not join that one again"
