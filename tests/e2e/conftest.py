"""Clusters, a Docker daemon, and hands on them, for the end-to-end tests."""

import os
import random
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.e2e import guides
from tests.e2e.daemons import Buildkitd, Containerd, Dockerd
from tests.e2e.haproxy import Haproxy
from tests.e2e.oci_layout import Descriptor, LayoutWriter, random_layers
from tests.e2e.serve_cluster import ServeCluster
from tests.e2e.up_cluster import UpCluster

_LAYERS_BYTES = (1 << 10, 200 << 10, 5 << 20)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """A test that says that it types a section of the documentation has typed all of it."""
    done = yield
    missed = [line for mark in pyfuncitem.iter_markers("types") for line in guides.missed(mark)]
    if missed:
        pytest.fail("\n".join(missed))
    return done


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpCluster]:
    """Three nodes in three regions under `atoll up`, shared by the tests that only add images."""
    with UpCluster(data_dir=tmp_path_factory.mktemp("up") / "data") as running:
        yield running


@pytest.fixture
def fresh_cluster(tmp_path: Path) -> Iterator[UpCluster]:
    """A cluster under `atoll up` for one test."""
    with UpCluster(data_dir=tmp_path / "data") as running:
        yield running


@pytest.fixture
def serve_cluster(tmp_path: Path) -> Iterator[ServeCluster]:
    """Three `atoll serve` processes for one test, which may kill and restart them."""
    with ServeCluster(directory=tmp_path) as running:
        yield running


@pytest.fixture(scope="session")
def balancer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Haproxy]:
    """Three nodes in one region behind haproxy, which gives each request to the next of them."""
    with (
        ServeCluster(directory=tmp_path_factory.mktemp("lb"), regions=("eu",)) as nodes,
        tempfile.TemporaryDirectory(prefix="atoll-", dir="/tmp") as directory,
        Haproxy(directory=Path(directory), nodes=[node.http for node in nodes.nodes]) as running,
    ):
        yield running


@pytest.fixture(params=["regions", "haproxy"])
def hosts(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """
    Three addresses of one registry: a node in each of three regions, or three times haproxy.

    A client pushes to one of them and pulls from the others. Behind haproxy its requests go to a
    node each, and none of them may fail on the way.
    """
    if request.param == "regions":
        cluster: UpCluster = request.getfixturevalue("cluster")
        yield [node.http for node in cluster.nodes]
        return
    proxy: Haproxy = request.getfixturevalue("balancer")
    before = len(proxy.passed())
    yield [proxy.http] * 3
    passed = proxy.passed()[before:]
    if not passed:  # the client is not installed, and its test was skipped: who passes, has asked
        return
    assert {request.node for request in passed} == set(proxy.nodes), "not every node took part"
    assert [request for request in passed if request.failed] == []


@pytest.fixture
def layout(tmp_path: Path, rng: random.Random) -> tuple[Path, Descriptor]:
    """A single-platform image in an OCI layout, under the tag `1`."""
    writer = LayoutWriter(tmp_path / "layout")
    image = writer.add_image(random_layers(rng, _LAYERS_BYTES))
    writer.finish(image, "1")
    return writer.directory, image


@pytest.fixture
def index_layout(tmp_path: Path, rng: random.Random) -> tuple[Path, Descriptor]:
    """An image for two platforms in an OCI layout, under the tag `multi`."""
    writer = LayoutWriter(tmp_path / "index-layout")
    images = {
        architecture: writer.add_image(random_layers(rng, _LAYERS_BYTES), architecture=architecture)
        for architecture in ("amd64", "arm64")
    }
    index = writer.add_index(images)
    writer.finish(index, "multi")
    return writer.directory, index


@pytest.fixture(scope="session")
def dockerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dockerd]:
    """A Docker daemon of our own."""
    with Dockerd(directory=tmp_path_factory.mktemp("docker")) as daemon:
        yield daemon


@pytest.fixture(scope="session")
def containerd() -> Iterator[Containerd]:
    """A containerd of our own."""
    with (
        tempfile.TemporaryDirectory(prefix="atoll-", dir="/tmp") as directory,
        Containerd(directory=Path(directory)) as daemon,
    ):
        yield daemon


@pytest.fixture(scope="session")
def buildkitd() -> Iterator[Buildkitd]:
    """A BuildKit daemon of our own."""
    with (
        tempfile.TemporaryDirectory(prefix="atoll-", dir="/tmp") as directory,
        Buildkitd(directory=Path(directory)) as daemon,
    ):
        yield daemon


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """A directory with a short name: podman refuses a run root above 50 characters."""
    with tempfile.TemporaryDirectory(prefix="atoll-", dir="/tmp") as name:
        yield Path(name)


@pytest.fixture
def rng() -> random.Random:
    """Randomness whose seed is printed; `E2E_SEED` repeats a run."""
    seed = int(os.environ.get("E2E_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"E2E_SEED={seed}")
    return random.Random(seed)
