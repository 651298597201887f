"""Over HTTP: what is deleted can be read by its digest as long as a manifest names it."""

from cluster.model import Digest
from node.registry.media_types import OCI_INDEX, OCI_MANIFEST
from tests.api.conftest import Answer, Registry, image
from tests.builders import encoded

REPO = "/v2/lib/app"


def index_of(*children: tuple[Digest, int], **more: object) -> bytes:
    listed = [{"mediaType": OCI_MANIFEST, "digest": d, "size": size} for d, size in children]
    return encoded({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed, **more})


async def put_index(registry: Registry, reference: str, body: bytes) -> Digest:
    answer = await registry.put_manifest("lib/app", reference, body, OCI_INDEX)
    assert answer.status == 201, answer.body
    return Digest.of(body)


async def by_digest(registry: Registry, digest: Digest, kind: str = "manifests") -> Answer:
    path = f"{REPO}/{kind}/{digest}"
    answer = await registry.call("GET", path)
    head = await registry.call("HEAD", path)
    assert head.status == answer.status
    if answer.status == 200:
        assert digest.matches(answer.body)
        assert head.headers["Content-Length"] == str(len(answer.body))
    return answer


async def delete(registry: Registry, reference: str, kind: str = "manifests") -> int:
    return (await registry.call("DELETE", f"{REPO}/{kind}/{reference}")).status


async def test_a_deleted_child_goes_with_the_last_index_that_names_it(registry: Registry):
    config = await registry.push_blob("lib/app", b"{}")
    subject = {"mediaType": OCI_MANIFEST, "digest": Digest.of(b"subject"), "size": 1}
    body = image((config, 2), subject=subject)
    child = (Digest.of(body), len(body))
    assert (await registry.put_manifest("lib/app", "child", body)).status == 201
    first = await put_index(registry, "first", index_of(child))
    second = await put_index(registry, "second", index_of(child, annotations={"a": "b"}))
    referrers = f"{REPO}/referrers/{subject['digest']}"
    assert len((await registry.call("GET", referrers)).json["manifests"]) == 1

    assert await delete(registry, child[0]) == 202
    answer = await by_digest(registry, child[0])
    assert (answer.status, answer.headers["Content-Type"]) == (200, OCI_MANIFEST)
    assert answer.headers["Docker-Content-Digest"] == child[0]
    assert (await registry.call("GET", f"{REPO}/manifests/child")).status == 404
    assert (await registry.call("GET", f"{REPO}/tags/list")).json["tags"] == ["first", "second"]
    assert (await registry.call("GET", referrers)).json["manifests"] == []
    assert await delete(registry, child[0]) == 404

    third = await put_index(registry, "third", index_of(child, annotations={"c": "d"}))
    for index in (first, second):
        assert await delete(registry, index) == 202
        assert (await by_digest(registry, child[0])).status == 200
    assert await delete(registry, third) == 202
    for digest in (first, second, third, child[0]):
        assert (await by_digest(registry, digest)).status == 404
    assert (await registry.call("GET", "/v2/_catalog")).json["repositories"] == []


async def test_a_repository_that_has_only_an_index_is_listed_and_is_pulled_whole(
    registry: Registry,
):
    digest = await registry.push_image("lib/app", "v1")
    size = len((await by_digest(registry, digest)).body)
    inner = index_of((digest, size))
    await put_index(registry, "inner", inner)
    await put_index(registry, "outer", index_of((Digest.of(inner), len(inner))))
    for each in (digest, Digest.of(inner)):
        assert await delete(registry, each) == 202
    for text in (b"config x", b"layer x"):
        assert await delete(registry, Digest.of(text), "blobs") == 202
    assert (await registry.call("GET", "/v2/_catalog")).json["repositories"] == ["lib/app"]
    assert (await registry.call("GET", f"{REPO}/manifests/outer")).status == 200
    for each in (digest, Digest.of(inner)):
        assert (await by_digest(registry, each)).status == 200
    for text in (b"config x", b"layer x"):
        assert (await by_digest(registry, Digest.of(text), "blobs")).body == text
        assert await delete(registry, Digest.of(text), "blobs") == 404


async def test_a_blob_that_a_manifest_names_is_there_without_its_link(registry: Registry):
    digest = await registry.push_image("lib/app", "v1")
    config, layer = Digest.of(b"config x"), Digest.of(b"layer x")
    assert await delete(registry, layer, "blobs") == 202
    assert (await by_digest(registry, layer, "blobs")).body == b"layer x"
    # It can be named by another one, and be mounted elsewhere.
    body = image((config, 8), (layer, 7), annotations={"an": "other"})
    assert (await registry.put_manifest("lib/app", "v2", body)).status == 201
    mount = f"/v2/lib/other/blobs/uploads/?mount={layer}&from=lib/app"
    assert (await registry.call("POST", mount)).status == 201
    for each in (digest, Digest.of(body)):
        assert (await by_digest(registry, layer, "blobs")).status == 200
        assert await delete(registry, each) == 202
    assert (await by_digest(registry, layer, "blobs")).status == 404
    assert (await registry.put_manifest("lib/app", "v2", body)).status == 404
