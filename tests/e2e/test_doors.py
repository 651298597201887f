"""Who is let in where: nodes that are closed, and how commands find them."""

import json
import random
import subprocess
from pathlib import Path

import pytest

from tests.e2e.administration import Administration, asked, basic
from tests.e2e.operator import Typed, typed
from tests.e2e.ports import free_base_port
from tests.e2e.processes import (
    ANY_ADMIN,
    admin_address,
    atoll_command,
    clean_environment,
    log_tail,
)
from tests.e2e.registry_client import make_image, registry_clients
from tests.e2e.serve_cluster import ServeCluster, ServeProcess
from tests.e2e.up_cluster import UpCluster

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


def get(address: str, path: str, fields: dict[str, str] | None = None) -> tuple[int, bytes]:
    return asked(address, "GET", path, fields)


def at(node: ServeProcess, *arguments: str) -> Typed:
    return typed(*arguments, "--data-dir", str(node.data_dir))


async def test_a_closed_node_is_run_from_its_machine_alone(tmp_path: Path, rng: random.Random):
    """Broken: whoever can pull can also read, and change, what runs the cluster."""
    node = ServeProcess.alone(tmp_path / "eu-1", doors=ANY_ADMIN)
    node.start()
    try:
        node.wait_ready()
        operator = Administration(node=node).operator
        async with registry_clients([node.http], operator) as [client]:
            await client.push("lib/app", "v1", make_image(rng, [1000]))
        for path in ("/metrics", "/atoll/v1/status", "/atoll/v1/conflicts"):
            assert get(node.http, path)[0] == (401 if path == "/metrics" else 404), path
            assert get(node.admin, path)[0] == 401, path
            assert get(node.admin, path, operator)[0] == 200, path
        for path in ("/", "/openapi.json"):
            assert get(node.http, path)[0] == 404, path
            assert get(node.admin, path)[0] == 200, path
        assert get(node.http, "/readyz") == (200, b"")
        assert b"conditions" in get(node.admin, "/readyz")[1]

        status = at(node, "status", "--json")
        assert json.loads(status.output)["auth"] == "on", status
        assert "v1" in at(node, "history", "lib/app:v1", "--json").output
        assert at(node, "wait", "lib/app:v1").status == 0
        asked = typed("status", "--url", node.http)
        assert (asked.status, "does not serve the admin API" in asked.output) == (2, True)
        asked = subprocess.run(
            [*atoll_command(), "history", "lib/app:v1"],
            env=clean_environment() | {"ATOLL_DATA_DIR": str(node.data_dir)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert asked.returncode == 0, "a command in the node's container asks that node"

        node.kill()
        assert (node.data_dir / "ADMIN").exists()
        gone = at(node, "leave")
        assert (gone.status, "no node runs in data directory" in gone.told) == (1, True)
        node.start()
        node.wait_ready()
        assert "as eu-1 (eu) sees it" in at(node, "status").output
    finally:
        node.stop()
    assert not (node.data_dir / "ADMIN").exists()
    assert "OPEN:" not in log_tail(node.log)


async def test_a_node_of_a_closed_cluster_leaves(tmp_path: Path):
    """Broken: `atoll leave` asks the others how it went, and cannot reach their admin API."""
    with ServeCluster(directory=tmp_path, regions=("eu",), doors=ANY_ADMIN) as cluster:
        one, other, leaver = cluster.nodes
        done = at(leaver, "leave", "--drain", "0", "--json")
        assert done.status == 0, done
        assert set(json.loads(done.output)["noted_by"]) == {one.name, other.name}
        assert leaver.wait_exit() == 0
        for node in (one, other):
            members = Administration(node=node).do("GET", "cluster")["members"]
            assert leaver.name not in [member["node"] for member in members]


def test_an_open_node_says_so(tmp_path: Path):
    """Broken: nobody notices that a registry gives everything to everybody."""
    node = ServeProcess.alone(tmp_path / "eu-1")
    node.start()
    try:
        node.wait_ready()
        assert get(node.http, "/atoll/v1/status")[0] == 200
        assert b"\natoll_open 1.0" in get(node.http, "/metrics")[1]
        assert "OPEN: whoever reaches a node may do anything" in at(node, "status").output
        assert "OPEN: whoever reaches this node may do anything" in node.log.read_text()
    finally:
        node.stop()


@pytest.mark.parametrize("is_open", [True, False], ids=["open", "closed"])
async def test_a_cluster_of_three_is_ready_to_push_to(
    tmp_path: Path, rng: random.Random, is_open: bool
):
    """`make run`, and how to try the other."""
    with UpCluster(data_dir=tmp_path / "data", is_open=is_open) as cluster:
        root: dict[str, str] = {}
        if not is_open:
            admin, root = Administration(node=cluster.nodes[0]), basic("root")
            admin.user("root")
            admin.do("POST", "roles", {"subject": "root", "role": "admin"})
        async with registry_clients([node.http for node in cluster.nodes], root) as clients:
            image = make_image(rng, [1000])
            await clients[0].push("lib/app", "v1", image)
            assert await clients[2].pull("lib/app", "v1") == image
        for node in cluster.nodes:
            assert admin_address(node.data_dir) == node.admin
            assert get(node.admin, "/metrics", root)[0] == 200
            assert get(node.http, "/metrics")[0] == (200 if is_open else 401)
        told = cluster.log.read_text()
        assert ("The nodes are OPEN" in told) is is_open
        assert f"To try the other: {'without' if is_open else 'with'} --open." in told
        first = cluster.nodes[0].data_dir
        assert typed("history", "lib/app:v1", "--data-dir", str(first)).status == 0


def test_two_words_open_a_node_to_all(tmp_path: Path):
    """Broken: a slip of the finger gives everything to the network."""
    port = free_base_port(1)
    command = [*atoll_command(), "serve", "--open", "--data-dir", str(tmp_path / "d"), *ANY_ADMIN]
    done = subprocess.run(
        [*command, "--http", f"0.0.0.0:{port}", "--rpc", f"127.0.0.1:{port + 1000}"],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "say so twice, by --open-to all as well" in done.stderr
    assert not (tmp_path / "d").exists()
