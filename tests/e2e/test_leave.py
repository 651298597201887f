"""`atoll leave`, on real nodes of one region."""

import json
import random
import subprocess
import time
import urllib.request
from itertools import permutations

import pytest

from tests.e2e.operator import atoll, wait_well
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
            assert set(wait_well(host).states()) == {one.name, other.name}
        async with registry_clients([one.http, other.http]) as clients:
            image = make_image(rng, [1000])
            begun = time.monotonic()
            await clients[0].push(_REPOSITORY, "v1", image)
            print(f"pushed in {time.monotonic() - begun:.2f} s")
        assert _cluster(one.http)["current"], "it needs no lease of a node that is gone"
        leaver.start()
        assert leaver.wait_exit() == 3, "whatever starts it would undo that it left"
        assert "left its cluster at" in log_tail(leaver.log)
        assert "--rejoin" in log_tail(leaver.log)
        assert leaver.name not in [m["node"] for m in _cluster(one.http)["members"]]


@pytest.mark.parametrize("order", list(permutations(range(3)))[::2], ids=str)
async def test_nodes_that_leave_lose_nothing_in_any_order(
    tmp_path, rng: random.Random, order: tuple[int, int, int]
) -> None:
    """
    Broken: `atoll leave` on one node and then on another, both with exit 0, and images that were
    acknowledged on both are nowhere.
    """
    with ServeCluster(directory=tmp_path, regions=("eu",)) as cluster:
        images = [make_image(rng, [1000, 2000]) for _ in range(8)]
        async with registry_clients([cluster.nodes[0].http]) as [client]:
            for number, image in enumerate(images):
                await client.push(_REPOSITORY, f"v{number}", image)
        first, second, last = (cluster.nodes[number] for number in order)
        left = atoll("leave", "--drain", "0", url=first.http)
        assert (left.status, left.output) == (0, f"{first.name} has left\n"), left
        assert first.wait_exit() == 0
        for node in (second, last):
            refused = atoll("leave", "--drain", "0", url=node.http)
            assert refused.status == 1
            assert "copies: 2 wanted, 1 possible" in refused.told
            assert "ask for fewer copies" in refused.told
            assert node.is_running
        planned = json.loads(
            atoll("layout", "plan", "--copies", "1", "--json", url=last.http).output
        )
        applied = atoll("layout", "apply", "--version", str(planned["version"]), url=last.http)
        assert applied.status == 0, applied
        left = atoll("leave", "--drain", "0", url=second.http)
        assert left.status == 0, left
        assert second.wait_exit() == 0
        refused = atoll("leave", "--drain", "0", url=last.http)
        assert (refused.status, "copies: 1 wanted, 0 possible" in refused.told) == (1, True)
        wait_well(last.http)
        async with registry_clients([last.http]) as [client]:
            for number, image in enumerate(images):
                pulled = await client.pull(_REPOSITORY, f"v{number}")
                assert pulled.digest == image.digest


async def test_leaving_that_comes_to_nothing_says_why(tmp_path, rng: random.Random) -> None:
    """Broken: an operator waits for hours for copies that nobody can make."""
    with ServeCluster(directory=tmp_path, regions=("eu",)) as cluster:
        one, two, three = cluster.nodes
        async with registry_clients([one.http]) as [client]:
            for number in range(4):
                await client.push(_REPOSITORY, f"v{number}", make_image(rng, [1000]))
        wait_well(one.http)
        three.kill()
        stalled = atoll("leave", "--drain", "0", "--patience", "3", url=one.http)
        assert stalled.status == 1
        assert "STALLED" in stalled.told
        assert three.name in stalled.told
        shown = json.loads(atoll("layout", "show", "--json", url=two.http).output)
        assert {m["availability"] for m in shown["members"]} == {"active"}, "it is as it was"
        lost = atoll("leave", "--drain", "0", "--lost", url=one.http)
        assert (lost.status, f"--yes-i-lose {one.name}" in lost.told) == (1, True)
        assert one.is_running
