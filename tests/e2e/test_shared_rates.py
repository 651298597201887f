"""Rates of real nodes: what three of a region give together."""

import urllib.error
import urllib.request
from http import HTTPStatus
from pathlib import Path
from random import Random

import pytest

from tests.e2e.processes import OPEN
from tests.e2e.registry_client import make_image, registry_clients
from tests.e2e.serve_cluster import ServeCluster, ServeProcess

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

PULLS = 30


def pull(node: ServeProcess, client: str) -> tuple[int, str]:
    """The status, and what is left."""
    url = f"http://{node.http}/v2/lib/app/manifests/v1"
    request = urllib.request.Request(url, headers={"X-Forwarded-For": client})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.headers["RateLimit-Remaining"]
    except urllib.error.HTTPError as exc:
        return exc.code, exc.headers["RateLimit-Remaining"]


async def test_three_nodes_give_a_client_its_rate_once(tmp_path: Path, rng: Random):
    """The bound across nodes: a third of it at each, as long as they see each other."""
    doors = (*OPEN, "--trusted-proxies", "127.0.0.0/8", "--anonymous-pulls", str(PULLS))
    with ServeCluster(directory=tmp_path, regions=("eu",), doors=doors) as cluster:
        async with registry_clients([node.http for node in cluster.nodes]) as clients:
            await clients[0].push("lib/app", "v1", make_image(rng, [1000]))
        assert pull(cluster.nodes[0], "203.0.113.1") == (200, f"{PULLS - 3};w=21600")
        turns = [pull(cluster.nodes[turn % 3], "203.0.113.7")[0] for turn in range(3 * PULLS)]
        assert turns.count(HTTPStatus.OK) == PULLS
        assert turns.count(HTTPStatus.TOO_MANY_REQUESTS) == 2 * PULLS
        stays = [pull(cluster.nodes[0], "203.0.113.8")[0] for _ in range(PULLS)]
        assert stays.count(HTTPStatus.OK) == PULLS // 3
        with urllib.request.urlopen(f"http://{cluster.nodes[0].admin}/metrics") as answer:
            assert b"atoll_requests_refused_pulls_total 40.0" in answer.read()
