"""Other registry clients: pushed to one node, the same from every other."""

import json
import random
from pathlib import Path

import pytest

from tests.e2e.clients import ContainersStorage, require, run
from tests.e2e.oci_layout import Descriptor, LayoutWriter, random_layers, tar_of
from tests.e2e.up_cluster import UpCluster

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

_LAYERS_BYTES = (1 << 10, 200 << 10, 5 << 20)


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


def test_skopeo(cluster: UpCluster, layout: tuple[Path, Descriptor], tmp_path: Path) -> None:
    """If this fails, skopeo cannot mirror into or out of Atoll."""
    directory, image = layout
    skopeo = [require("skopeo"), "--insecure-policy", "copy", "--preserve-digests"]
    first, *others = cluster.nodes
    target = f"docker://{first.http}/skopeo/app:1"
    run([*skopeo, "--dest-tls-verify=false", f"oci:{directory}:1", target])
    for node in others:
        source = f"docker://{node.http}/skopeo/app:1"
        pulled = tmp_path / node.id
        run([*skopeo, "--src-tls-verify=false", source, f"oci:{pulled}:1"])
        assert _blobs(pulled) == _blobs(directory)
        inspected = run([require("skopeo"), "inspect", "--tls-verify=false", source])
        assert json.loads(inspected)["Digest"] == image.digest


def test_skopeo_copies_every_platform_of_an_index(
    cluster: UpCluster, index_layout: tuple[Path, Descriptor], tmp_path: Path
) -> None:
    """If this fails, a multi-platform image loses a platform between two nodes."""
    directory, _ = index_layout
    skopeo = [require("skopeo"), "--insecure-policy", "copy", "--all", "--preserve-digests"]
    tls = ["--src-tls-verify=false", "--dest-tls-verify=false"]
    first, second, third = (f"docker://{node.http}" for node in cluster.nodes)
    run([*skopeo, *tls, f"oci:{directory}:multi", f"{first}/skopeo/multi:1"])
    run([*skopeo, *tls, f"{second}/skopeo/multi:1", f"{third}/skopeo/copied:1"])
    run([*skopeo, *tls, f"{first}/skopeo/copied:1", f"oci:{tmp_path / 'back'}:multi"])
    assert _blobs(tmp_path / "back") == _blobs(directory)


def test_crane(cluster: UpCluster, layout: tuple[Path, Descriptor], tmp_path: Path) -> None:
    """If this fails, crane disagrees with a node about an image."""
    directory, image = layout
    crane = require("crane")
    first, second, third = (node.http for node in cluster.nodes)
    run([crane, "push", directory, f"{first}/crane/app:1"])
    for host in (second, third):
        assert run([crane, "digest", f"{host}/crane/app:1"]) == image.digest
        # Reads every layer and checks digests, sizes and the config's diff ids.
        run([crane, "validate", "--remote", f"{host}/crane/app:1"])
    tarball = tmp_path / "app.tar"
    run([crane, "pull", f"{second}/crane/app:1", tarball])
    run([crane, "push", tarball, f"{third}/crane/from-tarball:1"])
    config = run([crane, "config", f"{first}/crane/from-tarball:1"])
    assert config == run([crane, "config", f"{first}/crane/app:1"])
    assert run([crane, "ls", f"{third}/crane/app"]) == "1"


def test_crane_selects_a_platform_from_an_index(
    cluster: UpCluster, index_layout: tuple[Path, Descriptor]
) -> None:
    """If this fails, machines of one platform cannot pull from another region."""
    directory, index = index_layout
    crane = require("crane")
    first, *others = (node.http for node in cluster.nodes)
    run([crane, "push", "--index", directory, f"{first}/crane/multi:1"])
    for host in others:
        # `crane push --index` publishes the layout's own index, which holds ours.
        published = json.loads(run([crane, "manifest", f"{host}/crane/multi:1"]))
        assert [entry["digest"] for entry in published["manifests"]] == [index.digest]
        reference = f"{host}/crane/multi@{index.digest}"
        for architecture in ("amd64", "arm64"):
            config = json.loads(
                run([crane, "config", "--platform", f"linux/{architecture}", reference])
            )
            assert config["architecture"] == architecture


def test_oras(cluster: UpCluster, rng: random.Random, tmp_path: Path) -> None:
    """If this fails, artifacts or their referrers do not reach the other regions."""
    oras = require("oras")
    plain = ["--plain-http"]
    first, second, third = (node.http for node in cluster.nodes)
    model, bill = tmp_path / "model.bin", tmp_path / "sbom.json"
    model.write_bytes(rng.randbytes(3 << 20))
    bill.write_text('{"components": []}')

    kind = ["--artifact-type", "application/vnd.atoll.model"]
    run([oras, "push", *plain, *kind, f"{first}/oras/model:1", model.name], cwd=tmp_path)
    run([oras, "pull", *plain, "--output", tmp_path / "pulled", f"{second}/oras/model:1"])
    assert (tmp_path / "pulled" / model.name).read_bytes() == model.read_bytes()

    kind = ["--artifact-type", "application/vnd.atoll.sbom"]
    run([oras, "attach", *plain, *kind, f"{second}/oras/model:1", bill.name], cwd=tmp_path)
    for host in (first, third):
        found = run([oras, "discover", *plain, "--format", "json", f"{host}/oras/model:1"])
        types = [entry["artifactType"] for entry in json.loads(found)["referrers"]]
        assert types == ["application/vnd.atoll.sbom"]


def test_podman(cluster: UpCluster, rng: random.Random, tmp_path: Path, short_dir: Path) -> None:
    """If this fails, podman cannot push to one region and pull from another."""
    podman = ContainersStorage(program="podman", directory=short_dir)
    options = ["--tls-verify=false", "--signature-policy", str(podman.policy)]
    first, *others = cluster.nodes
    (tmp_path / "root.tar").write_bytes(tar_of({"payload": rng.randbytes(1 << 20)}))
    image_id = podman.run("import", "--quiet", tmp_path / "root.tar").removeprefix("sha256:")
    podman.run("push", *options, image_id, f"{first.http}/podman/app:1")
    for node in others:
        podman.run("rmi", "--all", "--force")
        podman.run("pull", *options, f"{node.http}/podman/app:1")
        assert podman.image_id(f"{node.http}/podman/app:1") == image_id


def test_buildah(cluster: UpCluster, rng: random.Random, tmp_path: Path, short_dir: Path) -> None:
    """If this fails, an image built without a daemon cannot be published."""
    buildah = ContainersStorage(program="buildah", directory=short_dir)
    options = ["--tls-verify=false", "--signature-policy", str(buildah.policy)]
    first, *others = cluster.nodes
    (tmp_path / "payload").write_bytes(rng.randbytes(1 << 20))
    container = buildah.run("from", "scratch")
    buildah.run("copy", container, tmp_path / "payload", "/payload")
    commit = ["commit", "--quiet", "--signature-policy", str(buildah.policy)]
    image_id = buildah.run(*commit, container, "built")
    buildah.run("rm", "--all")
    buildah.run("push", *options, "built", f"docker://{first.http}/buildah/app:1")
    for node in others:
        buildah.run("rmi", "--all", "--force")
        buildah.run("pull", *options, f"docker://{node.http}/buildah/app:1")
        assert buildah.image_id(f"{node.http}/buildah/app:1") == image_id


def _blobs(layout: Path) -> dict[str, bytes]:
    """Return every blob of a layout by its file name."""
    return {path.name: path.read_bytes() for path in (layout / "blobs" / "sha256").iterdir()}
