"""A node that is no store of the layout: clients push and pull through it, and it keeps nothing."""

import json
import random
import time
from pathlib import Path

import pytest

from tests.e2e.clients import require, run
from tests.e2e.oci_layout import Descriptor
from tests.e2e.operator import atoll, wait_status, wait_well
from tests.e2e.processes import READY_TIMEOUT_S
from tests.e2e.registry_client import make_image, registry_clients
from tests.e2e.serve_cluster import ServeCluster, ServeProcess

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

_CLOSED = ("--joining", "closed")


def until_done(*command: str, url: str) -> str:
    """Type a command again until it is done; returns what it said then."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    while (typed := atoll(*command, url=url)).status != 0:
        assert time.monotonic() < deadline, typed.told
        time.sleep(0.2)
    return typed.output


def blobs(node: ServeProcess) -> list[str]:
    return [path.name for path in (node.data_dir / "blobs").rglob("*") if path.is_file()]


def copy_with_crane(image: tuple[Path, Descriptor], at: str, repository: str, to: Path) -> None:
    """Push an image to *at* by its tag, and pull it from there."""
    crane = require("crane")
    directory, described = image
    run([crane, "push", directory, f"{at}/{repository}:1"])
    assert run([crane, "digest", f"{at}/{repository}:1"]) == described.digest
    run([crane, "validate", "--remote", f"{at}/{repository}:1"])
    run([crane, "pull", "--format", "oci", f"{at}/{repository}:1", to])


async def test_clients_are_served_through_a_node_that_is_no_store(
    tmp_path: Path, layout: tuple[Path, Descriptor], rng: random.Random
):
    """Broken: it answers 503, or acknowledges what no member has."""
    with ServeCluster(directory=tmp_path, regions=("eu",), options=_CLOSED) as cluster:
        member, url = cluster.nodes[0], cluster.nodes[1].http
        proxy = cluster.newcomer("eu-9")
        proxy.start()
        try:
            wait_status(url, lambda found: found.states().get("eu-9") == "outside")
            copy_with_crane(layout, proxy.http, "lib/outside", tmp_path / "outside")
            assert not blobs(proxy)

            until_done("node", "add", "eu-9", url=url)  # it may not have taken over the index yet
            until_done("node", "drain", "eu-9", url=url)
            role = ("layout", "plan", "--roles", "eu-9=proxy", "--json")
            version = json.loads(until_done(*role, url=url))["version"]
            until_done("layout", "apply", "--version", str(version), url=url)
            proxy.wait_ready()
            wait_well(url)
            copy_with_crane(layout, proxy.http, "lib/proxy", tmp_path / "proxy")
            assert not blobs(proxy)

            member.kill()
            async with registry_clients([proxy.http, url]) as (through, other):
                image = make_image(rng, [1000, 3 << 20])
                await through.push("lib/app", "v1", image)
                assert await through.pull("lib/app", "v1") == image
                assert await other.pull("lib/app", "v1") == image
        finally:
            proxy.stop()
