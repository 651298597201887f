"""A node whose index is damaged says so, and takes it over from the others without its blobs."""

import json
import random
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.operator import atoll, wait_status, wait_well
from tests.e2e.processes import is_ready, log_tail
from tests.e2e.registry_client import make_image, registry_clients
from tests.e2e.serve_cluster import ServeCluster, ServeProcess

pytestmark = pytest.mark.e2e

_IMAGES = 20
_BLOB_BYTES = 5_000


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ServeCluster]:
    with ServeCluster(directory=tmp_path) as started:
        yield started


def flip_bytes(node: ServeProcess, *kinds: str) -> None:
    """Damage every file of these kinds in the index, one byte in each KiB."""
    index = node.data_dir / "index"
    for path in (path for kind in kinds for path in index.glob(kind)):
        data = bytearray(path.read_bytes())
        for at in range(0, len(data), 1024):
            data[at] ^= 0x40
        path.write_bytes(data)


def metric(node: ServeProcess, name: str) -> float:
    with urllib.request.urlopen(f"http://{node.http}/metrics", timeout=5) as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith(f"{name} "):
                return float(line.split()[1])
    raise AssertionError(f"no metric {name}")


def blob_files(node: ServeProcess) -> dict[str, int]:
    """The blobs on disk and the inode of each: a blob that was fetched again has another one."""
    return {
        path.name: path.stat().st_ino
        for path in (node.data_dir / "blobs").rglob("*")
        if path.is_file()
    }


async def test_a_damaged_index_is_rebuilt_from_the_others(
    cluster: ServeCluster, rng: random.Random
):
    """Broken: it starts with what it can read and says 404, or fetches all its blobs again."""
    images = {f"v{number}": make_image(rng, [_BLOB_BYTES]) for number in range(_IMAGES)}
    async with registry_clients([node.http for node in cluster.nodes]) as clients:
        for number, (tag, image) in enumerate(images.items()):
            await clients[number % len(clients)].push("lib/app", tag, image)
        first, *others = cluster.nodes
        manifests = metric(others[0], "atoll_manifests_stored")
        first.kill()
        before = blob_files(first)
        flip_bytes(first, "*.sst", "*.log")

        first.start()
        assert first.wait_exit() == 1
        assert "--rebuild-index" in log_tail(first.log)

        first.options = (*first.options, "--rebuild-index")
        first.start()
        first.wait_ready()
        assert metric(first, "atoll_manifests_stored") == manifests
        for tag, image in images.items():
            assert await clients[0].pull("lib/app", tag) == image
        after = blob_files(first)
        assert {name: after.get(name) for name in before} == before, "kept, and not fetched again"
        assert metric(first, "atoll_blobs_stored") >= len(before)
        await clients[0].push("lib/app", "after", make_image(rng, [_BLOB_BYTES]))

        # The option stays where it is, as in a unit file.
        first.stop()
        first.start()
        first.wait_ready()
        assert len(list(first.data_dir.glob("index.aside-*"))) == 1
    for node in cluster.nodes:
        node.stop()
        node.fsck()


async def test_where_joining_is_closed_an_operator_takes_the_node_back(
    tmp_path: Path, rng: random.Random
):
    """Broken: it counts with what it has lost, or nothing says why it is not ready."""
    closed = ("--joining", "closed")
    with ServeCluster(directory=tmp_path, regions=("eu",), options=closed) as cluster:
        first, *others = cluster.nodes
        image = make_image(rng, [_BLOB_BYTES])
        async with registry_clients([node.http for node in cluster.nodes]) as clients:
            await clients[0].push("lib/app", "v1", image)
            first.kill()
            flip_bytes(first, "*.sst", "*.log")
            first.options = (*first.options, "--rebuild-index")
            first.start()
            replace = f"`atoll node replace {first.name} {first.name} --lost`"
            wait_status(others[0].http, lambda found: replace in found.attention)
            assert not is_ready(first.http)
            # It may not have taken over the index yet.
            words = (first.name, first.name, "--lost", "--yes-i-lose", first.name)
            while (replaced := atoll("node", "replace", *words, url=others[0].http)).status != 0:
                assert "it has no whole index yet" in replaced.told
            first.wait_ready()
            assert await clients[0].pull("lib/app", "v1") == image
            wait_well(first.http)


async def test_a_running_node_says_that_its_index_is_damaged(
    cluster: ServeCluster, rng: random.Random
):
    """Broken: every GET is 500 and /readyz says ready, so that a balancer goes on sending."""
    async with registry_clients([cluster.nodes[0].http]) as [client]:
        first = cluster.nodes[0]
        await client.push("lib/app", "v1", make_image(rng, [_BLOB_BYTES]))
        # Started again, so that the rows are in tables. Those of tags may have been read since, as
        # what is in a repository is counted; a manifest is read for who asks for it.
        first.stop()
        first.start()
        first.wait_ready()
        flip_bytes(first, "*.sst")
        status, _ = get(first, "/v2/lib/app/manifests/v1")
        assert status == 503
        status, body = get(first, "/readyz")
        assert status == 503
        assert "--rebuild-index" in json.loads(body)["conditions"]["index"]
        assert metric(first, "atoll_index_failed") == 1
        first.stop()
        first.start()
        assert first.wait_exit() == 1
        assert "--rebuild-index" in log_tail(first.log)


def get(node: ServeProcess, path: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(f"http://{node.http}{path}", timeout=5) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read()
