"""
Clients that copy images: what they push, they pull from elsewhere, the same to the byte.

Each test runs twice: on three nodes in three regions, and through haproxy over three nodes in one.
"""

import json
import random
from pathlib import Path

import pytest

from tests.e2e.clients import ContainersStorage, Regctl, require, run
from tests.e2e.oci_layout import Descriptor, blobs_of, tar_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

_CHUNK_BYTES = 1 << 20
_TOKEN_BYTES = 20 << 10


def test_skopeo(hosts: list[str], layout: tuple[Path, Descriptor], tmp_path: Path) -> None:
    """If this fails, skopeo cannot mirror into or out of Atoll."""
    directory, image = layout
    skopeo = [require("skopeo"), "--insecure-policy", "copy", "--preserve-digests"]
    first, *others = hosts
    target = f"docker://{first}/skopeo/app:1"
    run([*skopeo, "--dest-tls-verify=false", f"oci:{directory}:1", target])
    for number, host in enumerate(others):
        source = f"docker://{host}/skopeo/app:1"
        pulled = tmp_path / f"pulled-{number}"
        run([*skopeo, "--src-tls-verify=false", source, f"oci:{pulled}:1"])
        assert blobs_of(pulled) == blobs_of(directory)
        inspected = run([require("skopeo"), "inspect", "--tls-verify=false", source])
        assert json.loads(inspected)["Digest"] == image.digest


def test_skopeo_copies_every_platform_of_an_index(
    hosts: list[str], index_layout: tuple[Path, Descriptor], tmp_path: Path
) -> None:
    """If this fails, a multi-platform image loses a platform between two nodes."""
    directory, _ = index_layout
    skopeo = [require("skopeo"), "--insecure-policy", "copy", "--all", "--preserve-digests"]
    tls = ["--src-tls-verify=false", "--dest-tls-verify=false"]
    first, second, third = (f"docker://{host}" for host in hosts)
    run([*skopeo, *tls, f"oci:{directory}:multi", f"{first}/skopeo/multi:1"])
    run([*skopeo, *tls, f"{second}/skopeo/multi:1", f"{third}/skopeo/copied:1"])
    run([*skopeo, *tls, f"{first}/skopeo/copied:1", f"oci:{tmp_path / 'back'}:multi"])
    assert blobs_of(tmp_path / "back") == blobs_of(directory)


def test_crane(hosts: list[str], layout: tuple[Path, Descriptor], tmp_path: Path) -> None:
    """If this fails, crane disagrees with a node about an image."""
    directory, image = layout
    crane = require("crane")
    first, second, third = hosts
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
    hosts: list[str], index_layout: tuple[Path, Descriptor]
) -> None:
    """If this fails, machines of one platform cannot pull from another region."""
    directory, index = index_layout
    crane = require("crane")
    first, *others = hosts
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


def test_crane_makes_an_index_of_what_other_repositories_have(
    hosts: list[str], index_layout: tuple[Path, Descriptor]
) -> None:
    """If this fails, a release cannot be put together from the images of its platforms."""
    directory, index = index_layout
    crane = require("crane")
    first, second, third = hosts
    run([crane, "push", "--index", directory, f"{first}/crane/parts:1"])
    multi = f"{second}/crane/parts@{index.digest}"
    images = json.loads(run([crane, "manifest", multi]))["manifests"]
    parts = [f"{second}/crane/parts@{image['digest']}" for image in images]
    added = [part for name in parts for part in ("--manifest", name)]
    run([crane, "index", "append", *added, "--tag", f"{third}/crane/release:1"])
    release = json.loads(run([crane, "manifest", f"{first}/crane/release:1"]))
    assert [(each["digest"], each["size"]) for each in release["manifests"]] == [
        (each["digest"], each["size"]) for each in images
    ]
    run([crane, "validate", "--remote", f"{first}/crane/release:1"])


def test_oras(hosts: list[str], rng: random.Random, tmp_path: Path) -> None:
    """If this fails, artifacts or their referrers do not reach the other regions."""
    oras = require("oras")
    plain = ["--plain-http"]
    first, second, third = hosts
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


def test_a_token_of_20_kib_comes_with_every_request(hosts: list[str], tmp_path: Path) -> None:
    """If this fails, whoever has many groups, and so a long token, can neither push nor pull."""
    oras = require("oras")
    first, *others = hosts
    (tmp_path / "file").write_text("small\n")
    token = ["--plain-http", "--header", f"Authorization: Bearer {'a' * _TOKEN_BYTES}"]
    run([oras, "push", *token, f"{first}/oras/token:1", "file"], cwd=tmp_path)
    for number, host in enumerate(others):
        pulled = tmp_path / f"pulled-{number}"
        run([oras, "pull", *token, "--output", pulled, f"{host}/oras/token:1"])
        assert (pulled / "file").read_text() == "small\n"


def test_regctl(hosts: list[str], layout: tuple[Path, Descriptor], tmp_path: Path) -> None:
    """If this fails, regctl, which sends a layer in chunks that know their place, cannot copy."""
    directory, image = layout
    regctl = Regctl(directory=tmp_path / "regctl", hosts=hosts, chunk_bytes=_CHUNK_BYTES)
    first, *others = hosts
    regctl.run("image", "copy", f"ocidir://{directory}:1", f"{first}/regctl/app:1")
    for number, host in enumerate(others):
        assert regctl.run("image", "digest", f"{host}/regctl/app:1") == image.digest
        pulled = tmp_path / f"pulled-{number}"
        regctl.run("image", "copy", f"{host}/regctl/app:1", f"ocidir://{pulled}:1")
        assert blobs_of(pulled) == blobs_of(directory)
    assert regctl.run("tag", "list", f"{others[0]}/regctl/app") == "1"


def test_regctl_mirrors_what_refers_to_an_image(
    hosts: list[str], index_layout: tuple[Path, Descriptor], tmp_path: Path
) -> None:
    """If this fails, a mirror loses the signatures and bills of material of what it copies."""
    directory, index = index_layout
    regctl = Regctl(directory=tmp_path / "regctl", hosts=hosts)
    first, second, third = hosts
    source, target = f"{first}/regctl/signed", f"{second}/regctl/mirror"
    regctl.run("image", "copy", f"ocidir://{directory}:multi", f"{source}:1")
    bill = tmp_path / "bill.json"
    bill.write_text('{"components": []}')
    kind = "application/vnd.atoll.sbom"
    put = ["artifact", "put", "--artifact-type", kind, "--file", str(bill)]
    regctl.run(*put, "--subject", f"{source}:1")
    regctl.run(*put, "--subject", f"{source}:1", "--platform", "linux/arm64")
    # What cosign and others keep under a tag that is made from the digest.
    regctl.run(*put, f"{source}:{index.digest.replace(':', '-')}.sig")

    regctl.run("image", "copy", "--referrers", "--digest-tags", f"{source}:1", f"{target}:1")
    mirror = f"{third}/regctl/mirror"
    assert regctl.run("image", "digest", f"{mirror}:1") == index.digest
    for platform in ([], ["--platform", "linux/arm64"]):
        found = json.loads(
            regctl.run("artifact", "list", *platform, "--format", "{{json .}}", f"{mirror}:1")
        )
        assert [entry["artifactType"] for entry in found["descriptors"]] == [kind]
    tags = regctl.run("tag", "list", mirror).splitlines()
    assert tags == ["1", f"{index.digest.replace(':', '-')}.sig"]


def test_podman(hosts: list[str], rng: random.Random, tmp_path: Path, short_dir: Path) -> None:
    """If this fails, podman cannot push to one region and pull from another."""
    podman = ContainersStorage(program="podman", directory=short_dir)
    options = ["--tls-verify=false", "--signature-policy", str(podman.policy)]
    first, *others = hosts
    (tmp_path / "root.tar").write_bytes(tar_of({"payload": rng.randbytes(1 << 20)}))
    image_id = podman.run("import", "--quiet", tmp_path / "root.tar").removeprefix("sha256:")
    podman.run("push", *options, image_id, f"{first}/podman/app:1")
    for host in others:
        podman.run("rmi", "--all", "--force")
        podman.run("pull", *options, f"{host}/podman/app:1")
        assert podman.image_id(f"{host}/podman/app:1") == image_id


def test_podman_pushes_a_manifest_list_with_all_its_images(
    hosts: list[str], rng: random.Random, tmp_path: Path, short_dir: Path
) -> None:
    """If this fails, images that podman built for several platforms cannot be published as one."""
    podman = ContainersStorage(program="podman", directory=short_dir)
    options = ["--tls-verify=false", "--signature-policy", str(podman.policy)]
    first, *others = hosts
    image_ids: dict[str, str] = {}
    podman.run("manifest", "create", "list")
    for architecture in ("amd64", "arm64"):
        (tmp_path / "root.tar").write_bytes(tar_of({"payload": rng.randbytes(1 << 20)}))
        name = f"localhost/part:{architecture}"
        podman.run("import", "--quiet", "--arch", architecture, tmp_path / "root.tar", name)
        image_ids[architecture] = podman.image_id(name)
        podman.run("manifest", "add", "list", f"containers-storage:{name}")
    # The command takes no policy of its own; the store's is what the machine says.
    podman.run("manifest", "push", "--all", "--tls-verify=false", "list", f"{first}/podman/list:1")
    for host in others:
        for architecture, image_id in image_ids.items():
            podman.run("rmi", "--all", "--force")
            podman.run("pull", *options, "--arch", architecture, f"{host}/podman/list:1")
            assert podman.image_id(f"{host}/podman/list:1") == image_id


def test_buildah(hosts: list[str], rng: random.Random, tmp_path: Path, short_dir: Path) -> None:
    """If this fails, an image built without a daemon cannot be published."""
    buildah = ContainersStorage(program="buildah", directory=short_dir)
    options = ["--tls-verify=false", "--signature-policy", str(buildah.policy)]
    first, *others = hosts
    (tmp_path / "payload").write_bytes(rng.randbytes(1 << 20))
    container = buildah.run("from", "scratch")
    buildah.run("copy", container, tmp_path / "payload", "/payload")
    commit = ["commit", "--quiet", "--signature-policy", str(buildah.policy)]
    image_id = buildah.run(*commit, container, "built")
    buildah.run("rm", "--all")
    buildah.run("push", *options, "built", f"docker://{first}/buildah/app:1")
    for host in others:
        buildah.run("rmi", "--all", "--force")
        buildah.run("pull", *options, f"docker://{host}/buildah/app:1")
        assert buildah.image_id(f"{host}/buildah/app:1") == image_id
