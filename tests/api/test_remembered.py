"""Answers remembered whole: as those of the handler, and never one that it would not give now."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from multidict import CIMultiDict

from cluster.errors import NotCaughtUp
from cluster.model import Digest
from node.http import remembered
from node.index.worded import NAMED_AT
from node.oci import blobs, listings, manifests
from node.registry.media_types import OCI_INDEX, OCI_MANIFEST
from tests.api.asker import BLOB, Client, pushed, undated
from tests.api.conftest import Registry, StartRegistry

FIELDS = ("Accept: application/json", "X-Forwarded-For: 10.0.0.1")


KINDS = [
    *(("GET", kind) for kind in ("tag", "digest", "blob", "tags", "page")),
    *(("HEAD", kind) for kind in ("tag", "digest", "blob")),
]


@pytest.mark.parametrize(("method", "kind"), KINDS)
async def test_what_is_remembered_is_what_the_handler_says(
    registry: Registry, method: str, kind: str
):
    """A handler twice; then it is known behind the parser, twice; and then before it."""
    path = (await pushed(registry))[kind]
    client = await Client.of(registry)
    asked = [await client.get(path, *FIELDS, method=method) for _ in range(6)]
    levels = [level for level, _ in asked]
    assert levels == ["handler"] * 2 + ["fields"] * 2 + ["block"] * 2
    assert len({str(undated(reply)) for _, reply in asked}) == 1
    assert asked[0][1].status == 200
    assert all(b"date" in reply.fields for _, reply in asked)


async def test_the_date_goes_on(registry: Registry, monkeypatch: pytest.MonkeyPatch):
    path = (await pushed(registry))["tag"]
    client = await Client.of(registry)
    before = await client.settled(path)
    monkeypatch.setattr(remembered.time, "time", lambda: 784111777.9)
    level, reply = await client.get(path)
    assert level == "block"
    assert reply.fields[b"date"] == b"sun, 06 nov 1994 08:49:37 gmt"
    assert undated(reply) == undated(before)


async def test_another_connection_profits(registry: Registry):
    path = (await pushed(registry))["tag"]
    await (await Client.of(registry)).settled(path)
    other = await Client.of(registry)
    assert (await other.get(path))[0] == "block"
    assert (await other.get(path, "X-Forwarded-For: 10.0.0.9"))[0] == "fields"


# --- what ends it ---------------------------------------------------------------------------------


async def test_a_push_is_seen_at_once(registry: Registry):
    paths = await pushed(registry)
    client = await Client.of(registry)
    for path in paths.values():
        await client.settled(path)
    new = await registry.push_image("lib/app", "v1", text="new")
    level, reply = await client.get(paths["tag"])
    assert (level, reply.fields[b"docker-content-digest"]) == ("handler", new.encode())
    assert (await client.get(paths["tag"]))[0] == "block", "it was asked for often enough"


@pytest.mark.parametrize(
    ("gone", "lost"),
    [
        ("manifests/v1", {"tag": 404}),
        ("manifests/{image}", {"tag": 404, "digest": 404}),
        ("blobs/{blob}", {}),
    ],
)
async def test_a_deletion_is_seen_at_once(registry: Registry, gone: str, lost: dict[str, int]):
    paths = await pushed(registry)
    client = await Client.of(registry)
    for path in paths.values():
        await client.settled(path)
    names = {"image": paths["digest"].rpartition("/")[2], "blob": Digest.of(BLOB)}
    deleted = await registry.call("DELETE", f"/v2/lib/app/{gone.format(**names)}")
    assert deleted.status == 202
    for kind, path in paths.items():
        level, reply = await client.get(path)
        assert (kind, level, reply.status) == (kind, "handler", lost.get(kind, 200))
    _, listed = await client.get(paths["tags"])
    assert ("v1" in json.loads(listed.body)["tags"]) == (gone == "blobs/{blob}")


async def test_a_blob_is_not_read_in_a_repository_that_lost_it(registry: Registry):
    """Broken: who had a digest once reads it for ever, whatever was deleted."""
    digest = await registry.push_blob("lib/app", BLOB)
    await registry.push_blob("lib/other", BLOB)
    client, path = await Client.of(registry), f"/v2/lib/app/blobs/{digest}"
    for method in ("GET", "HEAD"):
        await client.settled(path, method=method)
    assert (await registry.call("DELETE", path)).status == 202
    for method in ("GET", "HEAD"):
        assert (await client.get(path, method=method))[1].status == 404
    assert (await client.get(f"/v2/lib/other/blobs/{digest}"))[1].status == 200


async def test_a_copy_that_was_taken_out_of_service_is_not_served(registry: Registry):
    """Nor its bytes in memory, right as they are: whoever took it away may have had a reason."""
    path = (await pushed(registry))["blob"]
    client = await Client.of(registry)
    await client.settled(path)
    [file] = [
        f for f in (registry.data_dir / "blobs").rglob(Digest.of(BLOB).encoded) if f.is_file()
    ]
    file.chmod(0o600)
    file.write_bytes(b"rotten!")
    assert (await client.get(path))[1].body == BLOB, "memory does not rot"
    assert not await registry.blobs.doubt(Digest.of(BLOB))
    level, reply = await client.get(path)
    assert (level, reply.status) == ("handler", 503), "there are no peers to fetch it from"


async def test_rotten_bytes_are_not_remembered(registry: Registry):
    """Broken: a file that rotted lately is served from memory for ever, as if it were right."""
    path = (await pushed(registry))["blob"]
    client = await Client.of(registry)
    await client.get(path)
    [file] = [
        f for f in (registry.data_dir / "blobs").rglob(Digest.of(BLOB).encoded) if f.is_file()
    ]
    times = file.stat().st_atime_ns, file.stat().st_mtime_ns
    file.chmod(0o600)
    file.write_bytes(b"rotten!")
    import os

    os.utime(file, ns=times)
    for _ in range(3):
        assert (await client.get(path))[1].body != b"rotten!"


async def test_what_may_be_old_is_not_given_again(registry: Registry):
    """The lease is over: whoever asks waits for the region, or is refused."""
    path = (await pushed(registry))["tag"]
    client = await Client.of(registry)
    await client.settled(path)
    registry.replicator.not_current = NotCaughtUp("peers did not answer in time")
    assert (await client.get(path))[1].status == 503
    registry.replicator.not_current, registry.replicator.confirmed = None, False
    level, reply = await client.get(path)
    assert (level, reply.fields[b"atoll-consistency"]) == ("handler", b"unconfirmed")
    registry.replicator.confirmed = True
    level, reply = await client.get(path)
    assert level == "block"
    assert b"atoll-consistency" not in reply.fields


async def test_what_was_unconfirmed_is_not_remembered(registry: Registry):
    path = (await pushed(registry))["tag"]
    client = await Client.of(registry)
    registry.replicator.confirmed = False
    for _ in range(4):
        await client.get(path)
    registry.replicator.confirmed = True
    level, reply = await client.get(path)
    assert (level, b"atoll-consistency" in reply.fields) == ("handler", False)


async def test_another_policy_is_asked_for(registry: Registry):
    path = (await pushed(registry))["tag"]
    client = await Client.of(registry)
    await client.settled(path)
    put = await registry.call("PUT", "/atoll/v1/projects/lib", json={"history_max": 3})
    assert put.status == 200
    assert (await client.get(path))[0] == "handler"


async def test_who_answers_through_others_gives_nothing_itself(registry: Registry):
    path = (await pushed(registry))["tag"]
    client = await Client.of(registry)
    registry.members.proxy = True
    for _ in range(4):
        assert (await client.get(path))[1].status == 503, "nobody serves"
    registry.members.proxy = False
    assert (await client.get(path))[0] == "handler"


# --- what an answer depends on --------------------------------------------------------------------


async def test_who_accepts_other_types_gets_another_answer(registry: Registry):
    child = await registry.push_image("lib/app", "child")
    size = len((await registry.call("GET", "/v2/lib/app/manifests/child")).body)
    listed = {"mediaType": OCI_MANIFEST, "digest": child, "size": size}
    listed["platform"] = {"os": "linux", "architecture": "amd64"}
    body = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [listed]}).encode()
    assert (await registry.put_manifest("lib/app", "all", body, OCI_INDEX)).status == 201
    client, path = await Client.of(registry), "/v2/lib/app/manifests/all"
    for accepted, served in ((OCI_INDEX, OCI_INDEX), (OCI_MANIFEST, OCI_MANIFEST)):
        for _ in range(5):
            _, reply = await client.get(path, f"Accept: {accepted}")
            assert reply.fields[b"content-type"] == served.encode().lower()
    split = [await client.get(path, f"Accept: {OCI_MANIFEST}", "Accept: */*") for _ in range(4)]
    assert {reply.fields[b"content-type"] for _, reply in split} == {OCI_INDEX.encode()}


@pytest.mark.parametrize(
    ("field", "status"),
    [
        ("If-None-Match: *", 304),
        ("If-None-Match: other", 200),
        ("Range: bytes=0-2", 206),
        ("Range: bytes=100-", 416),
        ('If-Range: "other"', 200),
    ],
)
async def test_conditions_and_ranges_go_to_the_handler(registry: Registry, field: str, status: int):
    path = (await pushed(registry))["blob"]
    client = await Client.of(registry)
    await client.settled(path)
    for _ in range(4):
        level, reply = await client.get(path, field)
        assert (level, reply.status) == ("handler", status)


@pytest.mark.parametrize("name", ["AUTHORIZATION", "authorization"])
async def test_each_caller_is_asked_about(registry: Registry, name: str):
    """Broken: what one may read is given to another, who may not."""
    path = (await pushed(registry))["tag"]
    client = await Client.of(registry)
    await client.settled(path)
    await client.settled(path, "Authorization: Bearer one")
    levels = [(await client.get(path, f"{name}: Bearer two"))[0] for _ in range(3)]
    assert levels == ["handler", "handler", "fields"]


async def test_callers_share_what_is_the_same(registry: Registry):
    """Broken: ten thousand tokens are ten thousand copies of a layer."""
    large = bytes(100_000)
    path = f"/v2/lib/app/blobs/{await registry.push_blob('lib/app', large)}"
    client = await Client.of(registry)
    for caller in range(50):
        await client.settled(path, f"Authorization: Bearer {caller}")
    assert registry.remembered.bytes_kept < 2 * len(large)


async def test_each_page_is_told_what_is_for_it(start_registry: StartRegistry):
    registry = await start_registry(origins=["https://a.example", "https://b.example"])
    path = (await pushed(registry))["tag"]
    client = await Client.of(registry)
    for origin in ("https://a.example", "https://b.example"):
        reply = await client.settled(path, f"Origin: {origin}")
        assert reply.fields[b"access-control-allow-origin"] == origin.encode()
        level, again = await client.get(path, f"Origin: {origin}")
        assert (level, undated(again)) == ("block", undated(reply))
    _, reply = await client.get(path, "Origin: https://c.example")
    assert b"access-control-allow-origin" not in reply.fields


class Looked(CIMultiDict[str]):
    """Fields of a request that notes which of them somebody looks at."""

    names: set[str]

    def _noting(name: str) -> Callable[..., Any]:  # type: ignore[misc]
        def look(self: "Looked", key: str, *rest: Any) -> Any:
            self.names.add(key.lower())
            return getattr(CIMultiDict, name)(self, key, *rest)

        return look

    get, getall, getone = _noting("get"), _noting("getall"), _noting("getone")
    __getitem__, __contains__ = _noting("__getitem__"), _noting("__contains__")


async def test_no_field_is_looked_at_that_the_memory_does_not_know(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
):
    """Broken: a handler goes by a new field, and who sends another one is given the answer."""
    paths = await pushed(registry)
    looked = set[str]()
    handle = registry.server._api.handle

    async def noting(request: web.BaseRequest) -> web.StreamResponse:
        fields = Looked(request.headers)
        fields.names = looked
        request._cache["headers"] = fields
        return await handle(request)

    monkeypatch.setattr(registry.server, "request_handler", noting)
    client = await Client.of(registry)
    for path in paths.values():
        for method in ("GET", "HEAD"):
            await client.get(path, method=method)
    known = {name.decode() for name in remembered.DEPENDS | remembered.EXCLUDES}
    assert "if-none-match" in looked, "the handlers were watched"
    # An id is in no answer that is remembered; what belongs to the connection, and to bodies, is
    # looked at by `asked_by`; where it counts whence a request comes, nothing is remembered.
    counted = {"x-request-id", "x-forwarded-for"}
    assert looked - known <= {*counted, "access-control-request-method", "content-length"}


def test_what_endpoints_say_that_they_look_at_is_known():
    described = [*manifests.ENDPOINTS, *blobs.ENDPOINTS, *listings.ENDPOINTS]
    named = {f.lower().encode() for e in described if e.remembered for f in e.fields}
    assert named <= remembered.DEPENDS | remembered.EXCLUDES
    assert sum(e.remembered for e in described) == 3


async def test_no_row_is_read_that_changes_no_word(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
):
    """Broken: an answer is made of rows that may change while the words stay what they are."""
    paths = await pushed(registry)
    read = set[tuple[str, bytes]]()
    store: Any = registry.index.journal.store
    get, scan = store.get, store.scan

    def noting(family: str, key: bytes) -> Any:
        read.add((family, key))
        return get(family, key)

    def noting_scan(family: str, start: bytes, stop: bytes) -> Any:
        read.add((family, start))
        return scan(family, start, stop)

    monkeypatch.setattr(store, "get", noting)
    monkeypatch.setattr(store, "scan", noting_scan)
    client = await Client.of(registry)
    for path in paths.values():
        read.clear()
        await client.get(path)
        assert read
        variable = path.rpartition("/")[2].encode()
        for family, key in read:
            if family == "settings":
                continue  # each change of one changes the word of the policy
            name = key.split(b"\0")[NAMED_AT[family]]
            assert name in (b"lib/app", variable), (path, family, key)
