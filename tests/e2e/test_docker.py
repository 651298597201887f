"""The first promise: `docker push` to a node in one region, `docker pull` from the others."""

import io
import random
import tarfile
from pathlib import Path

import pytest

from tests.e2e.clients import Dockerd, require
from tests.e2e.up_cluster import UpCluster

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

_BIG_FILE_BYTES = 20 << 20


def test_an_image_pushed_to_one_node_pulls_from_the_others(
    cluster: UpCluster, dockerd: Dockerd, rng: random.Random, tmp_path: Path
) -> None:
    """If this fails, Atoll is not a registry that Docker can use."""
    checksum = _build(dockerd, tmp_path, rng, "e2e/built:1")
    image_id = dockerd.image_id("e2e/built:1")
    first, *others = cluster.nodes
    dockerd.run("tag", "e2e/built:1", f"{first.http}/docker/app:1")
    dockerd.run("push", f"{first.http}/docker/app:1")
    dockerd.forget_images()

    for node in others:
        name = f"{node.http}/docker/app:1"
        dockerd.run("pull", name)
        assert dockerd.image_id(name) == image_id
        output = dockerd.run("run", "--rm", "--network=none", name)
        assert output.split()[0] == checksum
        dockerd.forget_images()


def test_a_second_push_of_a_changed_image_sends_only_what_changed(
    cluster: UpCluster, dockerd: Dockerd, rng: random.Random, tmp_path: Path
) -> None:
    """If this fails, another node does not know the layers that the first one took."""
    _build(dockerd, tmp_path, rng, "e2e/base:1")
    first, second, third = cluster.nodes
    dockerd.run("tag", "e2e/base:1", f"{first.http}/docker/layers:1")
    dockerd.run("push", f"{first.http}/docker/layers:1")

    (tmp_path / "Dockerfile").write_text("FROM e2e/base:1\nLABEL changed=yes\nCOPY small /more\n")
    dockerd.run("build", "--tag", f"{second.http}/docker/layers:2", tmp_path)
    output = dockerd.run("push", f"{second.http}/docker/layers:2")
    assert output.count("Layer already exists") >= 3
    image_id = dockerd.image_id(f"{second.http}/docker/layers:2")
    dockerd.forget_images()

    dockerd.run("pull", f"{third.http}/docker/layers:2")
    assert dockerd.image_id(f"{third.http}/docker/layers:2") == image_id
    dockerd.forget_images()


def _build(dockerd: Dockerd, directory: Path, rng: random.Random, name: str) -> str:
    """Build an image of several layers that prints the sha256 of its big file; return that."""
    dockerd.run("import", _root_filesystem(directory), f"{name}-root")
    (directory / "small").write_text("a small layer\n")
    (directory / "big").write_bytes(rng.randbytes(_BIG_FILE_BYTES))
    (directory / "Dockerfile").write_text(
        f"FROM {name}-root\n"
        "COPY small /small\n"
        "COPY big /big\n"
        "LABEL org.opencontainers.image.title=atoll-e2e\n"
        'ENTRYPOINT ["/bin/busybox", "sha256sum", "/big"]\n'
    )
    dockerd.run("build", "--tag", name, directory)
    # What the container prints before the push is what it must print after the pull.
    return dockerd.run("run", "--rm", "--network=none", name).split()[0]


def _root_filesystem(directory: Path) -> Path:
    """Write a root file system of one static program."""
    path = directory / "root.tar"
    program = Path(require("busybox")).read_bytes()
    with tarfile.open(path, "w") as archive:
        for name, content, mode in (
            ("bin/busybox", program, 0o755),
            ("etc/hostname", b"atoll\n", 0o644),
        ):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))
    return path
