"""The pull side of the Distribution API: what is served, under which headers."""

from urllib.parse import unquote

import pytest

from cluster.model import Digest
from node.registry import listing
from node.registry.media_types import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from tests.api.conftest import Registry, image
from tests.builders import an_index, descriptor, encoded

BLOB = bytes(range(256)) * 20
MISSING = Digest.of(b"missing")


async def test_ping(registry: Registry):
    answer = await registry.call("GET", "/v2/")
    assert answer.status == 200
    assert answer.headers["Docker-Distribution-Api-Version"] == "registry/2.0"
    assert answer.json == {}
    assert (await registry.call("HEAD", "/v2/")).status == 200


@pytest.mark.parametrize("by", ["tag", "digest"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_manifests_come_as_they_were_pushed(registry: Registry, method: str, by: str):
    digest = await registry.push_image("lib/app", "v1")
    stored = registry.index.metadata.manifest("lib/app", digest)
    assert stored is not None
    reference = "v1" if by == "tag" else digest
    answer = await registry.call(method, f"/v2/lib/app/manifests/{reference}")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == OCI_MANIFEST
    assert answer.headers["Docker-Content-Digest"] == digest
    assert answer.headers["Docker-Distribution-Api-Version"] == "registry/2.0"
    assert answer.headers["ETag"] == f'"{digest}"'
    assert answer.headers["Content-Length"] == str(len(stored.body))
    assert ("immutable" in answer.headers["Cache-Control"]) is (by == "digest")
    assert answer.body == (stored.body if method == "GET" else b"")


async def test_an_unchanged_manifest_is_not_sent_again(registry: Registry):
    digest = await registry.push_image("lib/app", "v1")
    for etag in (f'"{digest}"', f'W/"{digest}"', "*", f'"x", "{digest}"'):
        answer = await registry.call(
            "GET", "/v2/lib/app/manifests/v1", headers={"If-None-Match": etag}
        )
        assert (answer.status, answer.body) == (304, b"")
    answer = await registry.call(
        "GET", "/v2/lib/app/manifests/v1", headers={"If-None-Match": '"sha256:0"'}
    )
    assert answer.status == 200


@pytest.mark.parametrize("size", [0, 1, 5120, 70_000, 3_000_001])
async def test_blobs_of_every_size_come_whole(registry: Registry, size: int):
    data = (BLOB * (size // len(BLOB) + 1))[:size]
    digest = await registry.push_blob("lib/app", data)
    answer = await registry.call("GET", f"/v2/lib/app/blobs/{digest}")
    assert answer.status == 200
    assert answer.body == data
    assert answer.headers["Content-Length"] == str(size)
    assert answer.headers["Docker-Content-Digest"] == digest
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert "immutable" in answer.headers["Cache-Control"]
    head = await registry.call("HEAD", f"/v2/lib/app/blobs/{digest}")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Length"] == str(size)


@pytest.mark.parametrize("size", [5120, 500_000])
@pytest.mark.parametrize(
    ("field", "start", "end"),
    [("0-9", 0, 10), ("100-", 100, None), ("-50", -50, None), ("4000-99999999", 4000, None),
     ("0-0", 0, 1), ("-99999999", 0, None)],
)  # fmt: skip
async def test_byte_ranges(registry: Registry, size: int, field: str, start: int, end: int | None):
    data = (BLOB * (size // len(BLOB) + 1))[:size]
    digest = await registry.push_blob("lib/app", data)
    answer = await registry.call(
        "GET", f"/v2/lib/app/blobs/{digest}", headers={"Range": f"bytes={field}"}
    )
    expected = data[start:end]
    first = start if start >= 0 else size + start
    assert answer.status == 206
    assert answer.body == expected
    assert answer.headers["Content-Length"] == str(len(expected))
    last = first + len(expected) - 1
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{size}"


@pytest.mark.parametrize("field", ["bytes=5120-", "bytes=9-3", "bytes=-0", "bytes=x-y", "bytes=-"])
async def test_ranges_outside_are_refused_with_the_size(registry: Registry, field: str):
    digest = await registry.push_blob("lib/app", BLOB)
    answer = await registry.call("GET", f"/v2/lib/app/blobs/{digest}", headers={"Range": field})
    assert answer.status == 416
    assert answer.headers["Content-Range"] == f"bytes */{len(BLOB)}"
    assert answer.codes == ["SIZE_INVALID"]


async def test_ranges_are_ignored_where_http_says_so(registry: Registry):
    digest = await registry.push_blob("lib/app", BLOB)
    path = f"/v2/lib/app/blobs/{digest}"
    for headers in (
        {"Range": "lines=1-2"},
        {"Range": "bytes=0-1", "If-Range": '"another"'},
    ):
        answer = await registry.call("GET", path, headers=headers)
        assert (answer.status, answer.body) == (200, BLOB)
    answer = await registry.call(
        "GET", path, headers={"Range": "bytes=0-1", "If-Range": f'"{digest}"'}
    )
    assert answer.status == 206


async def test_unknown_content_is_not_found_after_the_peers_were_asked(registry: Registry):
    await registry.push_image("lib/app", "v1")
    for path, code in (
        ("manifests/v2", "MANIFEST_UNKNOWN"),
        (f"manifests/{MISSING}", "MANIFEST_UNKNOWN"),
        (f"blobs/{MISSING}", "BLOB_UNKNOWN"),
    ):
        asked = registry.replicator.caught_up
        answer = await registry.call("GET", f"/v2/lib/app/{path}")
        assert answer.status == 404
        assert answer.codes == [code]
        assert registry.replicator.caught_up == asked + 1
    answer = await registry.call("GET", "/v2/nobody/tags/list")
    assert answer.status == 404
    assert answer.codes == ["NAME_UNKNOWN"]


async def test_who_asks_before_an_upload_waits_for_no_other_region(registry: Registry):
    """Broken: a push over long links waits for all regions before each layer that is new."""
    await registry.push_image("lib/app", "v1")
    near = registry.replicator.caught_up_near
    assert (await registry.call("HEAD", f"/v2/lib/app/blobs/{MISSING}")).status == 404
    assert registry.replicator.caught_up_near == near + 1
    mount = f"/v2/lib/app/blobs/uploads/?mount={MISSING}&from=lib/other"
    assert (await registry.call("POST", mount)).status == 202
    assert registry.replicator.caught_up_near == near + 2
    assert (await registry.call("GET", f"/v2/lib/app/blobs/{MISSING}")).status == 404
    assert registry.replicator.caught_up_near == near + 2, "a reader of it asks everybody"


async def test_a_blob_of_another_repository_is_not_found(registry: Registry):
    digest = await registry.push_blob("lib/secret", BLOB)
    for method in ("GET", "HEAD"):
        answer = await registry.call(method, f"/v2/lib/app/blobs/{digest}")
        assert answer.status == 404


async def test_a_blob_that_lost_its_file_is_an_error_and_not_unknown(registry: Registry):
    digest = await registry.push_blob("lib/app", BLOB)
    [path] = (registry.data_dir / "blobs").rglob(digest.encoded)
    path.unlink()
    answer = await registry.call("GET", f"/v2/lib/app/blobs/{digest}")
    assert answer.status == 503
    assert answer.codes == ["UNAVAILABLE"]
    assert "Retry-After" in answer.headers


async def test_a_damaged_blob_is_never_served(registry: Registry):
    digest = await registry.push_blob("lib/app", BLOB)
    [path] = (registry.data_dir / "blobs").rglob(digest.encoded)
    path.write_bytes(BLOB[:-1])
    answer = await registry.call("GET", f"/v2/lib/app/blobs/{digest}")
    assert answer.status == 503


async def multi_platform(registry: Registry) -> tuple[Digest, Digest]:
    child = await registry.push_image("lib/app", "child")
    stored = registry.index.metadata.manifest("lib/app", child)
    assert stored is not None
    platform = {"os": "linux", "architecture": "amd64"}
    body = encoded(an_index(descriptor(child, len(stored.body), platform=platform)))
    answer = await registry.put_manifest("lib/app", "multi", body, OCI_INDEX)
    assert answer.status == 201
    return child, Digest.of(body)


@pytest.mark.parametrize(
    ("accept", "gets_index"),
    [
        (None, True),
        ("*/*", True),
        (OCI_INDEX, True),
        (f"{OCI_MANIFEST}, {DOCKER_LIST};q=0.5", True),
        ("application/json", True),
        (OCI_MANIFEST, False),
        (DOCKER_MANIFEST, False),
    ],
)
async def test_a_client_that_cannot_read_indexes_gets_its_image(
    registry: Registry, accept: str | None, gets_index: bool
):
    child, index = await multi_platform(registry)
    headers = {} if accept is None else {"Accept": accept}
    answer = await registry.call("GET", "/v2/lib/app/manifests/multi", headers=headers)
    assert answer.headers["Docker-Content-Digest"] == (index if gets_index else child)
    by_digest = await registry.call("GET", f"/v2/lib/app/manifests/{index}", headers=headers)
    assert by_digest.headers["Docker-Content-Digest"] == index


async def test_lists_are_paged_with_links(registry: Registry):
    for name in ("b", "a", "c"):
        await registry.push_image(f"lib/{name}", "v1", "v2", "v3")
    answer = await registry.call("GET", "/v2/lib/a/tags/list")
    assert answer.json == {"name": "lib/a", "tags": ["v1", "v2", "v3"]}
    assert "Link" not in answer.headers
    for path, key, expected in (
        ("/v2/lib/a/tags/list?n=2", "tags", ["v1", "v2", "v3"]),
        ("/v2/_catalog?n=2", "repositories", ["lib/a", "lib/b", "lib/c"]),
    ):
        seen: list[str] = []
        following: str | None = path
        while following is not None:
            answer = await registry.call("GET", following)
            seen += answer.json[key]
            link = answer.headers.get("Link")
            following = None if link is None else link.partition(">")[0].removeprefix("<")
            assert link is None or link.endswith('; rel="next"')
        assert seen == expected
    answer = await registry.call("GET", "/v2/lib/a/tags/list?n=0")
    assert answer.json["tags"] == []
    assert "Link" not in answer.headers
    answer = await registry.call("GET", "/v2/lib/a/tags/list?last=v2")
    assert answer.json["tags"] == ["v3"]
    answer = await registry.call("GET", "/v2/lib/a/tags/list?n=999999999")
    assert answer.json["tags"] == ["v1", "v2", "v3"]


async def test_referrers(registry: Registry):
    subject = await registry.push_image("lib/app", "v1")
    config = await registry.push_blob("lib/app", b"{}")
    answer = await registry.call("GET", f"/v2/lib/app/referrers/{subject}")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == OCI_INDEX
    assert answer.json == {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}
    for kind in ("a/one+json", "a/two"):
        referring = {"subject": descriptor(subject, 1), "artifactType": kind}
        body = image((config, 2), **referring, annotations={"k": kind})
        answer = await registry.put_manifest("lib/app", Digest.of(body), body)
        assert answer.headers["OCI-Subject"] == subject
    answer = await registry.call("GET", f"/v2/lib/app/referrers/{subject}")
    assert {entry["artifactType"] for entry in answer.json["manifests"]} == {"a/one+json", "a/two"}
    for query in ("artifactType=a/one+json", "artifactType=a%2Fone%2Bjson"):
        answer = await registry.call("GET", f"/v2/lib/app/referrers/{subject}?{query}")
        assert answer.headers["OCI-Filters-Applied"] == "artifactType"
        [entry] = answer.json["manifests"]
        assert entry["annotations"] == {"k": "a/one+json"}
    answer = await registry.call("GET", f"/v2/lib/other/referrers/{subject}")
    assert answer.json["manifests"] == []


async def test_referrers_of_either_of_two_types(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
):
    """Broken: a client that asks for signatures and attestations at once gets 400, or one kind."""
    monkeypatch.setattr(listing, "PAGE_MAX", 1)
    subject = await registry.push_image("lib/app", "v1")
    config = await registry.push_blob("lib/app", b"{}")
    for kind in ("a/one", "a/two", "a/three"):
        body = image((config, 2), subject=descriptor(subject, 1), artifactType=kind)
        await registry.put_manifest("lib/app", Digest.of(body), body)
    query = "artifactType=a/one&artifactType=a/three&artifactType="
    following: str | None = f"/v2/lib/app/referrers/{subject}?{query}"
    found = []
    while following is not None:
        answer = await registry.call("GET", following)
        assert answer.headers["OCI-Filters-Applied"] == "artifactType"
        found += [entry["artifactType"] for entry in answer.json["manifests"]]
        link = answer.headers.get("Link")
        following = None if link is None else link.partition(">")[0].removeprefix("<")
    assert sorted(found) == ["a/one", "a/three"]


@pytest.mark.parametrize("last", ["", "sha256:", "sha256:zz", "x", "A%00%ff"])
async def test_referrers_behind_anything_are_in_order(registry: Registry, last: str):
    """Broken: `last` that is no digest is an error, where tags and repositories take it."""
    subject = await registry.push_image("lib/app", "v1")
    config = await registry.push_blob("lib/app", b"{}")
    body = image((config, 2), subject=descriptor(subject, 1))
    digest = Digest.of(body)
    await registry.put_manifest("lib/app", digest, body)
    answer = await registry.call("GET", f"/v2/lib/app/referrers/{subject}?last={last}")
    found = [entry["digest"] for entry in answer.json["manifests"]]
    assert found == ([digest] if digest > unquote(last) else [])
