"""docs/clients.md, typed as it stands at three open nodes in three regions."""

import json
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.clients import require, run
from tests.e2e.daemons import Dockerd
from tests.e2e.guides import Reader, path_with, types
from tests.e2e.oci_layout import LayoutWriter, random_layers, tar_of
from tests.e2e.up_cluster import UpCluster

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

PAGE = "clients.md"
NEEDS_NO_DAEMON = ("skopeo", "crane", "oras", "regctl")


@pytest.fixture
def reader(cluster: UpCluster, rng: random.Random) -> Iterator[Reader]:
    """Somebody with what the page pushes: `layout`, `file`, `note`, `chart-0.1.0.tgz`, `app:1`."""
    eu, _, ap = (node.http for node in cluster.nodes)
    with tempfile.TemporaryDirectory(prefix="atoll-", dir="/tmp") as name:
        home = Path(name)
        writer = LayoutWriter(home / "layout")
        writer.finish(writer.add_image(random_layers(rng, [1 << 10, 1 << 18])), "1")
        (home / "file").write_text("some text")
        (home / "note").write_text("about it")
        (home / "root.tar").write_bytes(tar_of({"payload": rng.randbytes(1 << 10)}))
        policy = home / ".config" / "containers" / "policy.json"
        policy.parent.mkdir(parents=True)
        policy.write_text(json.dumps({"default": [{"type": "insecureAcceptAnything"}]}))
        storage = home / "storage.conf"
        storage.write_text(
            f'[storage]\ndriver = "vfs"\ngraphroot = "{home}/root"\nrunroot = "{home}/run"\n'
        )
        yield Reader(
            home=home,
            instead={"localhost:5001": eu, "localhost:5003": ap},
            path=path_with(),
            env={"CONTAINERS_STORAGE_CONF": str(storage), "DOCKER_BUILDKIT": "0"},
        )


@pytest.mark.parametrize(
    "client", [pytest.param(each, marks=types(PAGE, each)) for each in NEEDS_NO_DAEMON]
)
def test_a_client(reader: Reader, client: str) -> None:
    """Broken: what people copy from the page does not push to one region and pull from another."""
    reader.type_all(PAGE, client, env={"PATH": path_with(client)})


@types(PAGE, "helm")
def test_helm(reader: Reader) -> None:
    helm, env = require("helm"), {"HOME": str(reader.home)}
    run([helm, "create", "chart"], cwd=reader.home, env=env)
    run([helm, "package", "chart"], cwd=reader.home, env=env)
    (reader.home / "charts").mkdir()
    assert "kind: Service" in reader.type_all(PAGE, "helm", env={"PATH": path_with("helm")})


@types(PAGE, "podman")
def test_podman(reader: Reader) -> None:
    env = {**reader.env, "HOME": str(reader.home)}
    run([require("podman"), "import", "-q", reader.home / "root.tar", "app:1"], env=env)
    reader.type_all(PAGE, "podman", env={"PATH": path_with("podman")})


@types(PAGE, "docker")
def test_docker(reader: Reader, dockerd: Dockerd) -> None:
    dockerd.run("import", reader.home / "root.tar", "app:1")
    env = {"PATH": path_with("docker"), "DOCKER_HOST": dockerd.client[-1]}
    reader.type_all(PAGE, "docker", env=env)
    dockerd.forget_images()
