"""Clusters, a Docker daemon, and hands on them, for the end-to-end tests."""

import os
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.clients import Dockerd
from tests.e2e.serve_cluster import ServeCluster
from tests.e2e.up_cluster import UpCluster


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
def dockerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dockerd]:
    """A Docker daemon of our own."""
    with Dockerd(directory=tmp_path_factory.mktemp("docker")) as daemon:
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
