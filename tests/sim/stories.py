"""
Stories: what happens to a few nodes, step by step, told to the checker in place of a random plan.

A story calls the nodes by what they do in it: W writes, R reads, N is another one.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from unittest.mock import patch

from cluster.errors import ClusterError
from cluster.model import Digest
from node.errors import RegistryError
from node.registry.chunk import Chunk
from node.registry.media_types import OCI_INDEX, OCI_MANIFEST
from node.registry.names import RepositoryName, Tag
from node.registry.usecases import UseCases
from tests.sim import faults
from tests.sim.clients import read_blob
from tests.sim.disk import Disk
from tests.sim.machine import Machine
from tests.sim.network import KEEPALIVE_S
from tests.sim.plan import Plan, Step
from tests.sim.shrink import with_bug
from tests.sim.world import World

REPO, TAG = RepositoryName("lib/app"), Tag("latest")
Nodes = list[tuple[str, str]]
NODES: Nodes = [("w", "ap"), ("r", "eu"), ("n", "us")]

Story = Callable[[World], Awaitable[None]]


def shown(
    story: Story,
    nodes: Nodes = NODES,
    *,
    bug: str | None = None,
    identity: dict[str, float] | None = None,
    **tuning: Any,
) -> list[str]:
    """
    What the checker finds wrong where it happens, with that seeded bug or without any. *identity*
    are the bounds of tokens and log-ins, where it is about who may do what.
    """
    done = []

    async def step(world: World, _: Step) -> None:
        await story(world)
        done.append(True)

    plan = Plan("story", nodes, [{"at": 1.0, "do": "story"}], work_s=60.0, tuning=tuning)
    plan.identity = identity or {}
    with patch.dict(faults.FAULTS_BY_NAME, story=step):
        found = with_bug(bug)(plan).violations
    assert done, f"the story did not come to its end: {found}"
    return found


def tell(story: Story, nodes: Nodes = NODES, *, bug: str | None = None, **tuning: Any) -> None:
    """Have it happen, and the checker find nothing wrong."""
    assert shown(story, nodes, bug=bug, **tuning) == []


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
    world.network.cut(ways(world, machine))
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


def ways(world: World, *machines: Machine) -> list[tuple[str, str]]:
    """All ways between those machines and the others."""
    inside = [machine.address for machine in machines]
    outside = [other.address for other in world.machines if other not in machines]
    return [pair for one in inside for other in outside for pair in ((one, other), (other, one))]


async def comes_back(world: World, machine: Machine) -> None:
    # What was on its way is lost by now, and not sent again by a node that is dead.
    await asyncio.sleep(KEEPALIVE_S)
    world.network.mend(ways(world, machine))
    world.held_down.discard(machine.address)
    machine.start()
    await world.until(lambda: machine.ready, 20.0)
    assert machine.ready
    await asyncio.sleep(3.0)


def dies_with_its_disk(world: World, machine: Machine, other: Disk | None = None) -> None:
    """For good: it comes back with an empty one, or with that *other* one, when all is over."""
    world.held_down.add(machine.address)
    machine.kill(power=True)
    machine.replace_disk(other or Disk("another one"))


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


async def blob_at(machine: Machine, text: str) -> Any:
    assert machine.running is not None
    return await at(machine, lambda _: read_blob(machine.running, REPO, Digest.of(text.encode())))
