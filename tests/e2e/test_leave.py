"""`atoll leave`, on real nodes of one region."""

import json
import random
import subprocess
import time
import urllib.request

import pytest

from tests.e2e.processes import atoll_command, clean_environment, is_ready, log_tail
from tests.e2e.registry_client import make_image, registry_clients
from tests.e2e.serve_cluster import ServeCluster

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

_REPOSITORY = "library/app"


def _cluster(host: str) -> dict[str, object]:
    with urllib.request.urlopen(f"http://{host}/atoll/v1/cluster", timeout=10) as answer:
        return json.load(answer)


async def test_nobody_waits_for_a_node_that_left(tmp_path, rng: random.Random) -> None:
    """If this fails, taking a machine out of service slows every push down until it is back."""
    with ServeCluster(directory=tmp_path, regions=("eu",)) as cluster:
        one, other, leaver = cluster.nodes
        leave = subprocess.Popen(
            [*atoll_command(), "leave", "--url", leaver.http, "--drain", "2"],
            env=clean_environment(),
            stdout=subprocess.PIPE,
            text=True,
        )
        while is_ready(leaver.http):
            time.sleep(0.02)
        assert _cluster(leaver.http)["node"] == leaver.name, "it serves while it drains"
        output, _ = leave.communicate(timeout=60)
        assert (leave.returncode, output) == (0, f"{leaver.name} has left\n")
        assert leaver.wait_exit() == 0
        for host in (one.http, other.http):
            assert leaver.name not in [m["node"] for m in _cluster(host)["members"]]
        async with registry_clients([one.http, other.http]) as clients:
            image = make_image(rng, [1000])
            begun = time.monotonic()
            await clients[0].push(_REPOSITORY, "v1", image)
            print(f"pushed in {time.monotonic() - begun:.2f} s")
        members = [m["node"] for m in _cluster(one.http)["members"]]
        assert members == [other.name]
        assert _cluster(one.http)["current"], "it needs no lease of a node that is gone"
        leaver.start()
        assert leaver.wait_exit() == 3, "whatever starts it would undo that it left"
        assert "left its cluster at" in log_tail(leaver.log)
        assert "--rejoin" in log_tail(leaver.log)
        assert leaver.name not in [m["node"] for m in _cluster(one.http)["members"]]
        leaver.options = ["--rejoin"]
        leaver.start()
        leaver.wait_ready()
        while leaver.name not in [m["node"] for m in _cluster(one.http)["members"]]:
            time.sleep(0.05)


def _leave(http: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*atoll_command(), "leave", "--url", http, "--drain", "0", *options],
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


async def test_leaving_twice_does_not_lose_an_image(tmp_path, rng: random.Random) -> None:
    """
    Broken: `atoll leave` on one node and then on another, both with exit 0, and images that were
    acknowledged on both are nowhere.
    """
    with ServeCluster(directory=tmp_path, regions=("eu",)) as cluster:
        images = [make_image(rng, [1000, 2000]) for _ in range(8)]
        async with registry_clients([node.http for node in cluster.nodes]) as clients:
            for number, image in enumerate(images):
                await clients[0].push(_REPOSITORY, f"v{number}", image)
        one, two, three = cluster.nodes
        refused = _leave(one.http)
        assert refused.returncode == 1, refused
        assert "24 blobs" in refused.stderr
        assert "fewer than 2 copies" in refused.stderr
        assert one.is_running
        assert _leave(one.http, "--yes").returncode == 0
        assert one.wait_exit() == 0
        # Each blob was on two nodes; some are on one of the two that are left now.
        ends = [_leave(node.http, "--yes") for node in (two, three)]
        assert [end.returncode for end in ends] == [1, 1], ends
        for end in ends:
            assert "would have no copy left" in end.stderr
            assert "--force" in end.stderr
        async with registry_clients([two.http, three.http]) as clients:
            for client in clients:
                for number, image in enumerate(images):
                    pulled = await client.pull(_REPOSITORY, f"v{number}")
                    assert pulled.digest == image.digest
