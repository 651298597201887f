"""
Writes that nobody acknowledged and that surface later (decisions 21 and 22), told as stories.

W logs a push and is killed before anybody else has it. The others go on; then W comes back.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import nullcontext
from typing import Any

import pytest

from cluster import Cluster
from cluster.errors import ClusterError
from cluster.model import Digest
from node.errors import ManifestUnknown, RegistryError
from node.registry.chunk import Chunk
from node.registry.media_types import OCI_INDEX, OCI_MANIFEST
from node.registry.names import RepositoryName, Tag
from node.registry.usecases import UseCases
from tests.sim import faults
from tests.sim.clients import read_blob
from tests.sim.disk import Disk
from tests.sim.machine import Machine
from tests.sim.mutants import by_name, mutated
from tests.sim.network import KEEPALIVE_S
from tests.sim.plan import Plan, Step
from tests.sim.world import World, simulate

REPO, TAG = RepositoryName("lib/app"), Tag("latest")
Nodes = list[tuple[str, str]]
NODES: Nodes = [("w", "ap"), ("r", "eu"), ("n", "us")]

Story = Callable[[World], Awaitable[None]]


def tell(
    story: Story, monkeypatch: pytest.MonkeyPatch, nodes: Nodes = NODES, **tuning: float
) -> None:
    """Have it happen, and the checker find nothing wrong."""
    done = []

    async def step(world: World, _: Step) -> None:
        await story(world)
        done.append(True)

    monkeypatch.setitem(faults.FAULTS_BY_NAME, "story", step)
    plan = Plan("story", nodes, [{"at": 1.0, "do": "story"}], work_s=60.0, tuning=tuning)
    assert simulate(plan).violations == []
    assert done, "the story came to its end"


async def at(machine: Machine, work: Callable[[UseCases], Awaitable[Any]]) -> Any:
    """What a node answers to a request, or the error that it answers with."""
    assert machine.running is not None
    registry, answer = machine.running.registry, machine.loop.create_future()

    async def serve() -> None:
        try:
            found = await work(registry)
        except (RegistryError, ClusterError) as exc:
            found = exc
        if not answer.done():
            answer.set_result(found)

    machine.running.process.spawn(serve())
    async with asyncio.timeout(20):
        return await answer


def image(text: str) -> tuple[Digest, bytes]:
    config, size = Digest.of(text.encode()), len(text)
    described = f'{{"mediaType":"x/y","digest":"{config}","size":{size}}}'
    body = f'{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{described},"layers":[]}}'
    return Digest.of(body.encode()), body.encode()


async def upload(machine: Machine, text: str) -> None:
    data = text.encode()

    async def pieces() -> AsyncIterator[bytes]:
        yield data

    async def work(registry: UseCases) -> None:
        await registry.uploads.put_whole(REPO, Digest.of(data), Chunk(pieces(), length=len(data)))

    assert await at(machine, work) is None


def index_of(*texts: str) -> tuple[Digest, bytes]:
    """An image index of those images."""
    listed = ",".join(
        f'{{"mediaType":"{OCI_MANIFEST}","digest":"{digest}","size":{len(body)}}}'
        for digest, body in map(image, texts)
    )
    body = f'{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[{listed}]}}'
    return Digest.of(body.encode()), body.encode()


def put(text: str) -> Callable[[UseCases], Awaitable[Any]]:
    body = image(text)[1]
    return lambda registry: registry.push.put_manifest(REPO, TAG, OCI_MANIFEST, body)


async def push(machine: Machine, text: str) -> None:
    await upload(machine, text)
    assert not isinstance(found := await at(machine, put(text)), Exception), found


async def push_alone(world: World, machine: Machine, text: str) -> None:
    """A push that nobody else has, and nobody acknowledges; the node is cut off from then on."""
    await upload(machine, text)
    # A push waits for the copies of its blobs before it is logged.
    await asyncio.sleep(3.0)
    assert machine.running is not None
    world.network.cut(_ways(world, machine))
    request = asyncio.create_task(at(machine, put(text)))
    await asyncio.sleep(0.2)
    assert machine.running.index.metadata.tag(REPO, TAG) == image(text)[0], "it is logged"
    assert not request.done(), "and not acknowledged"
    request.cancel()


async def push_and_die(world: World, machine: Machine, text: str) -> None:
    """The push is on W's disk and nowhere else when W is killed."""
    await push_alone(world, machine, text)
    world.held_down.add(machine.address)
    machine.kill()


def _ways(world: World, machine: Machine) -> list[tuple[str, str]]:
    others = [other.address for other in world.machines if other is not machine]
    me = machine.address
    return [pair for other in others for pair in ((me, other), (other, me))]


async def comes_back(world: World, machine: Machine) -> None:
    # What was on its way is lost by now, and not sent again by a node that is dead.
    await asyncio.sleep(KEEPALIVE_S)
    world.network.mend(_ways(world, machine))
    world.held_down.discard(machine.address)
    machine.start()
    await world.until(lambda: machine.ready, 20.0)
    assert machine.ready
    await asyncio.sleep(3.0)


def dies_with_its_disk(world: World, machine: Machine) -> None:
    """For good: it comes back empty when all is over."""
    world.held_down.add(machine.address)
    machine.kill(power=True)
    machine.lost_disk = (world.loop.time(), machine.disk)
    machine.disk = Disk("another one")


async def served(world: World) -> set[Any]:
    """What the nodes say that the tag is: a digest, or the name of the error."""
    found = set()
    for machine in world.machines:
        answer = await at(machine, lambda registry: registry.pull.manifest(REPO, TAG))
        found.add(type(answer).__name__ if isinstance(answer, Exception) else answer.digest)
    return found


async def by_digest(world: World, text: str) -> set[str]:
    answers = [
        await at(m, lambda registry: registry.pull.manifest(REPO, image(text)[0]))
        for m in world.machines
    ]
    return {type(answer).__name__ for answer in answers}


def test_what_is_pushed_after_it_stays(monkeypatch: pytest.MonkeyPatch):
    """A at W, unknown; A again at R: 201; B at N: 201; W comes back: the tag is B."""

    async def story(world: World) -> None:
        w, r, n = world.machines
        await push_and_die(world, w, "A")
        await push(r, "A")
        await push(n, "B")
        await comes_back(world, w)
        assert await served(world) == {image("B")[0]}

    tell(story, monkeypatch)


def test_pushes_that_clocks_cannot_tell_apart_are_a_conflict(monkeypatch: pytest.MonkeyPatch):
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

    tell(story, monkeypatch)


@pytest.mark.parametrize("trimmed", [False, True])
def test_what_was_deleted_meanwhile_stays_deleted(monkeypatch: pytest.MonkeyPatch, trimmed: bool):
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
    tell(story, monkeypatch, **(settle if trimmed else {}))


def test_what_w_served_may_go_with_its_disk(monkeypatch: pytest.MonkeyPatch):
    """It may become visible, and may be gone; nobody was promised anything."""

    async def story(world: World) -> None:
        w, r, _ = world.machines
        await push_alone(world, w, "A")
        await asyncio.sleep(KEEPALIVE_S)
        await faults.wipe(world, {"do": "wipe", "node": 0, "for": 1.0, "salt": 0})
        world.network.mend(_ways(world, w))
        await world.until(lambda: w.ready, 20.0)
        assert len(await served(world)) == 1
        await push(r, "B")
        assert await served(world) == {image("B")[0]}

    tell(story, monkeypatch)


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


def test_a_write_replaces_what_its_region_acknowledged(monkeypatch: pytest.MonkeyPatch):
    """Broken: a conflict that nobody made, for its node replaces what it happens to know."""

    async def story(world: World) -> None:
        assert await _push_behind_a_cut(world) == {image("B")[0]}

    tell(story, monkeypatch, [("a", "eu"), ("b", "eu"), ("c", "eu")])


def test_a_write_that_does_not_look_is_noticed(monkeypatch: pytest.MonkeyPatch):
    """
    The bug of which the test before tells: it has to see it.

    Random plans do not: what it leaves is a conflict that the next write of the tag ends.
    """
    ensure_current = Cluster.ensure_current

    async def only_reads_look(self: Cluster, *, patient: bool = False) -> None:
        if not patient:
            await ensure_current(self)

    monkeypatch.setattr(Cluster, "ensure_current", only_reads_look)

    async def story(world: World) -> None:
        assert await _push_behind_a_cut(world) == {image("A")[0], image("B")[0]}

    tell(story, monkeypatch, [("a", "eu"), ("b", "eu"), ("c", "eu")])


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


async def blob_at(machine: Machine, text: str) -> Any:
    assert machine.running is not None
    return await at(machine, lambda _: read_blob(machine.running, REPO, Digest.of(text.encode())))


@pytest.mark.parametrize("bug", [None, "needs-unnamed"])
def test_an_index_comes_with_an_image_whose_push_was_unknown(
    monkeypatch: pytest.MonkeyPatch, bug: str | None
):
    """N is cut off from W, and R hands W's log to no other region: N asks what the index needs."""

    async def story(world: World) -> None:
        found = await _push_an_index_of_an_unknown_image(world)
        assert found == (set() if bug else {"manifest"})

    with nullcontext() if bug is None else mutated(by_name(bug)):
        tell(story, monkeypatch)
