"""A mirror that keeps one platform of an image, under the digest of the whole."""

import json
from pathlib import Path

import pytest

from tests.e2e.clients import require, run, run_refused
from tests.e2e.daemons import Containerd, Dockerd
from tests.e2e.oci_layout import Descriptor
from tests.e2e.processes import atoll_command, clean_environment

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def test_skopeo_fills_a_mirror_with_one_platform(
    hosts: list[str],
    dockerd: Dockerd,
    containerd: Containerd,
    index_layout: tuple[Path, Descriptor],
) -> None:
    """If this fails, a mirror has to hold every platform of what it mirrors, or other digests."""
    directory, index = index_layout
    first, *others = hosts
    target = f"{first}/sparse/app"
    listed = json.loads((directory / "blobs" / "sha256" / index.digest[7:]).read_bytes())
    kept, left = (entry["digest"] for entry in listed["manifests"])
    skopeo = [require("skopeo"), "--insecure-policy", "copy", "--dest-tls-verify=false"]
    copy_index = [*skopeo, "--multi-arch", "index-only", f"oci:{directory}:multi"]
    run([*skopeo, f"oci:{directory}:multi", f"docker://{target}@{kept}"])
    refused = run_refused([*copy_index, f"docker://{target}:1"])
    assert "manifest blob unknown" in refused

    policy = ["project", "set", "sparse", 'children=["linux/amd64"]', "--url", first]
    run([*atoll_command(), *policy], env=clean_environment())
    run([*copy_index, f"docker://{target}:1"])

    crane = require("crane")
    pull = ("images", "pull", "--plain-http", "--snapshotter", "native", "--platform")
    for host in others:
        name = f"{host}/sparse/app:1"
        assert run([crane, "digest", name]) == index.digest
        assert run([crane, "digest", "--platform", "linux/amd64", name]) == kept
        dockerd.run("pull", "--platform", "linux/amd64", name)
        containerd.run(*pull, "linux/amd64", name)
        assert containerd.digest(name) == index.digest
        dockerd.forget_images()
        # The other platform is told to be missing, rather than the image to be broken.
        by_docker = run_refused([*dockerd.client, "pull", "--platform", "linux/arm64", name])
        assert "manifest unknown" in by_docker
        containerd.forget_images()
        by_containerd = run_refused([*containerd.client, *pull, "linux/arm64", name])
        assert f"{left} not found" in by_containerd
        containerd.forget_images()
