"""The edge itself: request ids, what goes into the log, and answers when something breaks."""

import asyncio
import io
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest

from cluster.errors import StorageFull
from cluster.model import Digest
from node.errors import IndexFull, StorageFailure
from node.http import connection, transmission
from node.http.filesource import SourceFailed
from node.http.limits import STALL
from node.registry.ports import RemoteBlob
from tests.api.conftest import Registry, image
from tests.fakes.rot import blob_file

MISSING = "/v2/lib/app/manifests/v1"


def events(lines: io.BytesIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


@pytest.mark.parametrize("given", ["abc-123", "0af7651916cd43dd8448eb211c80319c"])
async def test_a_request_id_is_kept_and_logged(registry: Registry, lines: io.BytesIO, given: str):
    answer = await registry.call("GET", MISSING, headers={"X-Request-Id": given})
    assert answer.headers["X-Request-Id"] == given
    [line] = [event for event in events(lines) if event["event"] == "request"]
    assert line["request_id"] == given
    assert (line["method"], line["path"], line["status"]) == ("GET", MISSING, 404)


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "a{b}", "<script>"])
async def test_an_odd_request_id_is_replaced(registry: Registry, given: str):
    answer = await registry.call("GET", MISSING, headers={"X-Request-Id": given})
    assert answer.headers["X-Request-Id"] != given
    assert len(answer.headers["X-Request-Id"]) == 16


async def test_writes_are_logged_and_pulls_are_not(registry: Registry, lines: io.BytesIO):
    await registry.push_image("lib/app", "v1")
    assert {event["method"] for event in events(lines)} == {"POST", "PUT"}
    before = len(events(lines))
    assert (await registry.call("GET", MISSING)).status == 200
    assert len(events(lines)) == before


async def test_requests_and_bytes_are_counted(registry: Registry):
    blob = await registry.push_blob("lib/app", b"y" * 200_000)
    seen = registry.observed
    assert seen.requests == [("upload.start", "POST", 201)]
    assert (seen.bytes_in, seen.bytes_out) == (200_000, 0)
    await registry.call("GET", f"/v2/lib/app/blobs/{blob}")
    await registry.call("HEAD", f"/v2/lib/app/blobs/{blob}")
    assert seen.bytes_out == 200_000
    await registry.call("GET", "/nowhere")
    assert seen.requests[1:] == [
        ("blob.read", "GET", 200),
        ("blob.read", "HEAD", 200),
        ("none", "GET", 404),
    ]


async def test_an_unexpected_error_tells_nothing_of_the_inside(
    registry: Registry, lines: io.BytesIO, monkeypatch: pytest.MonkeyPatch
):
    def broken(repository: str, tag: str) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(registry.index.metadata, "tagged", broken)
    answer = await registry.call("GET", MISSING)
    assert answer.status == 500
    assert answer.codes == ["UNKNOWN"]
    assert b"secret" not in answer.body
    [line] = [event for event in events(lines) if event["level"] == "error"]
    assert "secret detail" in str(line["exception"])
    assert line["request_id"] == answer.headers["X-Request-Id"]


@pytest.mark.parametrize(
    "failure", [StorageFailure("/secret/file"), SourceFailed(OSError(5, "/secret/file"))]
)
async def test_a_failing_disk_is_a_500_and_never_a_404(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, failure: Exception
):
    digest = await registry.push_blob("lib/app", b"x")

    async def broken(asked: object, *, whole: bool) -> None:
        raise failure

    monkeypatch.setattr(registry.blobs, "serve", broken)
    answer = await registry.call("GET", f"/v2/lib/app/blobs/{digest}")
    assert answer.status == 500
    assert answer.codes == ["UNKNOWN"]


async def test_below_the_reserve_only_new_content_is_refused(registry: Registry):
    """Broken: a disk that pushes have filled cannot be emptied by deleting."""
    digest = await registry.push_image("lib/app", "v1", "v2")
    session = await registry.start_upload("lib/app")
    manifest = (await registry.call("GET", "/v2/lib/app/manifests/v1")).body
    registry.refusals.append(StorageFull("no room"))
    for method, path in (
        ("POST", "/v2/lib/app/blobs/uploads/"),
        ("POST", f"/v2/lib/other/blobs/uploads/?mount={digest}&from=lib/app"),
        ("PATCH", session),
        ("PUT", f"{session}?digest={Digest.of(b'x')}"),
        ("PUT", "/v2/lib/app/manifests/v3"),
    ):
        answer = await registry.call(method, path, data=b"x")
        assert (answer.status, answer.codes) == (503, ["UNAVAILABLE"]), (method, path)
        assert int(answer.headers["Retry-After"]) > 0
    assert (await registry.call("GET", session)).status == 204
    assert (await registry.call("GET", "/v2/lib/app/manifests/v1")).status == 200
    assert (await registry.call("DELETE", session)).status == 204
    assert (await registry.call("DELETE", "/v2/lib/app/manifests/v2")).status == 202
    assert (await registry.call("DELETE", f"/v2/lib/app/manifests/{digest}")).status == 202
    registry.refusals.clear()
    assert (await registry.put_manifest("lib/app", "v3", manifest)).status == 201


async def test_a_full_index_is_a_503_and_never_a_500(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, lines: io.BytesIO
):
    """Broken: clients give up, although room will be made."""

    async def full(change: object) -> None:
        raise IndexFull

    monkeypatch.setattr(registry.index.metadata, "note", full)
    answer = await registry.call("POST", "/v2/lib/app/blobs/uploads/")
    assert (answer.status, answer.codes) == (503, ["UNAVAILABLE"])
    assert int(answer.headers["Retry-After"]) > 0
    assert not [event for event in events(lines) if event["level"] == "error"]


async def test_a_full_disk_refuses_and_keeps_the_session(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
):
    import errno
    import os

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    location = await registry.start_upload("lib/app")
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", full)
        patched.setattr(os, "write", full)
        answer = await registry.call("PATCH", location, data=b"x" * 300_000)
    assert answer.status == 503
    assert answer.codes == ["UNAVAILABLE"]
    assert (await registry.call("GET", location)).headers["Range"] == "0-0"
    assert (await registry.call("PATCH", location, data=b"x" * 300_000)).status == 202


@pytest.mark.parametrize(("text_bytes", "requests"), [(3_000_000, 1), (100, 40_000)])
async def test_a_client_that_does_not_read_is_dropped_whatever_the_answer(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, text_bytes: int, requests: int
):
    """Broken: it holds one large manifest, or many small answers, and its connection, for ever."""
    config = await registry.push_blob("lib/app", b"{}")
    body = image((config, 2), annotations={"text": "x" * text_bytes})
    assert (await registry.put_manifest("lib/app", "big", body)).status == 201
    monkeypatch.setattr(connection, "STALL", replace(STALL, number=0.05))
    made = connection.Connection.connection_made
    served: list[connection.Connection] = []

    def small(self: connection.Connection, transport: asyncio.Transport) -> None:
        made(self, transport)
        served.append(self)
        # The usual socket buffers take a whole manifest.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)

    monkeypatch.setattr(connection.Connection, "connection_made", small)
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        client.setblocking(False)
        await loop.sock_connect(client, ("127.0.0.1", registry.port))
        request = b"GET /v2/lib/app/manifests/big HTTP/1.1\r\nHost: x\r\n\r\n"
        async with asyncio.timeout(30):
            with suppress(ConnectionError):  # it is dropped while it is still sending
                await loop.sock_sendall(client, request * requests)
            while served[0].transport is not None:
                await asyncio.sleep(0.01)
            received = 0
            with suppress(ConnectionError):
                while data := await loop.sock_recv(client, 1 << 16):
                    received += len(data)
    assert received < len(body) * requests
    assert (await registry.call("HEAD", "/v2/lib/app/manifests/big")).status == 200


async def test_a_client_that_leaves_in_the_middle_is_no_error(
    registry: Registry, lines: io.BytesIO, caplog: pytest.LogCaptureFixture
):
    blob = await registry.push_blob("lib/app", b"y" * 20_000_000)
    for method, path in (
        ("GET", f"/v2/lib/app/blobs/{blob}"),
        ("PUT", "/v2/lib/app/manifests/v1"),
    ):
        served = len(registry.observed.requests)
        reader, writer = await asyncio.open_connection("127.0.0.1", registry.port)
        fields = "Host: x\r\nContent-Length: 10" if method == "PUT" else "Host: x"
        writer.write(f"{method} {path} HTTP/1.1\r\n{fields}\r\n\r\n".encode())
        if method == "GET":
            await reader.readuntil(b"\r\n\r\n")
        else:
            await writer.drain()
        writer.transport.abort()
        while len(registry.observed.requests) == served:
            await asyncio.sleep(0.01)
    assert [event for event in events(lines) if event["level"] == "error"] == []
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
    assert (await registry.call("GET", "/v2/")).status == 200


def read_to_the_end(client: socket.socket) -> int:
    """How many bytes came before the connection ended; a reset is such an end."""
    received = 0
    with client, suppress(ConnectionResetError):
        while data := client.recv(1 << 16):
            received += len(data)
    return received


async def test_a_client_that_does_not_read_is_dropped(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
):
    """Each would keep its answer, and its connection, for ever."""
    monkeypatch.setattr(transmission, "STALL", replace(STALL, number=0.05))
    size = 20_000_000
    blob = await registry.push_blob("lib/app", b"y" * size)
    client = socket.create_connection(("127.0.0.1", registry.port))
    served = len(registry.observed.requests)
    client.sendall(f"GET /v2/lib/app/blobs/{blob} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    while len(registry.observed.requests) == served:
        await asyncio.sleep(0.01)
    received = await asyncio.to_thread(read_to_the_end, client)
    assert received < size
    assert (await registry.call("GET", "/v2/")).status == 200


class Elsewhere:
    """A `RemoteBlob` of zeros."""

    size = 20_000_000

    def __init__(self) -> None:
        self.open = 0
        """Readers that have not closed what they read."""

    async def stream(self, offset: int, length: int) -> AsyncIterator[bytes]:
        self.open += 1
        try:
            while length:
                piece = min(length, 1 << 20)
                yield bytes(piece)
                length -= piece
        finally:
            self.open -= 1


@pytest.mark.parametrize("fields", ["", "Range: bytes=0-9999999,10000001-19999999\r\n"])
@pytest.mark.parametrize("hangs_up", [False, True])
async def test_a_client_that_does_not_read_what_comes_from_a_peer_is_dropped(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, hangs_up: bool, fields: str
):
    """Broken: it keeps the transfer from the other node, too."""
    left_open = []

    @asynccontextmanager
    async def fetch(digest: Digest, size: int) -> AsyncIterator[RemoteBlob]:
        blob = Elsewhere()
        try:
            yield blob
        finally:
            left_open.append(blob.open)

    monkeypatch.setattr(connection, "STALL", replace(STALL, number=60 if hangs_up else 0.05))
    monkeypatch.setattr(registry.replicator, "fetch", fetch)
    blob = await registry.push_blob("lib/app", b"y" * Elsewhere.size)
    blob_file(registry.data_dir, blob).unlink()
    client = socket.create_connection(("127.0.0.1", registry.port))
    served = len(registry.observed.requests)
    client.sendall(f"GET /v2/lib/app/blobs/{blob} HTTP/1.1\r\nHost: x\r\n{fields}\r\n".encode())
    if hangs_up:
        assert await asyncio.to_thread(client.recv, 1)
        client.close()
    async with asyncio.timeout(30):
        while len(registry.observed.requests) == served:
            await asyncio.sleep(0.01)
    if not hangs_up:
        received = await asyncio.to_thread(read_to_the_end, client)
        assert 100_000 < received < Elsewhere.size
    assert left_open == [0]


async def test_requests_on_one_connection_do_not_mix(registry: Registry):
    """Keep-alive after every kind of answer: the next request on the connection still works."""
    digest = await registry.push_image("lib/app", "v1")
    blob = await registry.push_blob("lib/app", b"y" * 200_000)
    reader, writer = await asyncio.open_connection("127.0.0.1", registry.port)
    for path, status in (
        (f"/v2/lib/app/manifests/{digest}", b"200"),
        (f"/v2/lib/app/blobs/{blob}", b"200"),
        ("/v2/lib/app/manifests/none", b"404"),
        ("/v2/UPPER/manifests/none", b"400"),
        ("/v2/", b"200"),
    ):
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.split(b" ", 2)[1] == status
        fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
        await reader.readexactly(int(fields[b"Content-Length"]))
    writer.close()
    await writer.wait_closed()
