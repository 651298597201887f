"""What a process does whose disk the cluster has gone on without, or that met another cluster."""

import json
import random
import time
from pathlib import Path

import pytest

from tests.e2e.operator import atoll, typed
from tests.e2e.ports import free_base_port
from tests.e2e.processes import READY_TIMEOUT_S, log_tail
from tests.e2e.registry_client import make_image, registry_clients
from tests.e2e.serve_cluster import ServeCluster, ServeProcess

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

_BLOB_BYTES = 5_000
_POLL_S = 0.2


def remove(node: ServeProcess, at: ServeProcess) -> None:
    """Take a dead node out of the cluster, as soon as it is found dead."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    while True:
        lost = ("node", "remove", node.name, "--lost", "--yes-i-lose", node.name)
        done = atoll(*lost, url=at.http)
        if done.status == 0:
            return
        assert time.monotonic() < deadline, done.told
        time.sleep(_POLL_S)


def wait_left_behind(node: ServeProcess) -> None:
    """Until it has set its index aside. Ready before, on what it has, until it hears of that."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    while not list(node.data_dir.glob("index.former-*")):
        assert time.monotonic() < deadline, log_tail(node.log)
        time.sleep(_POLL_S)


def blobs(node: ServeProcess) -> set[str]:
    return {path.name for path in (node.data_dir / "blobs").rglob("*") if path.is_file()}


async def test_a_removed_member_comes_back_empty(tmp_path: Path, rng: random.Random):
    """Broken: what was given up with it comes back, or its log is lost for who looks for it."""
    with ServeCluster(directory=tmp_path, regions=("eu",)) as cluster:
        first, _, last = cluster.nodes
        async with registry_clients([first.http, last.http]) as clients:
            before, after = (make_image(rng, [_BLOB_BYTES]) for _ in range(2))
            await clients[1].push("lib/app", "before", before)
            last.kill()
            kept = blobs(last)
            remove(last, first)
            await clients[0].push("lib/app", "after", after)

            last.start()
            wait_left_behind(last)
            last.wait_ready()
            assert await clients[1].pull("lib/app", "before") == before
            assert await clients[1].pull("lib/app", "after") == after
            assert kept <= blobs(last)
        assert last.log.read_text().count("index left behind") == 1
        (former,) = last.data_dir.glob("index.former-*")
        assert (former / "CURRENT").exists(), "whole, for who looks for what only it had"
        assert not (last.data_dir / "index.left-behind").exists()
    for node in cluster.nodes:
        node.stop()
        node.fsck()


async def test_what_only_a_removed_member_had_is_salvaged(tmp_path: Path, rng: random.Random):
    """Broken: a push that was acknowledged as `local` is gone with the index that was set aside."""
    with ServeCluster(directory=tmp_path) as cluster:
        *others, last = cluster.nodes
        first = others[0]
        async with registry_clients([first.http, last.http]) as clients:
            both, alone, after = (make_image(rng, [_BLOB_BYTES]) for _ in range(3))
            done = atoll("project", "set", "lib", "consistency=local", url=first.http)
            assert done.status == 0, done.told
            await clients[0].push("lib/app", "moved", both)
            spread = ("wait", f"{first.http}/lib/app:moved", "--timeout", "30")
            assert typed(*spread).status == 0
            for node in others:
                node.kill()
            for tag in ("moved", "only"):
                await clients[1].push("lib/app", tag, alone)
            last.kill()
            for node in others:
                node.start()
            for node in others:
                node.wait_ready()
            remove(last, first)
            await clients[0].push("lib/app", "moved", after)
            last.start()
            wait_left_behind(last)
            last.wait_ready()

            salvage = ("salvage", str(last.data_dir))
            assert typed(*salvage).status == 1
            told = atoll(*salvage, "--json", url=first.http)
            assert told.status == 1, told.told
            found = {each["name"]: each for each in json.loads(told.output)["changes"]}
            assert alone.digest in found
            assert len(found) == 2 + 1 + len(alone.blobs), "and nothing that the others have"
            states = {found[tag]["state"] for tag in ("only", "moved")}
            assert (states, found["moved"]["state"]) == ({"lacking", "conflict"}, "conflict")

            pushed = atoll(*salvage, "--push", url=first.http)
            assert pushed.status == 1, "one has moved on"
            assert await clients[0].pull("lib/app", "only") == alone
            assert await clients[0].pull("lib/app", "moved") == after
            suffixed = (*salvage, "--push", "--tag-suffix", "-salvaged")
            pushed = atoll(*suffixed, url=first.http)
            assert pushed.status == 0, pushed
            assert await clients[0].pull("lib/app", "moved-salvaged") == alone


def test_a_node_that_meets_an_older_cluster_ends(tmp_path: Path):
    """Broken: one of two clusters gives up what it acknowledged, or the two are mixed."""
    base = free_base_port(2)
    older, younger = (
        ServeProcess(
            name=name,
            region="eu",
            http=f"127.0.0.1:{base + number}",
            rpc=f"127.0.0.1:{base + 1000 + number}",
            data_dir=tmp_path / name,
            initial=[name],
        )
        for number, name in enumerate(("eu-1", "eu-2"))
    )
    try:
        for node in (older, younger):
            node.start()
            node.wait_ready()
        younger.stop()
        younger.join = [older.rpc]
        younger.start()
        assert younger.wait_exit() == 1
        line = log_tail(younger.log).splitlines()[-1]
        assert line.startswith("atoll: this node has met another cluster"), line
        assert not list(younger.data_dir.glob("index.former-*"))
        assert older.is_running
    finally:
        for node in (older, younger):
            node.stop()
