"""
Crashes at the worst moments: `kill -9` in the middle of a push, and right after its 201.

Goal: what was acknowledged is there whole (P1), what was not is not there in part. Method: three
nodes, and many rounds that each kill one of them and start it again with the same arguments.
`KILL9_ROUNDS` sets their number, `E2E_SEED` repeats a run's choices.
"""

import asyncio
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest

from tests.e2e.registry_client import (
    Image,
    Refused,
    RegistryClient,
    make_image,
    registry_clients,
)
from tests.e2e.serve_cluster import ServeCluster, ServeProcess

pytestmark = [pytest.mark.e2e, pytest.mark.faults, pytest.mark.timeout(1200)]

ROUNDS = int(os.environ.get("KILL9_ROUNDS", "50"))
REPOSITORY = "kill9/app"
_PUSHES_AT_ONCE = 3
_LAYERS_BYTES = (100, 4 << 10, 80 << 10, 1 << 20, 3 << 20)


@dataclass
class Ledger:
    """What was pushed: acknowledged by a 201, or cut off before one."""

    acknowledged: dict[str, Image] = field(default_factory=dict)
    cut: dict[str, Image] = field(default_factory=dict)


async def test_a_kill_during_pushes_leaves_nothing_partial(
    serve_cluster: ServeCluster, rng: random.Random
) -> None:
    """If this fails, a crash loses an acknowledged push or shows half of one."""
    nodes, ledger = serve_cluster.nodes, Ledger()
    async with registry_clients([node.http for node in nodes]) as clients:
        typical_s = await _push_all(clients[0], _some_images(rng, "warm"), ledger)
        for number in range(ROUNDS):
            victim, client = nodes[number % 3], clients[number % 3]
            await asyncio.to_thread(victim.wait_ready)
            images = _some_images(rng, f"r{number}")
            # Beyond the typical time too, so that both outcomes are met often.
            with _killed_after(victim, rng.uniform(0, 3 * typical_s)) as killed:
                await _push_all(client, images, ledger)
                await killed.wait()
            await _restart(victim)
            await _check_visible(client, images, ledger)
            await asyncio.to_thread(victim.stop)
            await asyncio.to_thread(victim.fsck)
            # Not awaited: the next round kills another node while this one still joins.
            victim.start()
        for node, client in zip(nodes, clients, strict=True):
            await asyncio.to_thread(node.wait_ready)
            for tag, image in ledger.acknowledged.items():
                assert await client.pull(REPOSITORY, tag) == image, f"{tag} from {node.name}"
    print(
        f"{ROUNDS} kills, fsck clean after each; {len(ledger.acknowledged)} acknowledged pushes "
        f"read from all nodes, {len(ledger.cut)} pushes cut"
    )
    assert ledger.cut, "no kill hit a push: this run proved nothing"
    assert ledger.acknowledged, "no push was acknowledged: this run proved nothing"


async def test_a_kill_right_after_the_201_loses_nothing(
    serve_cluster: ServeCluster, rng: random.Random
) -> None:
    """If this fails, an acknowledged image existed on one node only."""
    nodes, whole = serve_cluster.nodes, 0
    async with registry_clients([node.http for node in nodes]) as clients:
        for number in range(ROUNDS):
            for node in nodes:
                await asyncio.to_thread(node.wait_ready)
            chosen = rng.randrange(len(nodes))
            tag, image = f"a{number}", _image(rng)
            await clients[chosen].push(REPOSITORY, tag, image)
            nodes[chosen].kill()
            survivors = [client for i, client in enumerate(clients) if i != chosen]
            for client in survivors:
                assert await client.pull(REPOSITORY, tag) == image, f"{tag}, killed {chosen}"
                assert await client.pull(REPOSITORY, image.digest) == image
            whole += 1
            nodes[chosen].start()
    print(f"{whole} of {ROUNDS} images whole from both survivors")
    assert whole == ROUNDS


@contextmanager
def _killed_after(victim: ServeProcess, delay_s: float) -> Iterator[asyncio.Event]:
    """Kill *victim* after a delay and set the event; a timer is what makes the moment random."""
    killed = asyncio.Event()

    def kill() -> None:
        victim.kill()
        killed.set()

    timer = asyncio.get_running_loop().call_later(delay_s, kill)
    try:
        yield killed
    finally:
        timer.cancel()


async def _push_all(client: RegistryClient, images: dict[str, Image], ledger: Ledger) -> float:
    """Push at once and enter each outcome in the ledger; return the seconds it took."""

    async def push(tag: str, image: Image) -> None:
        try:
            await client.push(REPOSITORY, tag, image)
        except aiohttp.ClientError:
            ledger.cut[tag] = image
        else:
            ledger.acknowledged[tag] = image

    loop = asyncio.get_running_loop()
    begun = loop.time()
    async with asyncio.TaskGroup() as pushes:
        for tag, image in images.items():
            pushes.create_task(push(tag, image))
    return loop.time() - begun


async def _restart(victim: ServeProcess) -> None:
    victim.start()
    await asyncio.to_thread(victim.wait_ready)


async def _check_visible(client: RegistryClient, images: dict[str, Image], ledger: Ledger) -> None:
    """Every listed tag of this round is whole, every other one is 404, none is lost."""
    listed = set(await client.tags(REPOSITORY))
    assert ledger.acknowledged.keys() <= listed
    for tag, image in images.items():
        if tag in listed:
            assert await client.pull(REPOSITORY, tag) == image
            continue
        with pytest.raises(Refused) as refusal:
            await client.pull(REPOSITORY, tag)
        assert refusal.value.status == 404


def _some_images(rng: random.Random, prefix: str) -> dict[str, Image]:
    return {f"{prefix}-{number}": _image(rng) for number in range(_PUSHES_AT_ONCE)}


def _image(rng: random.Random) -> Image:
    return make_image(rng, [rng.choice(_LAYERS_BYTES) for _ in range(rng.randrange(1, 4))])
