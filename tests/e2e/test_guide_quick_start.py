"""docs/quick-start.md, typed from above to below at what `make run` starts."""

import pytest

from tests.e2e.daemons import Dockerd
from tests.e2e.guides import Reader, path_with, told, types
from tests.e2e.up_cluster import UpCluster

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

PAGE = "quick-start.md"


@types(PAGE, "Look at it", "Push to one region, pull from another", "Go back", "Lose a node")
def test_quick_start(fresh_cluster: UpCluster, dockerd: Dockerd) -> None:
    """Broken: the first thing that a new user types does not work."""
    documented = ("localhost:5001", "localhost:5002", "localhost:5003")
    addresses = [node.http for node in fresh_cluster.nodes]
    reader = Reader(
        home=fresh_cluster.data_dir.parent,
        instead=dict(zip(documented, addresses, strict=True)),
        path=path_with("docker", "jq"),
        env={"DOCKER_HOST": dockerd.client[-1], "DOCKER_BUILDKIT": "0"},
    )
    assert reader.type_all(PAGE, "Look at it").rstrip().endswith("all is well")
    reader.type_all(PAGE, "Push to one region, pull from another")
    dockerd.forget_images()
    moved, back = told(PAGE, "Go back")
    assert reader.type(moved.commands).count("  write   ") == 2
    assert "library/app:latest is sha256:" in reader.type(back.commands)
    dockerd.forget_images()
    assert "us-1 is dead" in reader.type_all(PAGE, "Lose a node").splitlines()[-1]
    dockerd.forget_images()
