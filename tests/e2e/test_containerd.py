"""containerd, as Kubernetes has it: images pulled and pushed by its own client."""

import json
import tarfile
from pathlib import Path

import pytest

from tests.e2e.daemons import Containerd
from tests.e2e.oci_layout import Descriptor, blobs_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def test_containerd(
    hosts: list[str], containerd: Containerd, layout: tuple[Path, Descriptor], tmp_path: Path
) -> None:
    """If this fails, the nodes of a Kubernetes cluster cannot pull."""
    directory, image = layout
    first, *others = hosts
    name = f"{first}/containerd/app:1"
    _import(containerd, directory, name.rpartition(":")[0], tmp_path)
    containerd.run("images", "push", "--plain-http", name)
    for host in others:
        containerd.forget_images()
        pulled = f"{host}/containerd/app:1"
        # Unpacks the layers too, and checks each against the config's diff ids.
        containerd.run("images", "pull", "--plain-http", "--snapshotter", "native", pulled)
        assert containerd.digest(pulled) == image.digest
        assert containerd.blobs() == {f"sha256:{name}" for name in blobs_of(directory)}
    containerd.forget_images()


def test_containerd_pulls_one_platform_and_copies_all(
    hosts: list[str], containerd: Containerd, index_layout: tuple[Path, Descriptor], tmp_path: Path
) -> None:
    """If this fails, containerd takes the wrong platform of an image, or loses one in a copy."""
    directory, index = index_layout
    first, second, third = hosts
    name = f"{first}/containerd/multi:multi"
    _import(containerd, directory, name.rpartition(":")[0], tmp_path)
    containerd.run("images", "push", "--plain-http", name)
    containerd.forget_images()

    pull = ["images", "pull", "--plain-http", "--snapshotter", "native"]
    pulled = f"{second}/containerd/multi:multi"
    containerd.run(*pull, "--platform", "linux/arm64", pulled)
    assert containerd.digest(pulled) == index.digest
    manifests = json.loads(containerd.run("content", "get", index.digest))["manifests"]
    digests = {entry["platform"]["architecture"]: entry["digest"] for entry in manifests}
    assert digests["arm64"] in containerd.blobs()
    assert digests["amd64"] not in containerd.blobs()

    containerd.run(*pull, "--all-platforms", pulled)
    copied = f"{third}/containerd/copied:1"
    containerd.run("images", "tag", pulled, copied)
    containerd.run("images", "push", "--plain-http", copied)
    containerd.forget_images()
    copied = f"{first}/containerd/copied:1"
    containerd.run(*pull, "--all-platforms", copied)
    assert containerd.digest(copied) == index.digest
    assert containerd.blobs() == {f"sha256:{name}" for name in blobs_of(directory)}
    containerd.forget_images()


def _import(containerd: Containerd, layout: Path, repository: str, scratch: Path) -> None:
    """Give containerd the image of a layout, under the layout's own tag."""
    archive = scratch / "layout.tar"
    with tarfile.open(archive, "w") as writing:
        writing.add(layout, arcname=".")
    options = ["--all-platforms", "--no-unpack", "--base-name", repository]
    containerd.run("images", "import", *options, archive)
