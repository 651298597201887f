"""Bad input: a clear OCI error, no traceback, nothing left behind."""

import asyncio
import os
from typing import NamedTuple

import pytest

from cluster.model import Digest
from node.registry.media_types import OCI_INDEX, OCI_MANIFEST
from tests.api.conftest import Registry, image

HEX = "a" * 64
GOOD = f"sha256:{HEX}"
DATA = bytes(range(256)) * 3000


class Case(NamedTuple):
    method: str
    path: str
    status: int
    code: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


def manifest(body: bytes, media_type: str = OCI_MANIFEST) -> Case:
    headers = (("Content-Type", media_type),)
    return Case("PUT", "/v2/a/manifests/v1", 400, "MANIFEST_INVALID", body, headers)


CASES = [
    # types that nodes have for themselves
    manifest(b'{"mediaType":"application/vnd.atoll.partial-index"}', "application/json"),
    manifest(b'{"mediaType":"application/vnd.atoll.referrers-list"}', ""),
    # names
    Case("GET", "/v2/UPPER/manifests/v1", 400, "NAME_INVALID"),
    Case("GET", "/v2/a/../b/manifests/v1", 400, "NAME_INVALID"),
    Case("GET", "/v2/../manifests/v1", 400, "NAME_INVALID"),
    Case("GET", "/v2/a%2f..%2fb/manifests/v1", 400, "NAME_INVALID"),
    Case("GET", "/v2/a%252fb/tags/list", 400, "NAME_INVALID"),
    Case("GET", "/v2/a%00b/tags/list", 400, "NAME_INVALID"),
    Case("GET", "/v2/a___b/tags/list", 400, "NAME_INVALID"),
    Case("POST", "/v2/-a/blobs/uploads/", 400, "NAME_INVALID"),
    Case("GET", f"/v2/{'a' * 256}/tags/list", 400, "NAME_INVALID"),
    Case("GET", "/v2/caf%C3%A9/tags/list", 400, "NAME_INVALID"),
    # tags
    Case("GET", "/v2/a/manifests/.hidden", 400, "MANIFEST_INVALID"),
    Case("GET", "/v2/a/manifests/..", 400, "MANIFEST_INVALID"),
    Case("GET", "/v2/a/manifests/a%2fb", 400, "MANIFEST_INVALID"),
    Case("GET", "/v2/a/manifests/a%00b", 400, "MANIFEST_INVALID"),
    Case("PUT", f"/v2/a/manifests/{'t' * 129}", 400, "MANIFEST_INVALID", b"{}"),
    Case("PUT", f"/v2/a/manifests/{GOOD}?tag=bad/tag", 400, "MANIFEST_INVALID", b"{}"),
    Case("DELETE", "/v2/a/manifests/-x", 400, "MANIFEST_INVALID"),
    # digests
    Case("GET", "/v2/a/blobs/sha256:short", 400, "DIGEST_INVALID"),
    Case("GET", f"/v2/a/blobs/sha256:{HEX.upper()}", 400, "DIGEST_INVALID"),
    Case("GET", f"/v2/a/blobs/md5:{'a' * 32}", 400, "DIGEST_INVALID"),
    Case("GET", "/v2/a/blobs/nodigest", 400, "DIGEST_INVALID"),
    Case("GET", "/v2/a/blobs/..%2f..%2fetc%2fpasswd", 400, "DIGEST_INVALID"),
    Case("GET", "/v2/a/manifests/sha256:zz", 400, "DIGEST_INVALID"),
    Case("GET", "/v2/a/referrers/latest", 400, "DIGEST_INVALID"),
    Case("POST", "/v2/a/blobs/uploads/?digest=sha256:1", 400, "DIGEST_INVALID", b"x"),
    Case("POST", "/v2/a/blobs/uploads/?digest-algorithm=md5", 400, "DIGEST_INVALID"),
    Case("POST", f"/v2/a/blobs/uploads/?digest={GOOD}", 400, "DIGEST_INVALID", b"x"),
    Case("PUT", f"/v2/a/manifests/{GOOD}", 400, "DIGEST_INVALID", image((Digest.of(b""), 0))),
    # listings
    Case("GET", "/v2/_catalog?n=-1", 400, "UNSUPPORTED"),
    Case("GET", "/v2/_catalog?n=abc", 400, "UNSUPPORTED"),
    Case("GET", "/v2/_catalog?n=1e3", 400, "UNSUPPORTED"),
    Case("GET", "/v2/_catalog?n=%D9%A1", 400, "UNSUPPORTED"),
    Case("GET", "/v2/_catalog?n=1&n=2", 400, "UNSUPPORTED"),
    Case("GET", "/v2/a/tags/list?n=x", 400, "UNSUPPORTED"),
    Case("GET", "/v2/_catalog?" + "&".join(["x=1"] * 200), 400, "UNSUPPORTED"),
    # manifests
    manifest(b""),
    manifest(b"not json"),
    manifest(b'{"schemaVersion": 2'),
    manifest(b"\xff\xfe\x00"),
    manifest(b'{"annotations": {"k": "\xc3\x28"}}'),
    manifest(b"[]"),
    manifest(b'"text"'),
    manifest(b"[" * 200_000),
    manifest(b'{"a":' * 200_000),
    manifest(image((Digest.of(b""), 0)), OCI_INDEX),
    manifest(image((Digest.of(b""), 0), manifests=[])),
    manifest(b'{"schemaVersion": 1}', "application/vnd.docker.distribution.manifest.v1+json"),
    manifest(b'{"schemaVersion": 2, "mediaType": "a/b"}', "a/c"),
    manifest(b'{"schemaVersion": 2}', "nonsense"),
    manifest(b'{"schemaVersion": 2}', ""),
    # uploads
    Case("PATCH", "/v2/a/blobs/uploads/unknown", 404, "BLOB_UPLOAD_UNKNOWN", b"x"),
    Case("PUT", f"/v2/a/blobs/uploads/unknown?digest={GOOD}", 404, "BLOB_UPLOAD_UNKNOWN"),
    Case("PUT", "/v2/a/blobs/uploads/unknown", 404, "BLOB_UPLOAD_UNKNOWN"),
    Case("GET", "/v2/a/blobs/uploads/..%2f..", 404, "BLOB_UPLOAD_UNKNOWN"),
    Case("DELETE", "/v2/a/blobs/uploads/%00", 404, "BLOB_UPLOAD_UNKNOWN"),
    # endpoints and methods
    Case("POST", "/", 405, "UNSUPPORTED"),
    Case("GET", "/nowhere//", 404, "UNSUPPORTED"),
    Case("DELETE", "//v2/_catalog/", 405, "UNSUPPORTED"),
    Case("GET", "/v2/UPPER/manifests/v1/", 400, "NAME_INVALID"),
    Case("GET", "/v1/_ping", 404, "UNSUPPORTED"),
    Case("GET", "/v2/a", 404, "UNSUPPORTED"),
    Case("GET", "/v2/a/blobs/", 404, "UNSUPPORTED"),
    Case("POST", "/v2/a/manifests/v1", 405, "UNSUPPORTED"),
    Case("DELETE", "/v2/_catalog", 405, "UNSUPPORTED"),
    Case("PUT", f"/v2/a/blobs/{GOOD}", 405, "UNSUPPORTED", b"x"),
    Case("PATCH", "/v2/", 405, "UNSUPPORTED"),
    Case("BREW", "/v2/a/tags/list", 405, "UNSUPPORTED"),
    Case("OPTIONS", "/v2/a/tags/list", 405, "UNSUPPORTED"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.method} {case.path[:60]}")
async def test_bad_requests_get_a_clear_answer_and_leave_nothing(registry: Registry, case: Case):
    answer = await registry.call(
        case.method, case.path, data=case.body or None, headers=dict(case.headers)
    )
    assert answer.status == case.status, answer.body
    assert answer.codes == [case.code]
    assert answer.headers["Content-Type"].startswith("application/json")
    [error] = answer.json["errors"]
    assert len(error["message"]) > 10
    assert "Traceback" not in answer.body.decode()
    assert ".py" not in answer.body.decode()
    if case.status == 405:
        assert answer.headers["Allow"]
    assert registry.files() == set()
    assert registry.index.replica.vector() == {}, "no event was written"
    assert registry.index.metadata.uploads() == []


async def exchange(registry: Registry, request: bytes) -> bytes:
    """Send raw bytes and read the head of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", registry.port)
    writer.write(request)
    answer = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    return answer


def head(method: str, path: str, *fields: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *fields, "", ""]).encode()


async def cut_off(registry: Registry, request: bytes) -> None:
    """Send a request that never ends, and hang up."""
    _, writer = await asyncio.open_connection("127.0.0.1", registry.port)
    writer.write(request)
    await writer.drain()
    writer.transport.abort()


@pytest.mark.parametrize(
    "request_bytes",
    [b"nonsense\r\n\r\n", b"GET /v2/ HTTP/9.9\r\n\r\n",
     b"GET /v2/ HTTP/1.1\r\nBad Header: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
     b"GET /v2/ HTTP/1.1\r\nContent-Length: -1\r\n\r\n"],
    ids=range(5),
)  # fmt: skip
async def test_what_is_not_http_gets_an_oci_error_too(registry: Registry, request_bytes: bytes):
    reader, writer = await asyncio.open_connection("127.0.0.1", registry.port)
    writer.write(request_bytes)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert answer.partition(b" ")[2][:3] in (b"400", b"405", b"505")
    assert b'{"errors":[{"code":"UNSUPPORTED"' in answer
    assert b"aiohttp" not in answer


async def test_a_single_post_that_is_cut_leaves_nothing(registry: Registry):
    for length in (1000, 900_000):
        path = f"/v2/lib/app/blobs/uploads/?digest={Digest.of(DATA)}"
        request = head("POST", path, f"Content-Length: {length}") + b"x" * (length // 2)
        await cut_off(registry, request)
    # With none open it may be that the last one has not begun.
    while len(registry.observed.requests) < 2 or registry.uploads.open_count:
        await asyncio.sleep(0.01)
    assert registry.files() == set()
    assert registry.index.metadata.uploads() == []
    assert registry.index.replica.vector() == {}


@pytest.mark.parametrize(
    ("announced", "sent"), [("0-9", b"x" * 9), ("0-9", b"x" * 11), ("9-0", b"x"), ("abc", b"x"),
                            ("0-", b"x"), ("-5", b"x"), ("0-99999999999999999999", b"x")],
)  # fmt: skip
async def test_chunks_unlike_their_content_range(registry: Registry, announced: str, sent: bytes):
    async def stream():
        yield sent

    location = await registry.start_upload("lib/app")
    for body in (sent, stream()):
        answer = await registry.call(
            "PATCH", location, data=body, headers={"Content-Range": announced}
        )
        assert answer.status == 400
        assert answer.codes == ["SIZE_INVALID"]
    assert (await registry.call("GET", location)).headers["Range"] == "0-0"


@pytest.mark.parametrize("data", [b"small", DATA])
async def test_a_wrong_digest_ends_the_upload_and_shows_nothing(registry: Registry, data: bytes):
    wrong = Digest.of(b"something else")
    for in_put in (True, False):
        location = await registry.start_upload("lib/app")
        if not in_put:
            await registry.call("PATCH", location, data=data)
        answer = await registry.call(
            "PUT", f"{location}?digest={wrong}", data=data if in_put else None
        )
        assert answer.status == 400
        assert answer.codes == ["DIGEST_INVALID"]
        assert (await registry.call("GET", location)).status == 404
        for digest in (wrong, Digest.of(data)):
            assert (await registry.call("GET", f"/v2/lib/app/blobs/{digest}")).status == 404
    assert registry.files() == set()


async def test_two_writers_cannot_share_an_upload(registry: Registry):
    location = await registry.start_upload("lib/app")
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slow():
        yield b"0123"
        arrived.set()
        await go_on.wait()
        yield b"4567"

    first = asyncio.create_task(registry.call("PATCH", location, data=slow()))
    await arrived.wait()
    while (second := await registry.call("PATCH", location, data=b"x")).status == 202:
        pytest.fail("the second writer got in")
    assert second.status == 409
    assert second.codes == ["BLOB_UPLOAD_INVALID"]
    go_on.set()
    assert (await first).headers["Range"] == "0-7"


async def test_a_large_manifest_is_refused_before_it_is_read(registry: Registry):
    """The answer to 100 MiB comes although only the head of the request was sent."""
    fields = (f"Content-Length: {100 << 20}", f"Content-Type: {OCI_MANIFEST}")
    answer = await exchange(registry, head("PUT", "/v2/a/manifests/v1", *fields))
    assert answer.startswith(b"HTTP/1.1 413")


async def test_a_large_manifest_of_unknown_length_is_refused_while_reading(registry: Registry):
    piece = b"%x\r\n%s\r\n" % (1 << 20, b" " * (1 << 20))
    request = head("PUT", "/v2/a/manifests/v1", "Transfer-Encoding: chunked") + piece * 5
    answer = await exchange(registry, request)
    assert answer.startswith(b"HTTP/1.1 413")


async def test_a_refused_body_is_not_invited(registry: Registry):
    """Expect: 100-continue is answered with the refusal itself, not with an invitation."""
    fields = (f"Content-Length: {100 << 20}", "Expect: 100-continue")
    answer = await exchange(registry, head("PUT", "/v2/a/manifests/v1", *fields))
    assert answer.startswith(b"HTTP/1.1 413")
    location = await registry.start_upload("lib/app")
    fields = ("Content-Length: 4", "Expect: 100-continue")
    reader, writer = await asyncio.open_connection("127.0.0.1", registry.port)
    writer.write(head("PATCH", location, *fields))
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"0123")
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 202")
    writer.close()
    await writer.wait_closed()


async def test_paused_uploads_hold_no_descriptors(registry: Registry):
    """A thousand abandoned uploads would take every file that the process may open."""
    paths = [await registry.start_upload("lib/app") for _ in range(20)]
    before = len(os.listdir("/proc/self/fd"))
    for path in paths:
        assert (await registry.call("PATCH", path, data=b"a chunk")).status == 202
    assert len(os.listdir("/proc/self/fd")) <= before + 2
    whole = b"a chunk" * 2
    for path in paths:
        await registry.call("PATCH", path, data=b"a chunk")
        answer = await registry.call("PUT", f"{path}?digest={Digest.of(whole)}")
        assert answer.status == 201
