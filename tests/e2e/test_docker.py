"""
The first promise: `docker push` to a node in one region, `docker pull` from the others.

And the same through haproxy over three nodes in one region.
"""

import random
from pathlib import Path

import pytest

from tests.e2e.clients import require, run
from tests.e2e.daemons import Dockerd
from tests.e2e.oci_layout import Descriptor
from tests.e2e.root_filesystem import busybox_tar

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

_BIG_FILE_BYTES = 20 << 20


def test_an_image_pushed_to_one_node_pulls_from_the_others(
    hosts: list[str], dockerd: Dockerd, rng: random.Random, tmp_path: Path
) -> None:
    """If this fails, Atoll is not a registry that Docker can use."""
    checksum = _build(dockerd, tmp_path, rng, "e2e/built:1")
    image_id = dockerd.image_id("e2e/built:1")
    first, *others = hosts
    dockerd.run("tag", "e2e/built:1", f"{first}/docker/app:1")
    dockerd.run("push", f"{first}/docker/app:1")
    dockerd.forget_images()

    for host in others:
        name = f"{host}/docker/app:1"
        dockerd.run("pull", name)
        assert dockerd.image_id(name) == image_id
        output = dockerd.run("run", "--rm", "--network=none", name)
        assert output.split()[0] == checksum
        dockerd.forget_images()


def test_a_second_push_of_a_changed_image_sends_only_what_changed(
    hosts: list[str], dockerd: Dockerd, rng: random.Random, tmp_path: Path
) -> None:
    """If this fails, another node does not know the layers that the first one took."""
    _build(dockerd, tmp_path, rng, "e2e/base:1")
    first, second, third = hosts
    dockerd.run("tag", "e2e/base:1", f"{first}/docker/layers:1")
    dockerd.run("push", f"{first}/docker/layers:1")

    (tmp_path / "Dockerfile").write_text("FROM e2e/base:1\nLABEL changed=yes\nCOPY small /more\n")
    dockerd.run("build", "--tag", f"{second}/docker/layers:2", tmp_path)
    output = dockerd.run("push", f"{second}/docker/layers:2")
    assert output.count("Layer already exists") >= 3
    image_id = dockerd.image_id(f"{second}/docker/layers:2")
    dockerd.forget_images()

    dockerd.run("pull", f"{third}/docker/layers:2")
    assert dockerd.image_id(f"{third}/docker/layers:2") == image_id
    dockerd.forget_images()


def test_docker_pulls_the_platform_it_is_asked_for(
    hosts: list[str], dockerd: Dockerd, index_layout: tuple[Path, Descriptor]
) -> None:
    """If this fails, an image for several platforms runs on some of them only."""
    directory, _ = index_layout
    first, *others = hosts
    copy = [require("skopeo"), "--insecure-policy", "copy", "--all", "--dest-tls-verify=false"]
    run([*copy, f"oci:{directory}:multi", f"docker://{first}/docker/multi:1"])
    for host in others:
        name = f"{host}/docker/multi:1"
        for architecture in ("amd64", "arm64"):
            dockerd.run("pull", "--platform", f"linux/{architecture}", name)
            found = dockerd.run("image", "inspect", "--format", "{{.Architecture}}", name)
            assert found == architecture
            dockerd.forget_images()


def _build(dockerd: Dockerd, directory: Path, rng: random.Random, name: str) -> str:
    """Build an image of several layers that prints the sha256 of its big file; return that."""
    dockerd.run("import", busybox_tar(directory / "root.tar"), f"{name}-root")
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
