"""Read your writes through any node (P2), as a client behind a load balancer sees it."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator

import aiohttp
import pytest

from tests.e2e.registry_client import (
    Corrupt,
    Image,
    Refused,
    RegistryClient,
    make_image,
    registry_clients,
)
from tests.e2e.up_cluster import UpCluster

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

IMAGES = 200
_AT_ONCE = 4


async def test_every_image_is_read_at_once_through_both_other_nodes(
    cluster: UpCluster, rng: random.Random
) -> None:
    """If this fails, a pull behind a load balancer says `manifest unknown` after a push."""
    plan = iter([(number, rng.randrange(3), _small_image(rng)) for number in range(IMAGES)])
    outcomes: Counter[str] = Counter()
    async with (
        registry_clients([node.http for node in cluster.nodes]) as clients,
        asyncio.TaskGroup() as workers,
    ):
        for _ in range(_AT_ONCE):
            workers.create_task(_push_and_read(clients, plan, outcomes))
    failures = {what: count for what, count in outcomes.items() if what != "read"}
    print(f"first-time reads: {outcomes['read']} of {2 * IMAGES}; failures: {failures or 'none'}")
    assert not failures
    assert outcomes["read"] == 2 * IMAGES


async def _push_and_read(
    clients: list[RegistryClient],
    plan: Iterator[tuple[int, int, Image]],
    outcomes: Counter[str],
) -> None:
    for number, target, image in plan:
        repository, tag = f"ryw/app-{number % 10}", f"v{number}"
        await clients[target].push(repository, tag, image)
        for other in (each for each in range(3) if each != target):
            outcome = await _first_read(clients[other], repository, tag, image)
            outcomes[outcome] += 1


async def _first_read(client: RegistryClient, repository: str, tag: str, image: Image) -> str:
    """Read by tag and by digest, blobs included, and say how it went."""
    try:
        by_tag = await client.pull(repository, tag)
        by_digest = await client.pull(repository, image.digest)
    except (Refused, Corrupt, aiohttp.ClientError, TimeoutError) as failure:
        return f"{type(failure).__name__}: {failure}"
    return "read" if by_tag == image and by_digest == image else "another image"


def _small_image(rng: random.Random) -> Image:
    return make_image(rng, [rng.choice((64, 1 << 10, 20 << 10, 200 << 10)) for _ in range(2)])
