"""Indexes without all of the manifests that they list: mirrors that keep some platforms."""

import pytest

from cluster.model import Digest
from node.fsck.check import check_data_dir
from node.registry.media_types import OCI_INDEX, OCI_MANIFEST
from tests.api.conftest import Registry, StartRegistry
from tests.api.test_fsck import SILENT
from tests.builders import Document, an_index, changed, descriptor, encoded

REPO = "mirror/app"
AMD64 = {"os": "linux", "architecture": "amd64"}
ARM64 = {"os": "linux", "architecture": "arm64", "variant": "v8"}
ATTESTATION = {"os": "unknown", "architecture": "unknown"}


def child(name: str, platform: object, media_type: str = OCI_MANIFEST) -> Document:
    """An entry for a manifest that is nowhere."""
    return changed(descriptor(Digest.of(name.encode()), 7, media_type), platform=platform)


async def kept(registry: Registry, platform: object) -> Document:
    """An entry for a manifest that is there."""
    digest = await registry.push_image(REPO)
    answer = await registry.call("HEAD", f"/v2/{REPO}/manifests/{digest}")
    entry = child("", platform)
    return {**entry, "digest": digest, "size": int(answer.headers["Content-Length"])}


async def put(registry: Registry, *entries: Document) -> int:
    body = encoded(an_index(*entries))
    answer = await registry.put_manifest(REPO, Digest.of(body), body, OCI_INDEX)
    return answer.status


async def allow(registry: Registry, children: object) -> None:
    answer = await registry.call("PUT", "/atoll/v1/projects/mirror", json={"children": children})
    assert answer.status == 200, answer.body


@pytest.mark.parametrize(
    ("children", "absent", "status"),
    [
        ("all", ARM64, 404),
        ("none", ARM64, 201),
        ("none", None, 201),
        (["linux/amd64"], ARM64, 201),
        (["linux/amd64"], ATTESTATION, 201),
        (["linux/amd64"], None, 201),
        (["linux/amd64"], {"os": None, "architecture": None}, 201),
        (["linux/amd64"], AMD64, 404),
        (["linux/amd64"], {**AMD64, "variant": "v3"}, 404),
        (["linux/arm64"], ARM64, 404),
        (["linux/arm64/v8"], ARM64, 404),
        (["linux/arm64/v9"], ARM64, 201),
        (["linux/arm"], ARM64, 201),
        (["windows/amd64", "linux/arm64"], ARM64, 404),
    ],
)
async def test_a_project_says_which_children_an_index_must_have(
    registry: Registry, children: object, absent: object, status: int
):
    """Broken: a mirror of one platform cannot be filled under the digest of the whole image."""
    await allow(registry, children)
    here = await kept(registry, {"os": "plan9", "architecture": "amd64"})
    assert await put(registry, here, child("absent", absent)) == status


async def test_a_child_that_is_not_kept_is_a_clear_404_until_it_is_pushed(registry: Registry):
    await allow(registry, "none")
    assert await put(registry, here := await kept(registry, AMD64), child("absent", ARM64)) == 201
    absent = await registry.call("GET", f"/v2/{REPO}/manifests/{Digest.of(b'absent')}")
    assert (absent.status, absent.codes) == (404, ["MANIFEST_UNKNOWN"])
    assert (await registry.call("GET", f"/v2/{REPO}/manifests/{here['digest']}")).status == 200


async def test_what_is_there_has_the_size_that_the_index_states(registry: Registry):
    await allow(registry, "none")
    here = await kept(registry, AMD64)
    assert await put(registry, {**here, "size": 1}) == 400


async def test_content_that_is_no_manifest_is_not_done_without(registry: Registry):
    """As the layers of a cache that BuildKit keeps in an index."""
    await allow(registry, "none")
    layer = child("absent", None, "application/vnd.oci.image.layer.v1.tar+gzip")
    assert await put(registry, layer) == 404


async def test_one_that_is_listed_twice_is_needed_if_either_says_so(registry: Registry):
    await allow(registry, ["linux/amd64"])
    twice = [child("absent", ARM64), child("absent", AMD64)]
    assert await put(registry, *twice) == 404
    assert await put(registry, *reversed(twice)) == 404


async def test_the_check_knows_that_a_project_does_without_some(start_registry: StartRegistry):
    """Broken: `fsck` finds holes in every mirror of one platform."""
    registry = await start_registry()
    await allow(registry, ["linux/amd64"])
    assert await put(registry, await kept(registry, AMD64), child("absent", ARM64)) == 201
    await registry.call("DELETE", "/atoll/v1/projects/mirror")
    await registry.stop()
    report = check_data_dir(registry.data_dir, SILENT)
    assert report.problems == []
    assert sum(report.notes.values()) == 1
