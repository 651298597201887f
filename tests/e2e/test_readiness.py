"""What `/readyz` and `/atoll/v1/cluster` say of nodes that were set up wrongly, or left alone."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.ports import free_base_port
from tests.e2e.serve_cluster import ServeCluster, ServeProcess

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


def get(node: ServeProcess, path: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(f"http://{node.http}{path}", timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as exc:
        return exc.code, json.load(exc)


def post(node: ServeProcess, path: str) -> Any:
    """The body of a 503; None for a success."""
    request = urllib.request.Request(f"http://{node.http}{path}", method="POST")
    try:
        urllib.request.urlopen(request, timeout=30).close()
    except urllib.error.HTTPError as exc:
        if exc.code != 503:
            raise
        return json.load(exc)
    return None


def single(
    tmp_path: Path,
    port: int,
    name: str,
    *options: str,
    join: str = "",
    initial: Sequence[str] = ("eu-1", "eu-2"),
) -> ServeProcess:
    return ServeProcess(
        name=name,
        region="eu",
        http=f"127.0.0.1:{port}",
        rpc=f"127.0.0.1:{port + 1000}",
        data_dir=tmp_path / name,
        join=[join] if join else [],
        initial=initial,
        options=options,
    )


def until_not_ready(node: ServeProcess, reason: str) -> str:
    """Wait until `/readyz` of *node* is 503 with *reason* in what it says of the cluster."""
    while True:
        try:
            status, body = get(node, "/readyz")
        except OSError:
            time.sleep(0.05)
            continue
        if reason in body["conditions"]["cluster"]:
            assert status == 503
            return str(body["conditions"]["cluster"])
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("initial", "reason"),
    [
        ((), "its settings name no nodes to begin one (initial)"),
        (("eu-1", "eu-2"), "no cluster has begun yet: eu-2 of initial not here"),
    ],
)
def test_a_node_without_a_cluster_says_what_it_waits_for(
    tmp_path: Path, initial: Sequence[str], reason: str
):
    """Broken: who forgot `initial`, or one of its nodes, waits for ever and does not know why."""
    node = single(tmp_path, free_base_port(1), "eu-1", initial=initial)
    node.start()
    try:
        until_not_ready(node, reason)
    finally:
        node.stop()


def test_a_wrong_join_is_named_by_readyz(tmp_path: Path):
    """Broken: a typing error in `join` looks like a node that is starting, for ever."""
    base = free_base_port(2)
    nowhere = f"127.0.0.1:{free_base_port(1)}"
    node = single(tmp_path, base, "eu-1", join=nowhere)
    node.start()
    try:
        reason = until_not_ready(node, "refused")
        assert f"{nowhere} in join does not answer" in reason
        assert get(node, "/atoll/v1/cluster")[1]["seeds_missing"].keys() == {nowhere}
    finally:
        node.stop()


def test_other_settings_than_those_of_the_others_are_shown(tmp_path: Path):
    """Broken: one of the nodes takes pushes for durable that are on one disk, and nobody knows."""
    base = free_base_port(2)
    rpc = [f"127.0.0.1:{base + 1000 + i}" for i in range(2)]
    one = single(tmp_path, base, "eu-1", join=rpc[1])
    other = single(tmp_path, base + 1, "eu-2", "--copies", "3", join=rpc[0])
    for node in (one, other):
        node.start()
    try:
        for node in (one, other):
            node.wait_ready()
        (seen,) = get(one, "/atoll/v1/cluster")[1]["members"]
        assert (seen["node"], seen["settings_differing"]) == ("eu-2", {"copies": "3"})
        with urllib.request.urlopen(f"http://{other.http}/metrics", timeout=30) as answer:
            assert b"\natoll_cluster_settings_differing_members 1.0\n" in answer.read()
    finally:
        for node in (one, other):
            node.stop()


def test_a_node_that_can_take_no_write_says_so_and_who_is_missing(tmp_path: Path):
    """Broken: it is ready, and each push to it takes ten seconds to fail."""
    with ServeCluster(directory=tmp_path, regions=("eu",)) as cluster:
        one, two, three = cluster.nodes
        assert get(one, "/readyz?for=write")[0] == 200
        two.kill()
        three.kill()
        while (found := get(one, "/readyz?for=write"))[0] == 200:
            time.sleep(0.05)
        assert found[1]["writes"]["copies"] == (
            f"1 of the 2 nodes that a write needs are connected; missing: {two.name}, {three.name}"
        )
        with urllib.request.urlopen(f"http://{one.http}/metrics", timeout=30) as answer:
            assert b"\natoll_writable 0.0\n" in answer.read()
        # The first may wait for them; once that was in vain it is known before.
        while (refusal := post(one, "/v2/lib/app/blobs/uploads/")) is None:
            time.sleep(0.2)
        assert refusal["errors"][0]["detail"]["missing"] == [two.name, three.name]
        two.start()
        two.wait_ready()
        while get(one, "/readyz?for=write")[0] != 200:
            time.sleep(0.05)
