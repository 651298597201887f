"""A node that keeps nothing has members answer: what a client sends and gets is as at a member."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import msgspec
import pytest

from cluster.model import Digest, Member
from node.errors import IndexFull
from node.oci.proxy import ProxyConfig
from node.oci.upstream import FORWARDED_BY, PASSED_BY
from tests.api.conftest import AddressBook, Answer, Registry, StartRegistry
from tests.api.wire import Wire, head
from tests.builders import a_member

DATA = bytes(range(256)) * 2000
DIGEST = Digest.of(DATA)
GONE = "127.0.0.1:1"
"""Nobody listens there."""


def at(address: str, node: str = "eu-0") -> Member:
    return msgspec.structs.replace(a_member(node), http=address)


def through(proxy: Registry, *members: Registry | str) -> None:
    """Have *members* answer in the place of *proxy*."""
    proxy.members.proxy = True
    proxy.members.there = [
        at(each if isinstance(each, str) else f"127.0.0.1:{each.port}", f"eu-{number}")
        for number, each in enumerate(members)
    ]


@pytest.fixture
async def nodes(start_registry: StartRegistry) -> tuple[Registry, Registry]:
    """A proxy, and the member that answers for it."""
    book = AddressBook()
    proxy = await start_registry(node="new-0", neighbours=book)
    member = await start_registry(node="eu-0", neighbours=book)
    through(proxy, member)
    return proxy, member


async def test_an_image_is_pushed_and_pulled_through_it(nodes: tuple[Registry, Registry]):
    """Broken: a node that waits to be a member is 503 to all, or keeps what nobody counts."""
    proxy, member = nodes
    digest = await proxy.push_image("lib/app", "v1")
    assert member.index.metadata.tag("lib/app", "v1") == digest
    for method in ("GET", "HEAD"):
        for path in (f"manifests/{digest}", "manifests/v1", f"blobs/{Digest.of(b'layer x')}"):
            here, there = [
                await node.call(method, f"/v2/lib/app/{path}") for node in (proxy, member)
            ]
            assert (here.status, here.body) == (there.status, there.body)
            same = {name: value for name, value in there.headers.items() if name != "Date"}
            assert {n: v for n, v in here.headers.items() if n != "Date"} == same
    assert (await proxy.call("GET", "/v2/lib/app/tags/list")).json["tags"] == ["v1"]
    ranged = await proxy.call(
        "GET", f"/v2/lib/app/blobs/{Digest.of(b'layer x')}", headers={"Range": "bytes=2-4"}
    )
    assert (ranged.status, ranged.body) == (206, b"yer")
    assert (await proxy.call("DELETE", "/v2/lib/app/manifests/v1")).status == 202
    assert member.index.metadata.tag("lib/app", "v1") is None
    assert not proxy.files()
    assert not proxy.index.journal.durable, "it has logged something"


async def test_an_upload_in_chunks_goes_to_who_has_it(start_registry: StartRegistry):
    """Broken: each chunk comes to another member, or back to the proxy."""
    book = AddressBook()
    proxy, other, owner = [
        await start_registry(node=name, neighbours=book) for name in ("new-0", "eu-0", "eu-1")
    ]
    through(proxy, other, owner)
    location = await owner.start_upload("lib/app")
    for part in (DATA[:1000], DATA[1000:]):
        answer = await proxy.call("PATCH", location, data=part)
        assert (answer.status, answer.headers["Location"]) == (202, location)
    assert not other.observed.requests, "the owner was not asked first"
    through(proxy, other)
    done = await proxy.call("PUT", f"{location}?digest={DIGEST}")
    assert done.status == 201, "by way of a member that knows the owner"
    assert (await owner.call("GET", f"/v2/lib/app/blobs/{DIGEST}")).body == DATA


async def test_bodies_go_through_as_they_come(nodes: tuple[Registry, Registry]):
    """Broken: a proxy holds whole layers in memory."""
    proxy, member = nodes
    location = await member.start_upload("lib/app")

    async def pieces() -> AsyncIterator[bytes]:
        yield b"x" * (2 << 20)  # a member writes as soon as it has a MiB
        while not member.files():
            await asyncio.sleep(0.01)
        yield b"y"

    answer = await proxy.call("PATCH", location, data=pieces())
    assert (answer.status, answer.headers["Range"]) == (202, f"0-{2 << 20}")


async def test_an_answer_goes_through_as_it_comes(start_registry: StartRegistry):
    """The same the other way: a member that waits for the client to have the beginning."""
    read = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
        await read.wait()
        writer.write(b"cd")
        await writer.drain()

    async with fake(talk) as address:
        proxy = await start_registry(node="new-0")
        through(proxy, address)
        async with proxy.session.get(f"{proxy.url}/v2/lib/app/blobs/{DIGEST}") as answer:
            assert await answer.content.readexactly(2) == b"ab"
            read.set()
            assert await answer.content.read() == b"cd"


class fake:
    """A member that answers as it is told; its address."""

    def __init__(
        self, *replies: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
    ) -> None:
        self._replies = list(replies)
        self._stack = AsyncExitStack()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._replies.pop(0)(reader, writer)
        finally:
            writer.close()

    async def __aenter__(self) -> str:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        await self._stack.enter_async_context(server)
        return f"127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def __aexit__(self, *_: object) -> None:
        assert not self._replies, "it was not asked as often"
        await self._stack.aclose()


def saying(answer: bytes, heads: list[bytes] | None = None, body_bytes: int = 0):
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        told = await reader.readuntil(b"\r\n\r\n")
        if heads is not None:
            heads.append(told)
        await reader.readexactly(body_bytes)
        writer.write(answer)
        await writer.drain()

    return reply


async def test_what_the_member_is_told(start_registry: StartRegistry):
    """Broken: a member cannot tell who asks, or hears what was meant for the proxy alone."""
    heads: list[bytes] = []
    answer = saying(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", heads, 2)
    sent = {
        "Connection": "close, X-Mine",
        "X-Mine": "1",
        "TE": "trailers",
        "Authorization": "Bearer t",
        "User-Agent": "client/1",
        "X-Forwarded-For": "10.0.0.1",
        "X-Forwarded-Proto": "https",
        "X-Request-Id": "r-1",
        "X-Other": "2",
    }
    async with fake(answer) as address:
        proxy = await start_registry(node="new-0")
        through(proxy, address)
        path = "/v2/lib/app/blobs/uploads/x.eu-0?a=%2F+b"
        assert (await proxy.call("PATCH", path, data=b"xy", headers=sent)).status == 202
    [told] = heads
    assert told.startswith(f"PATCH {path} HTTP/1.1\r\n".encode())
    lines = told.decode().split("\r\n")[1:-2]
    fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    assert len(fields) == len(lines), "one is said twice"
    fields.pop("accept")
    fields.pop("accept-encoding")
    assert fields.pop("content-type") == "application/octet-stream"
    assert fields == {
        "host": address,
        "connection": "close",
        "content-length": "2",
        "authorization": "Bearer t",
        "user-agent": "client/1",
        "x-forwarded-for": "10.0.0.1, 127.0.0.1",
        "x-forwarded-proto": "https",
        "x-forwarded-host": f"127.0.0.1:{proxy.port}",
        "x-request-id": "r-1",
        "x-other": "2",
        PASSED_BY.lower(): "new-0",
    }


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/v2/lib/app/blobs/x?a=%2F", "/v2/lib/app/blobs/x?a=%2F"),
        ("http://{member}/v2/x?a=b%2Fc", "/v2/x?a=b%2Fc"),
        ("http://{member}", "/"),
        ("https://elsewhere.example/x", "https://elsewhere.example/x"),
    ],
)
async def test_a_location_leads_the_client_here(
    start_registry: StartRegistry, location: str, expected: str
):
    """Broken: a client is sent to an address that it cannot reach."""
    replies: list[bytes] = []

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(replies[0])
        await writer.drain()

    async with fake(reply) as address:
        proxy = await start_registry(node="new-0")
        through(proxy, address)
        told = location.format(member=address)
        replies.append(
            f"HTTP/1.1 202 Accepted\r\nLocation: {told}\r\nKeep-Alive: x\r\nX-Kept: 1\r\n"
            "Connection: close, X-Gone\r\nX-Gone: 1\r\nContent-Length: 0\r\n\r\n".encode()
        )
        url = f"{proxy.url}/v2/lib/app/blobs/uploads/"
        async with proxy.session.post(url, allow_redirects=False) as answer:
            assert answer.headers["Location"] == expected
            assert answer.headers["X-Kept"] == "1"
            assert {"X-Gone", "Keep-Alive"}.isdisjoint(answer.headers)


async def test_two_proxies_do_not_play_ping_pong(nodes: tuple[Registry, Registry]):
    """Broken: two nodes that take each other for members ask each other for ever."""
    proxy, other = nodes
    through(other, proxy)
    answer = await proxy.call("GET", "/v2/lib/app/manifests/v1")
    assert (answer.status, answer.codes) == (503, ["UNAVAILABLE"])
    assert len(other.observed.requests) == 1
    assert len(proxy.observed.requests) == 1


@pytest.mark.parametrize("owner", ["new-0", "eu-9"])
async def test_an_upload_of_a_proxy_is_unknown(nodes: tuple[Registry, Registry], owner: str):
    """Broken: a client that had begun an upload there never hears that it has to start again."""
    proxy, member = nodes
    path = f"/v2/lib/app/blobs/uploads/x.{owner}"
    for node, fields in ((proxy, {}), (proxy, {FORWARDED_BY: "eu-0"}), (member, {})):
        answer = await node.call("PATCH", path, data=b"x", headers=fields)
        assert (answer.status, answer.codes) == (404, ["BLOB_UPLOAD_UNKNOWN"])


async def test_a_member_answers_itself(nodes: tuple[Registry, Registry]):
    """Broken: it asks others for what it has, or a full proxy refuses what it does not store."""
    proxy, member = nodes
    proxy.refusals.append(IndexFull())
    await proxy.push_image("lib/app", "v1")
    proxy.members.proxy = False
    assert (await proxy.call("GET", "/v2/lib/app/manifests/v1")).status == 404
    refused = await proxy.call("PUT", "/v2/lib/app/manifests/v1", data=b"{}")
    assert refused.status == 503
    assert (await member.call("GET", "/v2/lib/app/manifests/v1")).status == 200


async def test_the_nodes_own_answers_stay(nodes: tuple[Registry, Registry]):
    """Broken: an operator asks the proxy how it is, and is told how a member is."""
    proxy, member = nodes
    assert (await proxy.call("GET", "/healthz")).status == 200
    await proxy.call("GET", "/atoll/v1/cluster")
    assert not member.observed.requests
    assert (await proxy.call("GET", "/v2/")).status == 200
    assert len(member.observed.requests) == 1


@pytest.mark.parametrize("data", [None, b"xy"])
async def test_a_member_that_cannot_be_connected_is_passed_over(
    nodes: tuple[Registry, Registry], data: bytes | None
):
    """Broken: a member that has just died fails what others could do."""
    proxy, member = nodes
    location = await member.start_upload("lib/app")
    through(proxy, GONE, member)
    proxy.members.there[0] = at(GONE, "eu-7")
    method, status = ("GET", 204) if data is None else ("PATCH", 202)
    assert (await proxy.call(method, location, data=data)).status == status


async def test_so_many_members_are_tried(start_registry: StartRegistry):
    """Broken: a client waits for a connection to each of a hundred members."""
    book = AddressBook()
    proxy = await start_registry(node="new-0", passing=ProxyConfig(tries_max=2))
    member = await start_registry(node="eu-0", neighbours=book)
    through(proxy, GONE, member)
    assert (await proxy.call("GET", "/v2/")).status == 200
    through(proxy, GONE, GONE, member)
    for answer in (await proxy.call("GET", "/v2/"), await _none(proxy)):
        assert (answer.status, answer.codes) == (503, ["UNAVAILABLE"])
        assert answer.headers["Retry-After"]


async def _none(proxy: Registry) -> Answer:
    through(proxy)
    return await proxy.call("POST", "/v2/lib/app/blobs/uploads/")


async def die(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.transport.abort()


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def test_a_read_is_asked_of_another_member(start_registry: StartRegistry):
    """Broken: a pull fails by a member that dies, though nothing of the answer was out."""
    async with fake(die) as address:
        proxy = await start_registry(node="new-0")
        member = await start_registry(node="eu-0")
        through(proxy, address, member)
        assert (await proxy.call("GET", "/v2/")).status == 200


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_a_member_that_is_not_ready_is_passed_over_by_reads(
    start_registry: StartRegistry, method: str
):
    """Broken: pulls fail while one member of many starts; or a change is made twice."""
    answer = b"HTTP/1.1 503 x\r\nContent-Length: 2\r\n\r\n{}"
    async with fake(saying(answer), saying(answer)) as address:
        proxy = await start_registry(node="new-0")
        member = await start_registry(node="eu-0")
        await member.push_image("lib/app", "v1")
        through(proxy, address, member)
        url = f"{proxy.url}/v2/lib/app/manifests/v1"
        async with proxy.session.request(method, url) as first:
            assert first.status == (200 if method == "GET" else 503)
        assert member.index.metadata.tag("lib/app", "v1") is not None
        through(proxy, address)
        async with proxy.session.request(method, url) as last:
            assert (last.status, await last.read()) == (503, b"{}")


@pytest.mark.parametrize(("method", "data"), [("PATCH", DATA), ("POST", None), ("DELETE", None)])
async def test_a_write_that_reached_a_member_is_asked_once(
    start_registry: StartRegistry, method: str, data: bytes | None
):
    """Broken: it is done twice, or a client takes what may have been done for undone."""
    async with fake(die) as address:
        proxy = await start_registry(node="new-0")
        member = await start_registry(node="eu-0")
        through(proxy, address, member)
        path = {
            "PATCH": "/v2/lib/app/blobs/uploads/x.eu-5",
            "POST": "/v2/lib/app/blobs/uploads/",
            "DELETE": "/v2/lib/app/manifests/v1",
        }[method]
        answer = await proxy.call(method, path, data=data)
        assert (answer.status, answer.codes, answer.outcome) == (502, ["UNAVAILABLE"], "unknown")
        assert not member.observed.requests


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_a_member_that_hangs_is_a_502(start_registry: StartRegistry, method: str):
    """Broken: a client waits for ever."""
    async with fake(hang) as address:
        config = ProxyConfig(read_silence_s=0.1, write_silence_s=0.1)
        proxy = await start_registry(node="new-0", passing=config)
        through(proxy, address)
        answer = await proxy.call(method, "/v2/lib/app/manifests/v1")
        assert (answer.status, answer.codes) == (502, ["UNAVAILABLE"])


@pytest.mark.parametrize("then", ["dies", "hangs"])
async def test_an_answer_that_breaks_off_breaks_off(start_registry: StartRegistry, then: str):
    """Broken: a client takes the half of a layer for the whole."""

    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await writer.drain()
        if then == "hangs":
            await reader.read()
        writer.transport.abort()

    async with fake(half) as address:
        proxy = await start_registry(node="new-0", passing=ProxyConfig(read_silence_s=0.1))
        through(proxy, address)
        wire = await Wire.to(proxy)
        await wire.send(head("GET", f"/v2/lib/app/blobs/{DIGEST}"))
        got = await wire.rest()
        assert b"hello" in got
        assert not got.endswith(b"0\r\n\r\n")
        await wire.close()


async def test_requests_on_their_way_are_capped(start_registry: StartRegistry):
    """Broken: a proxy spends all its memory and descriptors on slow members."""
    proxy = await start_registry(node="new-0", passing=ProxyConfig(running_max=0))
    through(proxy, GONE)
    answer = await proxy.call("GET", "/v2/")
    assert (answer.status, answer.codes) == (429, ["TOOMANYREQUESTS"])


async def test_a_body_is_invited_only_when_the_member_wants_it(nodes: tuple[Registry, Registry]):
    """Broken: a client is told to send a layer that the member refuses unread."""
    proxy, member = nodes
    location = await member.start_upload("lib/app")
    for known in (True, False):
        wire = await Wire.to(proxy)
        await wire.send(head("PATCH", location, "Expect: 100-continue", "Content-Length: 5"))
        if known:
            await wire.invited()
            await wire.send(b"hello")
        answer = await wire.reply()
        assert answer.status == (202 if known else 404)
        await wire.close()
        await member.call("DELETE", location)


async def test_a_client_that_leaves_is_gone_for_the_member_too(nodes: tuple[Registry, Registry]):
    """Broken: the session stays busy for ever."""
    proxy, member = nodes
    location = await member.start_upload("lib/app")
    _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    begin = f"PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n".encode()
    writer.write(begin + b"x" * (2 << 20))
    while not member.files():
        await asyncio.sleep(0.01)
    writer.transport.abort()
    while len(member.observed.requests) < 2 or not proxy.observed.requests:
        await asyncio.sleep(0.01)
    kept = int((await proxy.call("GET", location)).headers["Range"].removeprefix("0-")) + 1
    assert 1 << 20 <= kept <= 2 << 20


async def test_both_log_a_request_under_one_id(nodes: tuple[Registry, Registry], lines: io.BytesIO):
    """Broken: nobody can follow a push through the logs of two nodes."""
    proxy, _ = nodes
    await proxy.call("POST", "/v2/lib/app/blobs/uploads/", headers={"X-Request-Id": "mine"})
    events = [json.loads(line) for line in lines.getvalue().splitlines()]
    posts = [event for event in events if event.get("method") == "POST"]
    assert [event["request_id"] for event in posts] == ["mine", "mine"]


async def test_pages_of_other_sites_are_told_by_the_proxy(start_registry: StartRegistry):
    """Broken: a browser gets two answers to one question, and takes neither."""
    proxy = await start_registry(node="new-0", origins=("http://ui.example",))
    member = await start_registry(node="eu-0", origins=("*",))
    through(proxy, member)
    answer = await proxy.call("GET", "/v2/_catalog", headers={"Origin": "http://ui.example"})
    assert answer.headers.getall("Access-Control-Allow-Origin") == ["http://ui.example"]
