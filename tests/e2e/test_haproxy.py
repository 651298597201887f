"""
Nodes die and are restarted behind haproxy, under clients that know nothing of nodes.

What the same clients do while all is well is in the tests that take `hosts`.
"""

import hashlib
import os
import random
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from tests.e2e.clients import Regctl, require, run
from tests.e2e.daemons import Dockerd
from tests.e2e.haproxy import Haproxy
from tests.e2e.oci_layout import Descriptor, LayoutWriter, blobs_of, random_layers, tar_of
from tests.e2e.serve_cluster import ServeCluster, ServeProcess

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

_MIB = 1 << 20
_LAYER_BYTES = 96 * _MIB
_UNDER_WAY_BYTES = 8 * _MIB
_CHUNK_BYTES = 24 * _MIB
_BLOB_BYTES = 64 * _MIB
_POLL_INTERVAL_S = 0.01


@pytest.fixture
def region(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[ServeCluster]:
    """Three nodes in one region, for one test, which may kill and restart them."""
    options: tuple[str, ...] = getattr(request, "param", ())
    with ServeCluster(directory=tmp_path, regions=("eu",), options=options) as running:
        yield running


@pytest.fixture
def proxy(region: ServeCluster, short_dir: Path) -> Iterator[Haproxy]:
    with Haproxy(directory=short_dir, nodes=[node.http for node in region.nodes]) as running:
        yield running


def test_the_chunks_of_one_upload_reach_every_node(
    balancer: Haproxy, layout: tuple[Path, Descriptor], tmp_path: Path
) -> None:
    """If this fails, the tests behind haproxy prove less than they say."""
    directory, _ = layout
    before = len(balancer.passed())
    regctl = Regctl(directory=tmp_path / "regctl", hosts=[balancer.http], chunk_bytes=_MIB)
    regctl.run("image", "copy", f"ocidir://{directory}:1", f"{balancer.http}/chunks/app:1")
    uploads: dict[str, set[str]] = {}
    for passed in balancer.passed()[before:]:
        if passed.method == "PATCH":
            uploads.setdefault(passed.path, set()).add(passed.node)
    assert max(uploads.values(), key=len) == set(balancer.nodes)


@pytest.mark.parametrize("dying", ["owner", "relay"])
def test_docker_pushes_while_a_node_in_the_way_of_the_upload_dies(
    region: ServeCluster,
    proxy: Haproxy,
    dockerd: Dockerd,
    rng: random.Random,
    tmp_path: Path,
    dying: str,
) -> None:
    """If this fails, a node that dies takes the pushes with it that other nodes could finish."""
    layer = tmp_path / "root.tar"
    layer.write_bytes(tar_of({"payload": rng.randbytes(_LAYER_BYTES)}))
    name = f"{proxy.http}/dying/app:1"
    dockerd.run("import", layer, name)
    image_id = dockerd.image_id(name)
    with ThreadPoolExecutor(1) as pool:
        push = pool.submit(dockerd.run, "push", name)
        victim = _owner(region, push)
        if dying == "relay":
            # Where haproxy sent the upload, which passes it on.
            victim = _node_at(region, proxy.busy()[0])
        victim.kill()
        push.result()
    uploads = [passed.status for passed in proxy.passed() if passed.method == "PATCH"]
    assert [status for status in uploads if status != 202], "the node died too late"

    proxy.wait_down(victim.http)
    dockerd.forget_images()
    dockerd.run("pull", name)
    assert dockerd.image_id(name) == image_id
    dockerd.forget_images()
    # The node that comes back serves what it has missed.
    victim.start()
    victim.wait_ready()
    run([require("crane"), "validate", "--remote", f"{victim.http}/dying/app:1"])


def test_an_upload_goes_on_after_the_node_that_passed_it_on_has_died(
    region: ServeCluster, proxy: Haproxy, rng: random.Random, tmp_path: Path
) -> None:
    """If this fails, whoever sends a layer in chunks begins again though nothing of it is lost."""
    writer = LayoutWriter(tmp_path / "layout")
    writer.finish(writer.add_image(random_layers(rng, [_LAYER_BYTES])), "1")
    image = f"{proxy.http}/dying/chunks:1"
    regctl = Regctl(directory=tmp_path / "regctl", hosts=[proxy.http], chunk_bytes=_CHUNK_BYTES)
    with ThreadPoolExecutor(1) as pool:
        source = f"ocidir://{writer.directory}:1"
        push = pool.submit(regctl.run, "image", "copy", source, image)
        owner = _owner(region, push).http
        while not push.done():
            if relays := [node for node in proxy.busy() if node != owner]:
                _node_at(region, relays[0]).kill()
                break
        push.result()
    chunks = [passed.status for passed in proxy.passed() if passed.method == "PATCH"]
    assert [status for status in chunks if status != 202], "the node died too late"
    started = [passed for passed in proxy.passed() if passed.method == "POST"]
    # One upload for the layer and one for the configuration.
    assert len(started) == 2
    run([require("crane"), "validate", "--remote", image])


def test_a_download_goes_on_from_another_node(
    region: ServeCluster, proxy: Haproxy, rng: random.Random, tmp_path: Path
) -> None:
    """If this fails, a client that asks for the rest of a blob gets another rest."""
    writer = LayoutWriter(tmp_path / "layout")
    writer.finish(writer.add_image(random_layers(rng, [_BLOB_BYTES])), "1")
    blob = max(blobs_of(writer.directory).values(), key=len)
    repository = f"{proxy.http}/dying/blobs"
    regctl = Regctl(directory=tmp_path / "regctl", hosts=[proxy.http])
    regctl.run("image", "copy", f"ocidir://{writer.directory}:1", f"{repository}:1")

    digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
    getting = regctl.command("blob", "get", repository, digest)
    with subprocess.Popen(
        getting, stdout=subprocess.PIPE, env={**os.environ, **regctl.environment}
    ) as client:
        assert client.stdout is not None
        # It gets no further than what fits into buffers while we do not read on.
        begun = client.stdout.read(_MIB)
        (serving,) = proxy.busy()
        _node_at(region, serving).kill()
        rest = client.stdout.read()
    assert client.returncode == 0
    assert begun + rest == blob
    broken = [passed for passed in proxy.passed() if passed.failed]
    assert [(each.end, each.node, each.method) for each in broken] == [("SD", serving, "GET")]


# Of themselves nodes on the loopback interface do not wait for balancers.
@pytest.mark.parametrize("region", [("--shutdown-drain-s", "2")], indirect=True, ids=["draining"])
def test_nodes_are_restarted_in_turn_and_no_client_notices(
    region: ServeCluster, proxy: Haproxy, rng: random.Random, tmp_path: Path
) -> None:
    """If this fails, each update of the nodes breaks somebody's push or pull."""
    rounds = 0
    restarted = Event()

    def push_and_pull() -> None:
        nonlocal rounds
        crane = require("crane")
        while not restarted.is_set():
            writer = LayoutWriter(tmp_path / f"layout-{rounds}")
            writer.finish(writer.add_image(random_layers(rng, [1 << 10, 1 << 20])), "1")
            image = f"{proxy.http}/restarts/app:{rounds}"
            run([crane, "push", writer.directory, image])
            run([crane, "validate", "--remote", image])
            rounds += 1

    with ThreadPoolExecutor(1) as pool:
        client = pool.submit(push_and_pull)
        try:
            for node in region.nodes:
                before = rounds
                node.stop()
                node.start()
                node.wait_ready()
                proxy.wait_up(node.http)
                while rounds < before + 2 and not client.done():
                    time.sleep(_POLL_INTERVAL_S)
        finally:
            restarted.set()
        client.result()
    assert [passed for passed in proxy.passed() if passed.failed] == []


def _node_at(region: ServeCluster, http: str) -> ServeProcess:
    return next(node for node in region.nodes if node.http == http)


def _owner(region: ServeCluster, push: Future[str]) -> ServeProcess:
    """Wait until a node is in the middle of an upload; returns the one that stores it."""
    while not push.done():
        for node in region.nodes:
            for path in (node.data_dir / "staging").iterdir():
                try:
                    size = path.stat().st_size
                except FileNotFoundError:
                    continue  # it is whole, and has another name now
                if size > _UNDER_WAY_BYTES:
                    return node
        time.sleep(_POLL_INTERVAL_S)
    push.result()
    raise AssertionError("the push was over before anybody saw it")
