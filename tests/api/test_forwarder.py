"""Uploads whose requests reach different nodes, as they do behind a load balancer."""

import asyncio
import io
import json
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack

import pytest

from cluster.model import Digest
from node.http.limits import ApiLimits
from node.oci.forwarder import ForwardConfig
from node.oci.upstream import FORWARDED_BY
from tests.api.conftest import AddressBook, Registry, StartRegistry
from tests.api.wire import Wire, head

DATA = bytes(range(256)) * 2000
DIGEST = Digest.of(DATA)


@pytest.fixture
async def nodes(start_registry: StartRegistry) -> tuple[Registry, Registry]:
    """Two nodes that know each other: the owner of the tests' uploads, and another one."""
    book = AddressBook()
    return (
        await start_registry(node="eu-0", neighbours=book),
        await start_registry(node="us-0", neighbours=book),
    )


async def test_an_upload_wanders_between_nodes(nodes: tuple[Registry, Registry]):
    """If this fails, pushes behind a load balancer need sticky sessions."""
    owner, other = nodes
    opened = await owner.call("POST", "/v2/lib/app/blobs/uploads/")
    location = opened.headers["Location"]
    assert location.startswith("/v2/lib/app/blobs/uploads/")
    assert location.endswith(".eu-0")
    first = await other.call(
        "PATCH", location, data=DATA[:1000], headers={"Content-Range": "0-999"}
    )
    assert (first.status, first.headers["Range"]) == (202, "0-999")
    assert first.headers["Location"] == location
    assert (await owner.call("PATCH", location, data=DATA[1000:2000])).status == 202
    status = await other.call("GET", location)
    assert (status.status, status.headers["Range"]) == (204, "0-1999")
    done = await other.call("PUT", f"{location}?digest={DIGEST}", data=DATA[2000:])
    assert (done.status, done.headers["Docker-Content-Digest"]) == (201, DIGEST)
    assert done.headers["Location"] == f"/v2/lib/app/blobs/{DIGEST}"
    assert (await owner.call("GET", f"/v2/lib/app/blobs/{DIGEST}")).body == DATA
    assert owner.uploads.open_count == other.uploads.open_count == 0
    assert not other.files(), "the other node kept something of it"


async def test_a_chunked_body_is_passed_on_as_it_comes(nodes: tuple[Registry, Registry]):
    """If this fails, a node holds whole layers in memory for somebody else."""
    owner, other = nodes
    location = await owner.start_upload("lib/app")

    async def pieces() -> AsyncIterator[bytes]:
        yield b"x" * (2 << 20)  # an owner writes as soon as it has a MiB
        while not owner.files():
            await asyncio.sleep(0.01)
        yield b"y"

    answer = await other.call("PATCH", location, data=pieces())
    assert (answer.status, answer.headers["Range"]) == (202, f"0-{2 << 20}")


async def test_cancelling_reaches_the_owner(nodes: tuple[Registry, Registry]):
    owner, other = nodes
    location = await owner.start_upload("lib/app")
    assert (await other.call("DELETE", location)).status == 204
    assert owner.uploads.open_count == 0


@pytest.mark.parametrize("repository", ["lib/other", "lib/app/x"])
async def test_an_upload_belongs_to_its_repository(
    nodes: tuple[Registry, Registry], repository: str
):
    """If this fails, an id of one repository writes into another one."""
    owner, other = nodes
    location = await owner.start_upload("lib/app")
    answer = await other.call("PATCH", location.replace("lib/app", repository), data=b"x")
    assert (answer.status, answer.codes) == (404, ["BLOB_UPLOAD_UNKNOWN"])


async def test_the_owners_refusal_comes_back_whole(nodes: tuple[Registry, Registry]):
    """If this fails, a client cannot resume: status, code, Range and Location are how it does."""
    owner, other = nodes
    location = await owner.start_upload("lib/app")
    await owner.call("PATCH", location, data=DATA[:10])
    answer = await other.call(
        "PATCH",
        location,
        data=b"x",
        headers={"Content-Range": "5-5", "X-Request-Id": "r-1", "Expect": "100-continue"},
    )
    assert (answer.status, answer.codes) == (416, ["BLOB_UPLOAD_INVALID"])
    assert (answer.headers["Range"], answer.headers["Location"]) == ("0-9", location)
    assert answer.headers.getall("X-Request-Id") == ["r-1"]
    wrong = await other.call("PUT", f"{location}?digest={DIGEST}")
    assert (wrong.status, wrong.codes) == (400, ["DIGEST_INVALID"])


@pytest.mark.parametrize("owner", ["gone-0", "us-0", "eu-0"])
async def test_an_unknown_owner_or_session_is_an_unknown_upload(
    nodes: tuple[Registry, Registry], owner: str
):
    """If this fails, a client with a dead upload gets no word that tells it to start again."""
    path = f"/v2/lib/app/blobs/uploads/2b1d6c0e-8f0a-4a55-9d0e-0f6a3f1f7a11.{owner}"
    answer = await nodes[1].call("PATCH", path, data=b"x")
    assert (answer.status, answer.codes) == (404, ["BLOB_UPLOAD_UNKNOWN"])


async def test_a_dead_owner_is_an_unknown_upload(nodes: tuple[Registry, Registry]):
    owner, other = nodes
    location = await owner.start_upload("lib/app")
    await owner.stop()
    answer = await other.call("PATCH", location, data=b"x")
    assert (answer.status, answer.codes) == (404, ["BLOB_UPLOAD_UNKNOWN"])


async def test_a_forwarded_request_goes_no_further(nodes: tuple[Registry, Registry]):
    """If this fails, two nodes with wrong addresses of each other forward for ever."""
    owner, other = nodes
    location = await owner.start_upload("lib/app")
    answer = await other.call("PATCH", location, data=b"x", headers={FORWARDED_BY: "ap-0"})
    assert (answer.status, answer.codes) == (404, ["BLOB_UPLOAD_UNKNOWN"])
    assert owner.observed.requests == [("upload.start", "POST", 202)]


async def test_an_address_that_leads_back_ends_at_once(start_registry: StartRegistry):
    """The same for a node that another one's address leads to."""
    book = AddressBook()
    node = await start_registry(node="us-0", neighbours=book)
    book["eu-0"] = book["us-0"]
    answer = await node.call("PATCH", "/v2/lib/app/blobs/uploads/x.eu-0", data=b"x")
    assert (answer.status, answer.codes) == (404, ["BLOB_UPLOAD_UNKNOWN"])
    assert len(node.observed.requests) == 2


async def test_a_request_keeps_its_id_on_both_nodes(
    nodes: tuple[Registry, Registry], lines: io.BytesIO
):
    """If this fails, nobody can follow a push through the logs of two nodes."""
    owner, other = nodes
    location = await owner.start_upload("lib/app")
    answer = await other.call("PATCH", location, data=b"x", headers={"X-Request-Id": "mine"})
    assert answer.status == 202
    events = [json.loads(line) for line in lines.getvalue().splitlines()]
    patches = [event for event in events if event.get("method") == "PATCH"]
    assert [event["request_id"] for event in patches] == ["mine", "mine"]


async def test_a_client_that_leaves_frees_the_session(nodes: tuple[Registry, Registry]):
    """If this fails, the session stays busy for ever."""
    owner, other = nodes
    location = await owner.start_upload("lib/app")
    _, writer = await asyncio.open_connection("127.0.0.1", other.port)
    head = f"PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n".encode()
    writer.write(head + b"x" * (2 << 20))
    while not owner.files():
        await asyncio.sleep(0.01)
    writer.transport.abort()
    while len(owner.observed.requests) < 2 or not other.observed.requests:
        await asyncio.sleep(0.01)
    kept = int((await other.call("GET", location)).headers["Range"].removeprefix("0-")) + 1
    assert 1 << 20 <= kept <= 2 << 20
    answer = await other.call("PATCH", location, data=b"cd")
    assert answer.headers["Range"] == f"0-{kept + 1}"


async def test_a_client_that_stalls_is_told_so(start_registry: StartRegistry):
    """If this fails, a silent client makes its owner look dead."""
    book = AddressBook()
    owner = await start_registry(node="eu-0", neighbours=book)
    other = await start_registry(ApiLimits(body_idle_s=0.05), node="us-0", neighbours=book)
    location = await owner.start_upload("lib/app")
    reader, writer = await asyncio.open_connection("127.0.0.1", other.port)
    writer.write(f"PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab".encode())
    assert b" 408 " in await reader.readline()
    writer.close()
    await writer.wait_closed()


Reply = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def call_a_fake_owner(
    start_registry: StartRegistry, reply: Reply, config: ForwardConfig
) -> tuple[int, list[str]]:
    """Send a chunk for an owner that does what *reply* does."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reply(reader, writer)
        finally:
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        book = AddressBook({"eu-0": f"127.0.0.1:{port}"})
        node = await start_registry(node="us-0", neighbours=book, forward=config)
        answer = await node.call("PATCH", "/v2/lib/app/blobs/uploads/x.eu-0", data=DATA)
        return answer.status, answer.codes


async def test_an_owner_that_hangs_is_a_503(start_registry: StartRegistry):
    """If this fails, "unknown" is said of an upload that may be complete; or nothing ever."""

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # everything, and then the end of the connection

    config = ForwardConfig(silence_s=0.1)
    answer = await call_a_fake_owner(start_registry, hang, config)
    assert answer == (503, ["UNAVAILABLE"])


async def test_an_owner_that_cannot_be_connected_is_an_unknown_upload(
    start_registry: StartRegistry,
):
    """If this fails, a client waits for minutes for a machine that is gone."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as owner, ExitStack() as waiting:
        # Nobody accepts: once the queue is full the kernel drops each SYN, as a dead machine would.
        for _ in range(4):
            filler = waiting.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(owner.getsockname())
        book = AddressBook({"eu-0": f"127.0.0.1:{owner.getsockname()[1]}"})
        config = ForwardConfig(connect_timeout_s=0.1, silence_s=300)
        node = await start_registry(node="us-0", neighbours=book, forward=config)
        async with asyncio.timeout(5):
            answer = await node.call("PATCH", "/v2/lib/app/blobs/uploads/x.eu-0", data=DATA)
    codes = [error["code"] for error in json.loads(answer.body)["errors"]]
    assert (answer.status, codes) == (404, ["BLOB_UPLOAD_UNKNOWN"])


async def test_an_owner_that_dies_in_between_is_an_unknown_upload(start_registry: StartRegistry):
    async def die(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1000)
        writer.transport.abort()

    answer = await call_a_fake_owner(start_registry, die, ForwardConfig())
    assert answer == (404, ["BLOB_UPLOAD_UNKNOWN"])


async def test_an_answer_above_its_cap_is_not_read(start_registry: StartRegistry):
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(len(DATA))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000)
        await writer.drain()

    answer = await call_a_fake_owner(start_registry, talk, ForwardConfig(answer_max_bytes=4999))
    assert answer == (404, ["BLOB_UPLOAD_UNKNOWN"])


async def test_requests_on_their_way_are_capped(start_registry: StartRegistry):
    """If this fails, a node spends all its memory on another one's uploads."""

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise AssertionError("nobody may be asked")

    answer = await call_a_fake_owner(start_registry, never, ForwardConfig(running_max=0))
    assert answer == (429, ["TOOMANYREQUESTS"])


async def test_only_known_headers_are_passed_on(start_registry: StartRegistry):
    """If this fails, a stranger speaks to another node with this one's voice."""
    heads: list[bytes] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        await reader.readexactly(2)
        writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(note, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        book = AddressBook({"eu-0": f"127.0.0.1:{port}"})
        node = await start_registry(node="us-0", neighbours=book)
        sent = {"Connection": "close, x", "X": "1", "Cookie": "a=b", "Authorization": "Bearer t"}
        path = "/v2/lib/app/blobs/uploads/x.eu-0?a=%2F+b"
        assert (await node.call("PATCH", path, data=b"xy", headers=sent)).status == 202
    [head] = heads
    assert head.startswith(b"PATCH /v2/lib/app/blobs/uploads/x.eu-0?a=%2F+b HTTP/1.1\r\n")
    names = set(re.findall(rb"(?m)^([\w-]+): ", head))
    assert names <= {
        *(b"Host", b"Accept", b"Accept-Encoding", b"User-Agent", b"Connection", b"Authorization"),
        *(b"Content-Length", b"Content-Type", b"Atoll-Forwarded-By", b"X-Request-Id"),
    }
    assert b"Authorization: Bearer t\r\n" in head
    assert b"Content-Length: 2\r\n" in head
    assert b"Atoll-Forwarded-By: us-0\r\n" in head


INVITED = "Expect: 100-continue"


@pytest.mark.parametrize("known", [True, False])
async def test_a_body_is_invited_only_when_the_owner_wants_it(
    nodes: tuple[Registry, Registry], known: bool
):
    """Broken: a client is told to send a layer for an upload that nobody knows."""
    owner, other = nodes
    location = await owner.start_upload("lib/app")
    if not known:
        await owner.call("DELETE", location)
    wire = await Wire.to(other)
    await wire.send(head("PATCH", location, INVITED, "Content-Length: 5"))
    if known:
        await wire.invited()
        await wire.send(b"hello")
    answer = await wire.reply()
    assert answer.status == (202 if known else 404)
    if not known:
        assert answer.codes == ["BLOB_UPLOAD_UNKNOWN"]
    await wire.close()
    if known:
        assert (await owner.call("GET", location)).headers["Range"] == "0-4"
