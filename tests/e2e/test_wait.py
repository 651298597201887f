"""`atoll wait` and projects, on real nodes in three regions."""

import asyncio
import json
import random
import subprocess
import time
import urllib.request

import pytest

from tests.e2e.processes import atoll_command, clean_environment
from tests.e2e.registry_client import make_image, registry_clients
from tests.e2e.serve_cluster import ServeCluster

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

_REPOSITORY = "library/app"
_POLL_S = 0.05


def _atoll(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*atoll_command(), *arguments],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )


def _until_lost(host: str, name: str) -> None:
    """Return once the node at *host* has noticed that it is not connected to *name*."""
    for _ in range(200):
        with urllib.request.urlopen(f"http://{host}/atoll/v1/cluster", timeout=10) as answer:
            members = json.load(answer)["members"]
        if not any(member["connected"] for member in members if member["node"] == name):
            return
        time.sleep(_POLL_S)
    raise AssertionError(f"{name} still counts as connected")


async def test_a_push_is_waited_for_in_every_region(tmp_path, rng: random.Random) -> None:
    """If this fails, a deployment starts in a region that has not heard of its image."""
    with ServeCluster(directory=tmp_path) as cluster:
        hosts = [node.http for node in cluster.nodes]
        async with registry_clients(hosts) as clients:
            image = make_image(rng, [1000])
            await clients[0].push(_REPOSITORY, "v1", image)
            begun = time.monotonic()
            for host in hosts:
                done = await asyncio.to_thread(
                    _atoll, "wait", f"{host}/{_REPOSITORY}:v1", "--timeout", "20"
                )
                assert done.returncode == 0, done
                assert all(node.name in done.stdout for node in cluster.nodes)
            print(f"waited through each node in {time.monotonic() - begun:.1f} s")
            cluster.nodes[2].kill()
            await asyncio.to_thread(_until_lost, hosts[0], cluster.nodes[2].name)
            lost = await asyncio.to_thread(
                _atoll, "wait", f"{hosts[0]}/{_REPOSITORY}:v1", "--regions", "ap", "--timeout", "3"
            )
            assert lost.returncode == 1
            assert cluster.nodes[2].name in lost.stderr


async def test_a_policy_holds_on_every_node(tmp_path) -> None:
    """If this fails, `global` set through one node is `region` for those who push to another."""
    with ServeCluster(directory=tmp_path) as cluster:
        first, *others = [node.http for node in cluster.nodes]
        done = _atoll("project", "set", "library", "consistency=global", "--url", first)
        assert done.returncode == 0, done
        for host in others:
            found = _atoll("project", "get", "library", "--url", host)
            assert '"consistency": "global"' in found.stdout, found
