"""HTTP itself: what is malformed, half-closed, pipelined or too large, byte by byte."""

import asyncio
import json

import pytest

from cluster.model import Digest
from node.http.limits import HEAD_BYTES, LINE_BYTES
from tests.api.conftest import AddressBook, Registry, StartRegistry, image
from tests.api.wire import Wire, exchange, head

BLOB = Digest.of(b"hello")
PING = head("GET", "/v2/")
CHUNKED = "Transfer-Encoding: chunked"


async def body_requests(registry: Registry) -> dict[str, tuple[str, str]]:
    """Every endpoint that takes a body: its method and path."""
    return {
        "append": ("PATCH", await registry.start_upload("lib/app")),
        "finish": ("PUT", f"{await registry.start_upload('lib/app')}?digest={BLOB}"),
        "whole": ("POST", f"/v2/lib/app/blobs/uploads/?digest={BLOB}"),
        "manifest": ("PUT", "/v2/lib/app/manifests/v1"),
    }


ENDPOINTS = ["append", "finish", "whole", "manifest"]

BROKEN = {
    "size": b"5\r\nhello\r\nzz\r\n",
    "no line end": b"5\r\nhelloXX",
    "negative": b"-5\r\nhello\r\n",
    "huge": b"FFFFFFFFFFFFFFFFF\r\nhello\r\n",
    "0x": b"0x5\r\nhello\r\n0\r\n\r\n",
    "bare LF": b"5\nhello\n0\n\n",
    "nothing": b"\r\n",
    "trailer": b"5\r\nhello\r\n0\r\nbad trailer\r\n\r\n",
}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_broken_chunk_framing_is_a_400_at_once(registry: Registry, endpoint: str):
    """Broken: silence for a minute, and the session locked for as long."""
    for framing in BROKEN.values():
        await break_framing(registry, endpoint, framing)


async def break_framing(registry: Registry, endpoint: str, framing: bytes) -> None:
    method, path = (await body_requests(registry))[endpoint]
    opened = registry.uploads.open_count
    wire = await Wire.to(registry)
    await wire.send(head(method, path, CHUNKED, "Expect: 100-continue"))
    await wire.invited()
    await wire.send(framing)
    [answer] = await wire.replies()
    await wire.close()
    assert (answer.status, answer.codes) == (400, ["SIZE_INVALID"]), framing
    assert answer.fields[b"connection"] == b"close"
    assert registry.uploads.open_count == opened
    if endpoint in ("append", "finish"):
        await finish(registry, path.partition("?")[0])


async def finish(registry: Registry, location: str) -> None:
    """Go on with an upload from what it has, as clients do."""
    async with asyncio.timeout(30):
        while (await registry.call("PATCH", location, data=b"")).status == 409:
            await asyncio.sleep(0.01)
    last = (await registry.call("GET", location)).headers["Range"].partition("-")[2]
    rest = b"hello"[int(last) + 1 :] if int(last) else b"hello"
    assert (await registry.call("PUT", f"{location}?digest={BLOB}", data=rest)).status == 201


@pytest.mark.parametrize("endpoint", ["append", "finish"])
async def test_broken_chunk_framing_through_another_node(
    start_registry: StartRegistry, endpoint: str
):
    book = AddressBook()
    owner = await start_registry(node="eu-0", neighbours=book)
    other = await start_registry(node="us-0", neighbours=book)
    method, path = (await body_requests(owner))[endpoint]
    wire = await Wire.to(other)
    await wire.send(head(method, path, CHUNKED, "Expect: 100-continue"))
    await wire.invited()
    await wire.send(BROKEN["size"])
    [answer] = await wire.replies()
    await wire.close()
    assert (answer.status, answer.codes) == (400, ["SIZE_INVALID"])
    await finish(other, path.partition("?")[0])


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_broken_chunk_framing_in_the_segment_of_the_head(registry: Registry, endpoint: str):
    method, path = (await body_requests(registry))[endpoint]
    [answer] = await exchange(registry, head(method, path, CHUNKED) + BROKEN["size"])
    assert answer.status == 400


async def test_broken_framing_behind_a_refusal_gives_no_second_answer(registry: Registry):
    """Broken: the client takes the second answer for that of its next request."""
    wire = await Wire.to(registry)
    await wire.send(head("PATCH", "/v2/a/blobs/uploads/unknown", CHUNKED))
    assert (await wire.reply()).status == 404
    await wire.send(BROKEN["size"])
    assert await wire.replies() == []
    await wire.close()


# --- half-closed ------------------------------------------------------------------------------


async def test_a_half_closed_client_gets_its_answer(registry: Registry):
    """Broken: the manifest is stored and nobody is told."""
    config = await registry.push_blob("lib/app", b"{}")
    body = image((config, 2))
    fields = ("Content-Type: application/vnd.oci.image.manifest.v1+json",)
    for number in range(50):
        request = head(
            "PUT", f"/v2/lib/app/manifests/v{number}", *fields, f"Content-Length: {len(body)}"
        )
        [answer] = await exchange(registry, request + body, shut=True)
        assert answer.status == 201
        [health] = await exchange(registry, PING, shut=True)
        assert health.status == 200
        assert health.fields[b"connection"] == b"close"


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("framing", ["Content-Length: 900", CHUNKED])
async def test_a_body_that_ends_with_half_the_connection_is_a_400(
    registry: Registry, endpoint: str, framing: str
):
    """Broken: half a body is waited for until a timeout, or counts as a whole one."""
    method, path = (await body_requests(registry))[endpoint]
    [answer] = await exchange(registry, head(method, path, framing), b"5\r\nhello", shut=True)
    assert (answer.status, answer.codes) == (400, ["SIZE_INVALID"])
    assert registry.index.replica.vector() == {}


@pytest.mark.parametrize("count", [1, 2, 3, 40, 1000])
async def test_every_pipelined_request_is_answered_before_the_end(registry: Registry, count: int):
    digest = await registry.push_blob("lib/app", b"y" * 1000)
    requests = (PING, head("GET", f"/v2/lib/app/blobs/{digest}"), head("GET", "/v2/a/tags/list"))
    sent = [requests[number % 3] for number in range(count)]
    answers = await exchange(registry, b"".join(sent), shut=True)
    assert [answer.status for answer in answers] == [(200, 200, 404)[n % 3] for n in range(count)]


async def test_pipelined_requests_with_bodies_are_answered_in_order(registry: Registry):
    """Also when they are cut into segments at every place there is."""
    small, large = b"hello", b"x" * 300_000
    path = "/v2/lib/app/blobs/uploads/?digest="
    stream = b"".join(
        head("POST", f"{path}{Digest.of(data)}", f"Content-Length: {len(data)}") + data
        for data in (small, large, small)
    )
    chunked = head("POST", f"{path}{BLOB}", CHUNKED) + b"2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n"
    answers = await exchange(registry, stream + chunked + PING, shut=True)
    assert [answer.status for answer in answers] == [201] * 4 + [200]
    short = chunked + PING
    for cut in range(1, len(short)):
        answers = await exchange(registry, short[:cut], short[cut:], shut=True)
        assert [answer.status for answer in answers] == [201, 200]


async def test_a_client_that_only_closes_its_side_is_let_go(registry: Registry):
    assert await exchange(registry, shut=True) == []
    [answer] = await exchange(registry, b"GET /v2/ HTTP/1.1\r\nHost: x\r\n", shut=True)
    assert answer.status == 400
    wire = await Wire.to(registry)
    await wire.send(PING)
    assert (await wire.reply()).status == 200
    await wire.shut()
    assert await wire.replies() == []
    await wire.close()


# --- what is not HTTP, or not ours ------------------------------------------------------------

UPLOAD = "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: x\r\n"

SHAPES: dict[str, tuple[str, list[int]]] = {
    # request smuggling: nobody else may see another request in it than we do
    "length and coding": (f"{UPLOAD}Content-Length: 5\r\n{CHUNKED}\r\n\r\n0\r\n\r\n", [400]),
    "coding and length": (f"{UPLOAD}{CHUNKED}\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", [400]),
    "two lengths": (f"{UPLOAD}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", [400]),
    "length list": (f"{UPLOAD}Content-Length: 5, 5\r\n\r\nhello", [400]),
    "length +5": (f"{UPLOAD}Content-Length: +5\r\n\r\nhello", [400]),
    "length -1": (f"{UPLOAD}Content-Length: -1\r\n\r\n", [400]),
    "length 0x5": (f"{UPLOAD}Content-Length: 0x5\r\n\r\nhello", [400]),
    "length of 20 digits": (f"{UPLOAD}Content-Length: 99999999999999999999\r\n\r\n", [400]),
    "two codings": (f"{UPLOAD}{CHUNKED}\r\n{CHUNKED}\r\n\r\n0\r\n\r\n", [400]),
    "folded": (f"{UPLOAD}X: a\r\n b\r\n\r\n", [400]),
    "folded coding": (f"{UPLOAD}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", [400]),
    "bare LF": ("GET /v2/ HTTP/1.1\nHost: x\n\n", [400]),
    "bare CR": ("GET /v2/ HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n", [400]),
    "NUL": ("GET /v2/ HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n", [400]),
    "space before colon": (f"{UPLOAD}Content-Length : 5\r\n\r\nhello", [400]),
    "space in name": ("GET /v2/ HTTP/1.1\r\nHost: x\r\nBad Name: x\r\n\r\n", [400]),
    "no name": ("GET /v2/ HTTP/1.1\r\nHost: x\r\n: x\r\n\r\n", [400]),
    "no colon": ("GET /v2/ HTTP/1.1\r\nHost: x\r\nnothing\r\n\r\n", [400]),
    "control in target": ("GET /v2/\x01 HTTP/1.1\r\nHost: x\r\n\r\n", [400]),
    "two hosts": ("GET /v2/ HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", [400]),
    "no host": ("GET /v2/ HTTP/1.1\r\n\r\n", [400]),
    # transfer codings
    "gzip, chunked": (f"{UPLOAD}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", [501]),
    "chunked, chunked": (f"{UPLOAD}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", [400]),
    "gzip": (f"{UPLOAD}Transfer-Encoding: gzip\r\n\r\n", [400]),
    "xchunked": (f"{UPLOAD}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", [400]),
    "CHUNKED": (f"{UPLOAD}Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n", [202]),
    "chunked of 1.0": (f"POST /v2/a/blobs/uploads/ HTTP/1.0\r\n{CHUNKED}\r\n\r\n0\r\n\r\n", [400]),
    # versions
    "2.0": ("GET /v2/ HTTP/2.0\r\nHost: x\r\n\r\n", [505]),
    "0.9": ("GET /v2/ HTTP/0.9\r\nHost: x\r\n\r\n", [505]),
    "9.9": ("GET /v2/ HTTP/9.9\r\nHost: x\r\n\r\n", [505]),
    "1.0": ("GET /v2/ HTTP/1.0\r\n\r\n", [200]),
    "preface of HTTP/2": ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0", [400]),
    "TLS": ("\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n", [405]),
    "nonsense": ("nonsense\r\n\r\n", [405]),
    # targets
    "absolute": ("GET http://x/v2/ HTTP/1.1\r\nHost: x\r\n\r\n", [200]),
    "absolute, elsewhere": ("GET http://y:1/v2/?n=1 HTTP/1.1\r\nHost: x\r\n\r\n", [200]),
    "absolute, broken": ("GET http://[/v2/ HTTP/1.1\r\nHost: x\r\n\r\n", [400]),
    "asterisk": ("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", [404]),
    "asterisk of GET": ("GET * HTTP/1.1\r\nHost: x\r\n\r\n", [400]),
    "CONNECT": ("CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\nGET / HTTP/1.1\r\n\r\n", [405]),
    "no target": ("GET  HTTP/1.1\r\nHost: x\r\n\r\n", [400]),
    "empty host": ("GET /v2/ HTTP/1.1\r\nHost:\r\n\r\n", [200]),
    # upgrades are not taken up; what follows is answered, or the connection closed
    "websocket": ("GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket"
                  "\r\n\r\nGET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n", [200]),
    "h2c": ("GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c"
            "\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n"
            "GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n", [200]),
}  # fmt: skip


@pytest.mark.parametrize("before", [0, 3])
async def test_each_shape_has_its_answer(registry: Registry, before: int):
    """Whole requests that come before it, in the same segment, are answered too."""
    for name, (request_text, statuses) in SHAPES.items():
        await check_shape(registry, name, request_text, statuses, before)


async def check_shape(
    registry: Registry, name: str, request_text: str, statuses: list[int], before: int
) -> None:
    data = PING * before + request_text.encode("latin-1")
    answers = await exchange(registry, data, shut=statuses[-1] in (200, 202, 404))
    assert [answer.status for answer in answers] == [200] * before + statuses, name
    for answer in answers:
        assert answer.line.startswith((b"HTTP/1.1 ", b"HTTP/1.0 200"))
        if answer.status >= 400:
            assert answer.codes == ["UNSUPPORTED"]
            assert len(json.loads(answer.body)["errors"][0]["message"]) > 10
            assert b"aiohttp" not in answer.body
        if answer.status >= 400 and statuses != [404]:
            assert answer.fields[b"connection"] == b"close"


@pytest.mark.parametrize("shape", ["two lengths", "2.0", "gzip, chunked", "nonsense"])
async def test_what_follows_a_refusal_is_not_a_request(registry: Registry, shape: str):
    """Broken: a proxy and this server disagree about where a request begins."""
    data = SHAPES[shape][0].encode() + head("POST", "/v2/lib/app/blobs/uploads/")
    answers = await exchange(registry, data)
    assert len(answers) == 1
    assert registry.uploads.open_count == 0


async def test_a_refusal_is_read_by_a_client_that_is_still_sending(registry: Registry):
    """Broken: unread bytes reset the connection, and the answer with it."""
    wire = await Wire.to(registry)
    await wire.send(b"nonsense\r\n\r\n" + b"x" * 3_000_000)
    [answer] = await wire.replies()
    assert answer.status == 405
    await wire.close()


async def test_a_refusal_is_logged_and_counted(registry: Registry, lines):
    await exchange(registry, head("GET", "/v2/", f"X: {'y' * HEAD_BYTES.number}"))
    assert registry.observed.requests == [("none", "none", 431)]
    [line] = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert (line["event"], line["status"]) == ("no request", 431)


# --- sizes ------------------------------------------------------------------------------------


def padded(total: int, fields: int = 1) -> bytes:
    """A request whose header fields have *total* bytes."""
    rest = total - len("Host: x\r\n")
    share = rest // fields
    sizes = [share] * (fields - 1) + [rest - share * (fields - 1)]
    return head("GET", "/v2/", *(f"X: {'y' * (size - len('X: ') - 2)}" for size in sizes))


@pytest.mark.parametrize("size", [9_000, 16 << 10, 48 << 10])
async def test_a_long_token_is_taken(registry: Registry, size: int):
    """Broken: users in many groups cannot log in."""
    request = head("GET", "/v2/", f"Authorization: Bearer {'t' * size}")
    for cut in (0, 100, size):
        [answer] = await exchange(registry, request[:cut], request[cut:], shut=True)
        assert answer.status == 200


@pytest.mark.parametrize("fields", [1, 2, 100])
@pytest.mark.parametrize("cut", [0, 30_000])
async def test_the_head_of_a_request_has_a_bound(registry: Registry, fields: int, cut: int):
    for total, status in ((HEAD_BYTES.number, 200), (HEAD_BYTES.number + 1, 431)):
        request = padded(total, fields)
        wire = await Wire.to(registry)
        await wire.send(request[:cut])
        if cut:
            await seen(registry)
        await wire.send(request[cut:])
        assert (await wire.reply()).status == status
        await wire.close()


async def seen(registry: Registry) -> None:
    """Let what was sent arrive: an exchange on another connection takes longer."""
    assert (await registry.call("GET", "/v2/")).status == 200


async def test_a_head_that_never_ends_is_refused_when_it_is_too_large(registry: Registry):
    wire = await Wire.to(registry)
    await wire.send(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n")
    for _ in range(40):
        await wire.send(b"X-Y: " + b"z" * 2000 + b"\r\n")
    [answer] = await wire.replies()
    assert (answer.status, answer.codes) == (431, ["UNSUPPORTED"])
    await wire.close()


async def test_too_many_fields_are_a_431(registry: Registry):
    many = head("GET", "/v2/", *(f"X-{number}: y" for number in range(200)))
    [answer] = await exchange(registry, many)
    assert (answer.status, answer.codes) == (431, ["UNSUPPORTED"])


async def test_a_long_target_is_a_414(registry: Registry):
    fits = "/v2/?" + "a" * (LINE_BYTES.number - 5)
    [answer] = await exchange(registry, head("GET", fits), shut=True)
    assert answer.status == 200
    [answer] = await exchange(registry, head("GET", fits + "a"))
    assert (answer.status, answer.codes) == (414, ["UNSUPPORTED"])


async def test_a_long_token_passes_through_another_node(start_registry: StartRegistry):
    book = AddressBook()
    owner = await start_registry(node="eu-0", neighbours=book)
    other = await start_registry(node="us-0", neighbours=book)
    location = await owner.start_upload("lib/app")
    token = {"Authorization": "Bearer " + "t" * 40_000}
    assert (await other.call("PATCH", location, data=b"x", headers=token)).status == 202
