"""
Writes that nobody acknowledged and that surface later (decisions 21 and 22), told as stories.

W logs a push and is killed before anybody else has it. The others go on; then W comes back.
"""

import asyncio
from typing import Any

import pytest

from cluster.driver.reads import Reads
from node.errors import ManifestUnknown
from node.registry.media_types import OCI_INDEX
from tests.sim import faults
from tests.sim.network import KEEPALIVE_S
from tests.sim.stories import (
    REPO,
    TAG,
    at,
    blob_at,
    by_digest,
    comes_back,
    dies_with_its_disk,
    image,
    index_of,
    push,
    push_alone,
    push_and_die,
    put,
    served,
    tell,
    upload,
    ways,
)
from tests.sim.world import World


def test_what_is_pushed_after_it_stays():
    """A at W, unknown; A again at R: 201; B at N: 201; W comes back: the tag is B."""

    async def story(world: World) -> None:
        w, r, n = world.machines
        await push_and_die(world, w, "A")
        await push(r, "A")
        await push(n, "B")
        await comes_back(world, w)
        assert await served(world) == {image("B")[0]}

    tell(story)


def test_pushes_that_clocks_cannot_tell_apart_are_a_conflict():
    """With clocks as far apart as they may be, and no 1 s between the two, both are kept."""

    async def story(world: World) -> None:
        w, _, n = world.machines
        await upload(n, "B")
        w.clock.set(390.0)
        n.clock.set(-390.0)
        await push_and_die(world, w, "A")
        await push(n, "B")
        await comes_back(world, w)
        assert len(await served(world)) == 1
        for machine in world.machines:
            assert machine.running is not None
            index = machine.running.index.metadata
            both = {image("A")[0], image("B")[0]}
            assert {head.value for head in index.tag_register(REPO, TAG).heads} == both
            assert {each.version.value for each in index.tag_history(REPO, TAG)} == both
            assert index.conflicts(REPO, None, 10)[0] == [(REPO, TAG)]

    tell(story)


@pytest.mark.parametrize("trimmed", [False, True])
def test_what_was_deleted_meanwhile_stays_deleted(trimmed: bool):
    """The client repeated the push elsewhere and deleted it, by tag and by digest: 404."""

    async def story(world: World) -> None:
        w, r, n = world.machines
        await push_and_die(world, w, "A")
        await push(r, "A")
        await asyncio.sleep(2.5)
        deleted = await at(n, lambda registry: registry.push.delete(REPO, TAG))
        assert not isinstance(deleted, Exception), deleted
        deleted = await at(r, lambda registry: registry.push.delete(REPO, image("A")[0]))
        assert not isinstance(deleted, Exception), deleted
        if trimmed:
            await asyncio.sleep(8.0)
            assert r.running is not None
            assert any(r.running.index.replica.floor().values()), "its log is trimmed"
        await comes_back(world, w)
        assert await served(world) == {ManifestUnknown.__name__}
        assert await by_digest(world, "A") == {ManifestUnknown.__name__}

    settle = {"log_settled_s": 1.0, "log_away_s": 2.0, "trim_interval_s": 1.0}
    tell(story, **(settle if trimmed else {}))


def test_what_w_served_may_go_with_its_disk():
    """It may become visible, and may be gone; nobody was promised anything."""

    async def story(world: World) -> None:
        w, r, _ = world.machines
        await push_alone(world, w, "A")
        await asyncio.sleep(KEEPALIVE_S)
        await faults.wipe(world, {"do": "wipe", "node": 0, "for": 1.0, "salt": 0})
        world.network.mend(ways(world, w))
        await world.until(lambda: w.ready, 20.0)
        assert len(await served(world)) == 1
        await push(r, "B")
        assert await served(world) == {image("B")[0]}

    tell(story)


async def _push_behind_a_cut(world: World) -> set[Any]:
    """A and B cannot see each other; a push through A, then one through B: what C says is there."""
    a, b, c = world.machines
    await upload(b, "B")
    world.network.cut([(a.address, b.address), (b.address, a.address)])
    await asyncio.sleep(10.0)
    await push(a, "A")
    assert not isinstance(found := await at(b, put("B")), Exception), found
    await asyncio.sleep(1.0)
    assert c.running is not None
    heads = c.running.index.metadata.tag_register(REPO, TAG).heads
    world.network.mend([(a.address, b.address), (b.address, a.address)])
    return {head.value for head in heads}


def test_a_write_replaces_what_its_region_acknowledged():
    """Broken: a conflict that nobody made, for its node replaces what it happens to know."""

    async def story(world: World) -> None:
        assert await _push_behind_a_cut(world) == {image("B")[0]}

    tell(story, [("a", "eu"), ("b", "eu"), ("c", "eu")])


def test_a_write_that_does_not_look_is_noticed(monkeypatch: pytest.MonkeyPatch):
    """
    The bug of which the test before tells: it has to see it.

    Random plans do not: what it leaves is a conflict that the next write of the tag ends.
    """
    ensure_current = Reads.ensure_current

    async def only_reads_look(self: Reads, *, patient: bool = False) -> bool:
        return patient or await ensure_current(self)

    monkeypatch.setattr(Reads, "ensure_current", only_reads_look)

    async def story(world: World) -> None:
        assert await _push_behind_a_cut(world) == {image("A")[0], image("B")[0]}

    tell(story, [("a", "eu"), ("b", "eu"), ("c", "eu")])


async def _push_an_index_of_an_unknown_image(world: World) -> set[str]:
    """
    A at R: 201. B at W, which dies with its disk before it has answered; R alone has heard of B. An
    index of both at R: 201. What N says that it has of B then, and what it serves of it.
    """
    w, r, n = world.machines
    await push(r, "A")
    await upload(w, "B")
    world.network.cut([(w.address, n.address), (n.address, w.address)])
    request = asyncio.create_task(at(w, put("B")))
    assert r.running is not None
    index = r.running.index.metadata
    async with asyncio.timeout(20):
        while index.manifest(REPO, image("B")[0]) is None:
            await asyncio.sleep(0.001)
    assert not request.done(), "nobody is told of it"
    request.cancel()
    dies_with_its_disk(world, w)
    digest, body = index_of("A", "B")
    pushed = await at(r, lambda it: it.push.put_manifest(REPO, digest, OCI_INDEX, body))
    assert not isinstance(pushed, Exception), pushed
    assert n.running is not None
    found = {"manifest"} if n.running.index.metadata.manifest(REPO, image("B")[0]) else set()
    await asyncio.sleep(10.0)  # until N has noticed that W is silent
    for text in "AB":
        assert await blob_at(n, text) == text.encode()
        answer = await at(n, lambda it, text=text: it.pull.manifest(REPO, image(text)[0]))
        assert answer.body == image(text)[1]
    return found


@pytest.mark.parametrize("bug", [None, "needs-unnamed"])
def test_an_index_comes_with_an_image_whose_push_was_unknown(bug: str | None):
    """N is cut off from W, and R hands W's log to no other region: N asks what the index needs."""

    async def story(world: World) -> None:
        found = await _push_an_index_of_an_unknown_image(world)
        assert found == (set() if bug else {"manifest"})

    tell(story, bug=bug)
