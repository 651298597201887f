"""What docs/operations.md, security.md and upgrading.md tell to type at a cluster that is well."""

import random
from pathlib import Path

import pytest

from tests.e2e.guides import Reader, path_with, types
from tests.e2e.operator import status, wait_well
from tests.e2e.registry_client import make_image, registry_clients
from tests.e2e.serve_cluster import ServeCluster, ServeProcess

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

_BLOB_BYTES = 5_000


@types("operations.md", "How the cluster is", "What needs attention", "Changing the layout")
@types("security.md", "Who did what")
def test_an_operator_looks_and_changes(tmp_path: Path) -> None:
    """Broken: what an operator types at night is not what the page says."""
    with ServeCluster(directory=tmp_path, size=4, regions=("eu",)) as cluster:
        one = cluster.nodes[1]
        wait_well(one.http)
        version = status(one.http).document["layout"] + 1
        reader = Reader(
            home=tmp_path,
            instead={"data/eu-1": str(one.data_dir), "--version 8": f"--version {version}"},
            path=path_with(),
            env={"ATOLL_DATA_DIR": str(one.data_dir)},
        )
        assert "all is well" in reader.type_all("operations.md", "How the cluster is")
        assert "auth-open" in reader.type_all("operations.md", "What needs attention")
        planned = reader.type_all("operations.md", "Changing the layout")
        assert "eu-3: weight 100 -> 200" in planned
        assert "copies: 2 -> 3" in planned
        reader.type_all("security.md", "Who did what")


@types("upgrading.md", "Copying images from one cluster to another")
async def test_images_are_copied_to_another_cluster(tmp_path: Path, rng: random.Random) -> None:
    """Broken: whoever has to leave a format behind leaves images behind as well."""
    old = ServeProcess.alone(tmp_path / "old")
    new = ServeProcess.alone(tmp_path / "new")
    reader = Reader(
        home=tmp_path,
        instead={"registry-old:5000": old.http, "registry-new:5000": new.http},
        path=path_with("curl", "jq", "skopeo"),
    )
    try:
        for node in (old, new):
            node.start()
            node.wait_ready()
        images = {f"v{number}": make_image(rng, [_BLOB_BYTES]) for number in range(3)}
        async with registry_clients([old.http, new.http]) as (source, target):
            for tag, image in images.items():
                await source.push("lib/app", tag, image)
                await source.push("lib/team/other", tag, image)
            told = reader.type_all("upgrading.md", "Copying images from one cluster to another")
            assert "not copied" not in told
            for tag, image in images.items():
                assert await target.pull("lib/app", tag) == image
                assert await target.pull("lib/team/other", tag) == image
    finally:
        for node in (old, new):
            node.stop()
