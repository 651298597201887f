"""The push side of the Distribution API: uploads, mounts, manifests, deletes."""

import pytest

from cluster.model import Digest
from cluster.objects.merge import Presence
from node.http.limits import ApiLimits
from node.index import rows
from node.registry import repository_blobs
from node.registry.media_types import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX
from node.registry.upload_config import UploadConfig
from node.registry.values import PutManifest
from tests.api.conftest import Registry, StartRegistry, image
from tests.builders import an_index, descriptor, encoded

DATA = bytes(range(251)) * 4000
SMALL = b"small blob"


async def check_stored(registry: Registry, data: bytes, digest: Digest) -> None:
    answer = await registry.call("GET", f"/v2/lib/app/blobs/{digest}")
    assert answer.status == 200
    assert answer.body == data
    assert registry.uploads.open_count == 0
    assert registry.index.metadata.uploads() == []
    assert not list((registry.data_dir / "staging").iterdir())


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("data", [b"", SMALL, DATA])
async def test_one_post(registry: Registry, data: bytes, algorithm: str):
    digest = Digest.of(data, algorithm)
    answer = await registry.call("POST", f"/v2/lib/app/blobs/uploads/?digest={digest}", data=data)
    assert answer.status == 201
    assert answer.headers["Location"] == f"/v2/lib/app/blobs/{digest}"
    assert answer.headers["Docker-Content-Digest"] == digest
    await check_stored(registry, data, digest)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("data", [b"", SMALL, DATA])
async def test_post_then_put(registry: Registry, data: bytes, algorithm: str):
    digest = Digest.of(data, algorithm)
    start = await registry.call("POST", f"/v2/lib/app/blobs/uploads/?digest-algorithm={algorithm}")
    assert start.status == 202
    assert start.headers["Range"] == "0-0"
    assert start.headers["Docker-Upload-UUID"]
    answer = await registry.call("PUT", f"{start.headers['Location']}?digest={digest}", data=data)
    assert answer.status == 201
    await check_stored(registry, data, digest)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("last_in_put", [True, False])
async def test_chunks(registry: Registry, algorithm: str, last_in_put: bool):
    digest = Digest.of(DATA, algorithm)
    location = await registry.start_upload("lib/app")
    chunks = [DATA[:400_000], DATA[400_000:400_001], DATA[400_001:]]
    last = chunks.pop() if last_in_put else b""
    offset = 0
    for chunk in chunks:
        end = offset + len(chunk) - 1
        answer = await registry.call(
            "PATCH", location, data=chunk, headers={"Content-Range": f"{offset}-{end}"}
        )
        assert answer.status == 202
        assert answer.headers["Range"] == f"0-{end}"
        location = answer.headers["Location"]
        offset = end + 1
        status = await registry.call("GET", location)
        assert status.status == 204
        assert status.headers["Range"] == f"0-{end}"
    headers = {"Content-Range": f"{offset}-{len(DATA) - 1}"} if last else {}
    answer = await registry.call("PUT", f"{location}?digest={digest}", data=last, headers=headers)
    assert answer.status == 201
    await check_stored(registry, DATA, digest)


async def test_a_streamed_patch_needs_no_length(registry: Registry):
    async def pieces():
        for start in range(0, len(DATA), 70_000):
            yield DATA[start : start + 70_000]

    location = await registry.start_upload("lib/app")
    answer = await registry.call("PATCH", location, data=pieces())
    assert answer.status == 202
    digest = Digest.of(DATA)
    answer = await registry.call("PUT", f"{location}?digest={digest}")
    assert answer.status == 201
    await check_stored(registry, DATA, digest)


async def test_chunks_out_of_order_say_where_to_go_on(registry: Registry):
    location = await registry.start_upload("lib/app")
    await registry.call("PATCH", location, data=b"0123", headers={"Content-Range": "0-3"})
    digest = Digest.of(b"0123456789")
    for method, path in (("PATCH", location), ("PUT", f"{location}?digest={digest}")):
        for field in ("0-5", "6-11"):
            answer = await registry.call(
                method, path, data=b"456789", headers={"Content-Range": field}
            )
            assert answer.status == 416
            assert answer.headers["Range"] == "0-3"
            assert answer.headers["Location"] == location
            assert answer.codes == ["BLOB_UPLOAD_INVALID"]
    answer = await registry.call(
        "PUT", f"{location}?digest={digest}", data=b"456789", headers={"Content-Range": "4-9"}
    )
    assert answer.status == 201
    await check_stored(registry, b"0123456789", digest)


async def test_a_cancelled_upload_is_gone(registry: Registry):
    location = await registry.start_upload("lib/app")
    await registry.call("PATCH", location, data=DATA)
    assert (await registry.call("DELETE", location)).status == 204
    for method in ("GET", "PATCH", "DELETE"):
        answer = await registry.call(method, location, data=b"x" if method == "PATCH" else None)
        assert answer.status == 404
        assert answer.codes == ["BLOB_UPLOAD_UNKNOWN"]
    assert registry.files() == set()


async def test_an_upload_belongs_to_its_repository(registry: Registry):
    location = await registry.start_upload("lib/app")
    foreign = location.replace("lib/app", "lib/other")
    for method in ("GET", "PATCH", "PUT", "DELETE"):
        path = f"{foreign}?digest={Digest.of(SMALL)}" if method == "PUT" else foreign
        data = SMALL if method in ("PATCH", "PUT") else None
        answer = await registry.call(method, path, data=data)
        assert answer.status == 404
        assert answer.codes == ["BLOB_UPLOAD_UNKNOWN"]
    assert (await registry.call("GET", location)).status == 204


async def test_an_upload_goes_on_after_a_restart(start_registry: StartRegistry):
    first = await start_registry()
    location = await first.start_upload("lib/app")
    await first.call("PATCH", location, data=DATA[:500_000])
    await first.stop()
    second = await start_registry()
    status = await second.call("GET", location)
    assert status.headers["Range"] == "0-499999"
    digest = Digest.of(DATA)
    answer = await second.call("PUT", f"{location}?digest={digest}", data=DATA[500_000:])
    assert answer.status == 201
    await check_stored(second, DATA, digest)


async def test_expired_uploads_are_dropped(start_registry: StartRegistry):
    registry = await start_registry(config=UploadConfig(expiry_s=-1.0))
    location = await registry.start_upload("lib/app")
    await registry.call("PATCH", location, data=DATA)
    assert await registry.uploads.sweep() == 1
    assert (await registry.call("GET", location)).status == 404
    assert registry.files() == set()


async def test_open_uploads_are_bounded(start_registry: StartRegistry):
    registry = await start_registry(config=UploadConfig(open_max=2))
    for _ in range(2):
        await registry.start_upload("lib/app")
    answer = await registry.call("POST", "/v2/lib/app/blobs/uploads/")
    assert answer.status == 429
    assert answer.codes == ["TOOMANYREQUESTS"]
    assert "Retry-After" in answer.headers


async def test_an_abandoned_upload_makes_room(start_registry: StartRegistry):
    registry = await start_registry(config=UploadConfig(open_max=2, evict_idle_s=0.0))
    oldest, other = [await registry.start_upload("lib/app") for _ in range(2)]
    await registry.call("PATCH", oldest, data=DATA)
    await registry.call("PATCH", other, data=b"x")
    newest = await registry.start_upload("lib/app")
    assert (await registry.call("GET", oldest)).status == 404
    assert (await registry.call("GET", other)).status == 204
    assert (await registry.call("GET", newest)).status == 204
    assert len(registry.files()) == 1


@pytest.mark.parametrize("data", [SMALL, DATA])
async def test_a_whole_blob_in_one_request_needs_a_place(
    start_registry: StartRegistry, data: bytes
):
    """Broken: uploads that are no session fill the disk and the memory, whatever is allowed."""
    registry = await start_registry(config=UploadConfig(open_max=1))
    location = await registry.start_upload("lib/app")
    path = f"/v2/lib/app/blobs/uploads/?digest={Digest.of(data)}"
    answer = await registry.call("POST", path, data=data)
    assert (answer.status, answer.codes) == (429, ["TOOMANYREQUESTS"])
    assert registry.files() == set()
    assert (await registry.call("DELETE", location)).status == 204
    for _ in range(2):  # it leaves its place again
        assert (await registry.call("POST", path, data=data)).status == 201
    assert registry.uploads.open_count == 0


async def test_blobs_may_be_bounded(start_registry: StartRegistry):
    registry = await start_registry(config=UploadConfig(blob_max_bytes=1000))
    location = await registry.start_upload("lib/app")
    assert (await registry.call("PATCH", location, data=b"x" * 900)).status == 202
    answer = await registry.call("PATCH", location, data=b"x" * 101)
    assert answer.status == 413
    assert answer.codes == ["SIZE_INVALID"]
    assert (await registry.call("GET", location)).headers["Range"] == "0-899"


async def test_the_advised_chunk_size_is_announced(start_registry: StartRegistry):
    registry = await start_registry(limits=ApiLimits(chunk_min_bytes=4096))
    answer = await registry.call("POST", "/v2/lib/app/blobs/uploads/")
    assert answer.headers["OCI-Chunk-Min-Length"] == "4096"


async def test_mounts(registry: Registry):
    digest = await registry.push_blob("lib/base", SMALL)
    for query in (f"mount={digest}&from=lib/base", f"mount={digest}"):
        answer = await registry.call("POST", f"/v2/lib/app/blobs/uploads/?{query}")
        assert answer.status == 201
        assert answer.headers["Location"] == f"/v2/lib/app/blobs/{digest}"
        assert (await registry.call("DELETE", answer.headers["Location"])).status == 202
    missing = Digest.of(b"missing")
    for query in (
        f"mount={missing}&from=lib/base",
        f"mount={digest}&from=lib/nobody",
        f"mount={digest}&from=Bad..Name",
        f"mount={missing}",
    ):
        answer = await registry.call("POST", f"/v2/lib/app/blobs/uploads/?{query}")
        assert answer.status == 202, "what cannot be mounted is uploaded"
        assert "Location" in answer.headers


async def test_a_mount_takes_nothing_that_the_caller_may_not_pull(registry: Registry):
    """Broken: who knows a digest reads the blob of any repository, by mounting it."""
    digest = await registry.push_blob("lib/a-secret", SMALL)
    registry.hidden.add("lib/a-secret")
    asked = registry.replicator.caught_up
    for query in (f"mount={digest}", f"mount={digest}&from=lib/a-secret"):
        answer = await registry.call("POST", f"/v2/lib/app/blobs/uploads/?{query}")
        assert answer.status == 202
        assert (await registry.call("GET", f"/v2/lib/app/blobs/{digest}")).status == 404
    assert registry.replicator.caught_up == asked + 2, "only the two reads ask the others"
    await registry.push_blob("lib/b-open", SMALL)
    answer = await registry.call("POST", f"/v2/lib/app/blobs/uploads/?mount={digest}")
    assert answer.status == 201
    assert (await registry.call("GET", f"/v2/lib/app/blobs/{digest}")).body == SMALL


async def test_a_mount_without_a_source_looks_at_so_many_repositories(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
):
    """Broken: a blob that everybody has makes one mount walk through all repositories."""
    monkeypatch.setattr(repository_blobs, "MOUNT_SOURCES_MAX", 2)
    for name in ("a", "b", "c"):
        digest = await registry.push_blob(f"lib/{name}", SMALL)
    registry.hidden |= {"lib/a", "lib/b"}
    path = f"/v2/lib/app/blobs/uploads/?mount={digest}"
    assert (await registry.call("POST", path)).status == 202
    registry.hidden.remove("lib/b")
    assert (await registry.call("POST", path)).status == 201


async def test_manifests_by_digest_with_tags(registry: Registry):
    await registry.push_image("lib/app", "seed")
    seed = await registry.call("GET", "/v2/lib/app/manifests/seed")
    for algorithm in ("sha256", "sha512"):
        digest = Digest.of(seed.body, algorithm)
        tags = [f"{algorithm}-{number}" for number in range(12)]
        query = "&".join(f"tag={tag}" for tag in tags)
        answer = await registry.put_manifest("lib/app", f"{digest}?{query}", seed.body)
        assert answer.status == 201
        assert answer.headers.getall("OCI-Tag") == tags
        assert answer.headers["Docker-Content-Digest"] == digest
        for tag in tags:
            found = await registry.call("HEAD", f"/v2/lib/app/manifests/{tag}")
            assert found.headers["Docker-Content-Digest"] == digest
    query = "&".join(f"tag=t{number}" for number in range(51))
    answer = await registry.put_manifest("lib/app", f"{Digest.of(seed.body)}?{query}", seed.body)
    assert answer.status == 414


async def test_pushing_a_manifest_again_leaves_one_push(registry: Registry):
    """Broken: what is pushed all the time grows by a row that is read and written at each push."""
    await registry.push_image("lib/app", "v1")
    body = (await registry.call("GET", "/v2/lib/app/manifests/v1")).body
    digest, store = Digest.of(body), registry.index.journal.store
    for _ in range(4):
        assert (await registry.put_manifest("lib/app", "v1", body)).status == 201
    [row] = [rows.decode(Presence, row) for _, row in store.scan("manifests", b"", b"\xff")]
    assert len(row.live) == 1
    assert row.latest.dot == registry.index.metadata.manifest_event("lib/app", digest)


async def test_every_missing_blob_is_named(registry: Registry):
    missing = [(Digest.of(bytes([number])), 1) for number in range(3)]
    answer = await registry.put_manifest("lib/app", "v1", image(*missing))
    assert answer.status == 404
    assert answer.codes == ["MANIFEST_BLOB_UNKNOWN"] * 3
    named = {error["detail"]["digest"] for error in answer.json["errors"]}
    assert named == {digest for digest, _ in missing}
    assert (registry.replicator.caught_up_near, registry.replicator.caught_up) == (1, 2)
    assert (await registry.call("GET", "/v2/lib/app/tags/list")).status == 404


async def test_a_great_many_missing_blobs_are_not_all_named(registry: Registry):
    """Broken: the answer to a manifest of 4 MiB has 4 MiB."""
    config = await registry.push_blob("lib/app", SMALL)
    missing = [(Digest.of(b"%d" % number), 1) for number in range(5_000)]
    answer = await registry.put_manifest("lib/app", "v1", image((config, len(SMALL)), *missing))
    assert answer.status == 404
    errors = answer.json["errors"]
    assert [error["detail"]["digest"] for error in errors] == [d for d, _ in missing[:100]]
    assert all("4900 more" in error["message"] for error in errors)
    assert len(answer.body) < 32 << 10


async def test_a_wrong_size_is_refused(registry: Registry):
    config = await registry.push_blob("lib/app", SMALL)
    answer = await registry.put_manifest("lib/app", "v1", image((config, len(SMALL) + 1)))
    assert answer.status == 400
    assert answer.codes == ["MANIFEST_INVALID"]


async def test_content_of_another_repository_does_not_count(registry: Registry):
    config = await registry.push_blob("lib/other", SMALL)
    answer = await registry.put_manifest("lib/app", "v1", image((config, len(SMALL))))
    assert answer.codes == ["MANIFEST_BLOB_UNKNOWN"]


@pytest.mark.parametrize("list_type", [OCI_INDEX, DOCKER_LIST])
async def test_nested_indexes(registry: Registry, list_type: str):
    child = await registry.push_image("lib/app", "child")
    size = int(
        (await registry.call("HEAD", "/v2/lib/app/manifests/child")).headers["Content-Length"]
    )
    for level in range(3):
        body = encoded(an_index(descriptor(child, size), mediaType=list_type))
        answer = await registry.put_manifest("lib/app", f"level-{level}", body, list_type)
        assert answer.status == 201
        child, size = Digest.of(body), len(body)
    unknown = descriptor(Digest.of(b"?"), 1, list_type)
    body = encoded(an_index(unknown, mediaType=list_type))
    answer = await registry.put_manifest("lib/app", "broken", body, list_type)
    assert answer.codes == ["MANIFEST_BLOB_UNKNOWN"]


async def test_docker_schema_2(registry: Registry):
    config = await registry.push_blob("lib/app", SMALL)
    body = image((config, len(SMALL)), mediaType=DOCKER_MANIFEST)
    assert (await registry.put_manifest("lib/app", "v1", body, DOCKER_MANIFEST)).status == 201
    answer = await registry.call("GET", "/v2/lib/app/manifests/v1")
    assert answer.headers["Content-Type"] == DOCKER_MANIFEST


async def test_unknown_types_are_stored(registry: Registry):
    body = b'{"anything": ["goes", 1], "mediaType": "application/vnd.example+json"}'
    answer = await registry.put_manifest("lib/app", "v1", body, "application/vnd.example+json")
    assert answer.status == 201
    answer = await registry.call("GET", "/v2/lib/app/manifests/v1")
    assert answer.body == body
    assert answer.headers["Content-Type"] == "application/vnd.example+json"


async def test_deletes(registry: Registry):
    digest = await registry.push_image("lib/app", "v1", "v2")
    assert (await registry.call("DELETE", "/v2/lib/app/manifests/v1")).status == 202
    assert (await registry.call("GET", "/v2/lib/app/manifests/v1")).status == 404
    assert (await registry.call("GET", "/v2/lib/app/manifests/v2")).status == 200
    assert (await registry.call("DELETE", f"/v2/lib/app/manifests/{digest}")).status == 202
    for reference in ("v2", digest):
        assert (await registry.call("GET", f"/v2/lib/app/manifests/{reference}")).status == 404
    for path, code in (
        ("/v2/lib/app/manifests/v2", "MANIFEST_UNKNOWN"),
        (f"/v2/lib/app/manifests/{digest}", "MANIFEST_UNKNOWN"),
        (f"/v2/nobody/manifests/{digest}", "NAME_UNKNOWN"),
        (f"/v2/lib/app/blobs/{Digest.of(b'missing')}", "BLOB_UNKNOWN"),
    ):
        answer = await registry.call("DELETE", path)
        assert answer.status == 404
        assert answer.codes == [code]


async def test_the_manifest_may_have_exactly_4_mib(registry: Registry):
    config = await registry.push_blob("lib/app", SMALL)
    body = image((config, len(SMALL)), annotations={"pad": ""})
    pad = (4 << 20) - len(body)
    body = body.replace(b'"pad": ""', b'"pad": "%s"' % (b"x" * pad))
    assert len(body) == 4 << 20
    assert (await registry.put_manifest("lib/app", "v1", body)).status == 201
    answer = await registry.put_manifest("lib/app", "v2", body + b" ")
    assert answer.status == 413
    assert answer.codes == ["SIZE_INVALID"]


async def test_a_manifest_goes_with_all_its_tags_by_one_event(registry: Registry):
    """Broken: an event for each of 100,000 tags; half of them there when the node dies."""
    digest = await registry.push_image("lib/app", "t-")
    record = registry.index.metadata.manifest("lib/app", digest)
    assert record is not None
    tags = [f"t{number:04}" for number in range(600)]
    await registry.index.metadata.put(PutManifest("lib/app", digest, record, tags))
    await registry.push_image("lib/app", "other", text="y")
    path = f"/v2/lib/app/manifests/{digest}"
    [before] = registry.index.replica.vector().values()
    assert (await registry.call("DELETE", path)).status == 202
    assert list(registry.index.replica.vector().values()) == [before + 1]
    listed = await registry.call("GET", "/v2/lib/app/tags/list")
    assert listed.json["tags"] == ["other"]
    assert (await registry.call("DELETE", path)).status == 404
    await registry.put_manifest("lib/app", digest, record.body)
    listed = await registry.call("GET", "/v2/lib/app/tags/list")
    assert listed.json["tags"] == ["other"], "pushed again it has none of them"
