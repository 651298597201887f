"""
The kinds of hostile requests, and what each may be told.

An attack gets a fresh connection and returns the status that it was answered with. What is not in
its `allowed` is a fault of the node: 500, a success for nonsense, or silence.
"""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from typing import Final

from tests.hostile.stranger import CLOSED, Stranger

_MANIFEST_BYTES_MAX: Final = 4 << 20
_BINARY: Final = "Content-Type: application/octet-stream"
_CHUNKED: Final = "Transfer-Encoding: chunked"

_REFUSED: Final = frozenset({400, 429, 503, CLOSED})
"""Refused for what it is, or since there are too many of the kind."""

_TOO_LARGE: Final = _REFUSED | {413, 414, 431}
_SLOW: Final = _REFUSED | {408}


@dataclass(frozen=True)
class Attack:
    """A kind of hostile request. *share* is how many of a thousand are of it."""

    run: Callable[[Stranger], Awaitable[int]]
    share: int
    allowed: frozenset[int]

    @property
    def name(self) -> str:
        return self.run.__name__.replace("_", " ")


# --- malformed ---------------------------------------------------------------------------------


async def garbage(stranger: Stranger) -> int:
    await stranger.send(
        stranger.rng.randbytes(stranger.rng.choice((16, 400, 20_000))) + b"\r\n\r\n"
    )
    return await stranger.status()


async def another_protocol(stranger: Stranger) -> int:
    first = (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET /v2/ HTTP/2.0\r\nHost: a\r\n\r\n")
    await stranger.send(
        stranger.rng.choice((*first, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"))
    )
    stranger.end_sending()
    return await stranger.status()


async def two_lengths(stranger: Stranger) -> int:
    path = _manifest(stranger)
    other = stranger.rng.choice(("Content-Length: 11", _CHUNKED, "Content-Length: -1"))
    await stranger.ask("PUT", path, other, body=b"0\r\n\r\nGET / HTTP/1.1\r\n\r\n", length=5)
    return await stranger.status()


async def strange_encoding(stranger: Stranger) -> int:
    await stranger.ask("PUT", _manifest(stranger), "Transfer-Encoding: gzip, chunked")
    await stranger.send(b"0\r\n\r\n")
    return await stranger.status()


async def broken_chunks(stranger: Stranger) -> int:
    path = stranger.rng.choice((_manifest(stranger), await _new_upload(stranger)))
    await stranger.ask("PUT" if "manifests" in path else "PATCH", path, _CHUNKED, _BINARY)
    await asyncio.sleep(0.05)
    await stranger.send(b"5\r\nhello\r\nzz\r\n")
    return await stranger.status()


async def valid_then_garbage(stranger: Stranger) -> int:
    await stranger.send(
        f"GET {_manifest(stranger)} HTTP/1.1\r\nHost: a\r\n\r\n\0\0garbage\r\n\r\n".encode()
    )
    return await stranger.status()


async def strange_paths(stranger: Stranger) -> int:
    path = stranger.rng.choice(
        (
            "/v2/../../etc/passwd",
            "/v2/%2e%2e/%2e%2e/manifests/latest",
            "/v2/a%00b/manifests/latest",
            "/v2/" + "a/" * 300 + "manifests/latest",
            "/v2/library/app/blobs/sha256:" + "z" * 64,
            "/v2/library/app/blobs/md5:" + "0" * 32,
            "/v2/library/app/manifests/" + "%ff" * 40,
            "/v2/library/app/blobs/uploads/" + "A" * 2000,
            "//v2//library//app//manifests//latest",
            "/v2/library/app/tags/list?" + "&".join(f"a{i}=1" for i in range(500)),
            "/v2/_catalog?n=-1",
            "/v2/library/app/referrers/sha256:00",
        )
    )
    await stranger.ask(stranger.rng.choice(("GET", "HEAD", "DELETE", "PUT")), path)
    return await stranger.status()


async def strange_queries(stranger: Stranger) -> int:
    path = stranger.rng.choice(
        (
            "/v2/_catalog?n=" + "9" * 40,
            "/v2/_catalog?n=&last=%00%ff",
            f"/v2/{stranger.target.repository}/tags/list?n={10**15}&last=" + "z" * 500,
        )
    )
    await stranger.ask("GET", path)
    return await stranger.status()


async def strange_ranges(stranger: Stranger) -> int:
    count = stranger.rng.choice((2, 64, 900))
    ranges = ",".join(f"{i * 3}-{i * 5 + 10}" for i in range(count))
    text = stranger.rng.choice((f"bytes={ranges}", "bytes=9-1", "bytes=-0", "bytes=" + "0-," * 700))
    await stranger.ask("GET", _blob(stranger), f"Range: {text}")
    return await stranger.status()


async def bad_uploads(stranger: Stranger) -> int:
    base = f"/v2/{stranger.target.repository}/blobs/uploads/"
    path = stranger.rng.choice(
        (
            f"{base}{'0' * 8}-0000-4000-8000-{'0' * 12}",
            f"{base}?mount=sha256:zz&from=library/app",
            f"{base}?digest=sha256:{'0' * 64}",
        )
    )
    await stranger.ask("POST" if "?" in path else "PATCH", path, _BINARY, body=b"hello")
    return await stranger.status()


async def unknown_deletes(stranger: Stranger) -> int:
    digest = f"sha256:{stranger.rng.randbytes(32).hex()}"
    kind = stranger.rng.choice(("manifests", "blobs"))
    await stranger.ask("DELETE", f"/v2/{stranger.target.repository}/{kind}/{digest}")
    return await stranger.status()


# --- huge --------------------------------------------------------------------------------------


async def huge_header(stranger: Stranger) -> int:
    await stranger.ask("GET", "/v2/", f"Authorization: Bearer {'x' * (300 << 10)}")
    return await stranger.status()


async def many_headers(stranger: Stranger) -> int:
    await stranger.ask("GET", "/v2/", *(f"X-{i}: {'y' * 40}" for i in range(10_000)))
    return await stranger.status()


async def huge_request_line(stranger: Stranger) -> int:
    await stranger.ask("GET", f"/v2/{'a' * (300 << 10)}/manifests/x")
    return await stranger.status()


async def huge_manifest(stranger: Stranger) -> int:
    return await _put(stranger, _spaces(_MANIFEST_BYTES_MAX + 1))


async def many_tokens(stranger: Stranger) -> int:
    fill = stranger.rng.choice((b"[],", b"1,", b'"\\u0041",', b'{"a":{}},', b"null,", b"-1e-9,"))
    return await _put_more(stranger, _array(fill, _room(stranger)))


async def as_costly_as_is_taken(stranger: Stranger) -> int:
    """Just within the bounds on size and tokens: the node has to read all of it, and to keep it."""
    # Few, as each that is new is kept by every node.
    return await _put_more(stranger, _costly(stranger.rng.randrange(8), _room(stranger)))


async def many_keys(stranger: Stranger) -> int:
    return await _put_more(stranger, _keys(250_000))


async def deep_nesting(stranger: Stranger) -> int:
    depth = stranger.rng.choice((40, 1_000, 1_000_000))
    return await _put(stranger, b'{"x":' + b"[" * depth + b"]" * depth + b"}")


async def huge_number(stranger: Stranger) -> int:
    return await _put(stranger, b'{"schemaVersion":' + b"9" * 5_000 + b',"x":1e99999}')


async def huge_index(stranger: Stranger) -> int:
    return await _put(stranger, _index(5_000), "application/vnd.oci.image.index.v1+json")


# Bodies are made once: a stranger that is busy with them does less harm.


@cache
def _spaces(count: int) -> bytes:
    return b" " * count


@cache
def _array(fill: bytes, room: int) -> bytes:
    return b'"x":[' + fill * (room // len(fill)) + b"0]"


@cache
def _costly(number: int, room: int) -> bytes:
    units = ",".join(f'"k{number}{i}":{{"a":[{i}]}}' for i in range(8_900))
    return (units + " " * (room - len(units))).encode()


@cache
def _keys(count: int) -> bytes:
    return ",".join(f'"k{i}":{i}' for i in range(count)).encode()


@cache
def _index(count: int) -> bytes:
    children = [
        {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": f"sha256:{i:064x}",
            "size": 2,
        }
        for i in range(count)
    ]
    return json.dumps({"schemaVersion": 2, "manifests": children}).encode()


def _room(stranger: Stranger) -> int:
    return _MANIFEST_BYTES_MAX - len(stranger.target.manifest) - 100


# --- half-closed and broken off ----------------------------------------------------------------


async def half_closed_read(stranger: Stranger) -> int:
    await stranger.ask("GET", _manifest(stranger))
    stranger.end_sending()
    return await stranger.status()


async def half_closed_push(stranger: Stranger) -> int:
    target = stranger.target
    kind = f"Content-Type: {target.media_type}"
    path = f"/v2/{target.repository}/manifests/stranger-{stranger.rng.randrange(8)}"
    await stranger.ask("PUT", path, kind, body=target.manifest)
    stranger.end_sending()
    return await stranger.status()


async def reset_in_a_body(stranger: Stranger) -> int:
    path = stranger.rng.choice((_manifest(stranger), await _new_upload(stranger)))
    method = "PUT" if "manifests" in path else "PATCH"
    await stranger.ask(method, path, _BINARY, body=b"x" * 30_000, length=1_000_000)
    await asyncio.sleep(0.05)
    stranger.reset()
    return CLOSED


async def reset_in_an_answer(stranger: Stranger) -> int:
    await stranger.ask("GET", _blob(stranger))
    await asyncio.sleep(0.02)
    stranger.reset()
    return CLOSED


async def pipeline(stranger: Stranger) -> int:
    request = f"GET {_manifest(stranger)} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    await stranger.send(request * 50)
    statuses = {await stranger.status() for _ in range(50)}
    return statuses.pop() if len(statuses) == 1 else max(statuses)


# --- slow --------------------------------------------------------------------------------------


async def dripping_head(stranger: Stranger) -> int:
    await stranger.send(b"GET /v2/ HTTP/1.1\r\nHost: a\r\n")
    await stranger.drip(b"X-A: b\r\n", 0.5, 20)
    return CLOSED


async def dripping_manifest(stranger: Stranger) -> int:
    await stranger.ask("PUT", _manifest(stranger), body=b"{", length=2_000_000)
    await stranger.drip(b" ", 0.5, 20)
    return CLOSED


async def heavy_dripping_manifest(stranger: Stranger) -> int:
    """Nearly all of it comes at once, and has to be kept until the rest does."""
    size = _MANIFEST_BYTES_MAX - 100
    await stranger.ask("PUT", _manifest(stranger), body=_spaces(size), length=size + 50)
    await stranger.drip(b" ", 0.5, 12)
    return CLOSED


async def dripping_upload(stranger: Stranger) -> int:
    path = await _new_upload(stranger)
    await stranger.ask("PATCH", path, _BINARY, body=b"x" * 100, length=50_000_000)
    await stranger.drip(b"x", 0.5, 20)
    return CLOSED


async def reads_nothing(stranger: Stranger) -> int:
    for _ in range(4):
        await stranger.ask("GET", _blob(stranger))
    await stranger.ignore(8.0)
    return CLOSED


async def invited_and_silent(stranger: Stranger) -> int:
    await stranger.ask("PUT", _manifest(stranger), "Expect: 100-continue", length=1_000)
    await stranger.hold(6.0)
    return CLOSED


async def waits(stranger: Stranger) -> int:
    await stranger.ask("GET", "/atoll/v1/wait?event=nobody/1/1&timeout_s=5")
    return await stranger.status()


# --- descriptor-hungry -------------------------------------------------------------------------


async def idle(stranger: Stranger) -> int:
    await stranger.hold(10.0)
    return CLOSED


async def idle_after_an_answer(stranger: Stranger) -> int:
    await stranger.ask("GET", "/v2/")
    status = await stranger.status()
    await stranger.hold(8.0)
    return status


async def abandoned_upload(stranger: Stranger) -> int:
    path = await _new_upload(stranger)
    await stranger.ask("PATCH", path, _BINARY, body=b"x" * 2_000)
    return await stranger.status()


ATTACKS: Final = (
    Attack(garbage, 50, _TOO_LARGE | {405}),
    Attack(another_protocol, 25, _REFUSED | {405, 505}),
    Attack(two_lengths, 30, _REFUSED),
    Attack(strange_encoding, 20, _REFUSED | {501}),
    Attack(broken_chunks, 50, _REFUSED | {404}),
    Attack(valid_then_garbage, 30, frozenset({200, 429, 503})),
    Attack(strange_paths, 60, _TOO_LARGE | {200, 301, 308, 404, 405, 411}),
    Attack(strange_queries, 30, frozenset({200, 400, 404, 429, 503})),
    Attack(strange_ranges, 30, frozenset({200, 206, 400, 416, 429, 503})),
    Attack(bad_uploads, 40, _REFUSED | {202, 404}),
    Attack(unknown_deletes, 30, _REFUSED | {404}),
    Attack(huge_header, 25, _TOO_LARGE),
    Attack(many_headers, 15, _TOO_LARGE),
    Attack(huge_request_line, 20, _TOO_LARGE),
    Attack(huge_manifest, 15, _TOO_LARGE),
    Attack(many_tokens, 20, _TOO_LARGE | {201}),
    Attack(many_keys, 10, _TOO_LARGE | {201}),
    Attack(as_costly_as_is_taken, 10, frozenset({201, 429, 503})),
    Attack(deep_nesting, 15, _TOO_LARGE),
    Attack(huge_number, 15, _TOO_LARGE),
    Attack(huge_index, 10, _TOO_LARGE | {404}),
    Attack(half_closed_read, 50, frozenset({200, 429, 503})),
    Attack(half_closed_push, 30, frozenset({201, 429, 503})),
    Attack(reset_in_a_body, 50, frozenset({CLOSED})),
    Attack(reset_in_an_answer, 40, frozenset({CLOSED})),
    Attack(pipeline, 15, frozenset({200, 429, 503})),
    Attack(dripping_head, 40, _SLOW),
    Attack(dripping_manifest, 40, _SLOW),
    Attack(heavy_dripping_manifest, 15, _SLOW),
    Attack(dripping_upload, 40, _SLOW),
    Attack(reads_nothing, 20, frozenset({CLOSED})),
    Attack(invited_and_silent, 20, _SLOW),
    Attack(waits, 10, frozenset({200, 400, 404, 408, 429, 503, 504})),
    Attack(idle, 40, frozenset({CLOSED})),
    Attack(idle_after_an_answer, 30, frozenset({200, 429, 503})),
    Attack(abandoned_upload, 20, _REFUSED | {202, 404}),
)


def _manifest(stranger: Stranger) -> str:
    return f"/v2/{stranger.target.repository}/manifests/{stranger.target.tag}"


def _blob(stranger: Stranger) -> str:
    return f"/v2/{stranger.target.repository}/blobs/{stranger.target.blob}"


async def _new_upload(stranger: Stranger) -> str:
    """The path of a new session, or of one that is not there when none is to be had."""
    base = f"/v2/{stranger.target.repository}/blobs/uploads/"
    await stranger.ask("POST", base, length=0)
    _, headers = await stranger.answer()
    return headers.get("location", f"{base}none")


async def _put_more(stranger: Stranger, more: bytes) -> int:
    """Push the manifest that is there, with *more* behind its keys: all that it names is there."""
    body = stranger.target.manifest.removesuffix(b"}") + b"," + more + b"}"
    return await _put(stranger, body, stranger.target.media_type)


async def _put(stranger: Stranger, body: bytes, media_type: str = "application/json") -> int:
    digest = hashlib.sha256(body).hexdigest()
    path = f"/v2/{stranger.target.repository}/manifests/sha256:{digest}"
    await stranger.ask("PUT", path, f"Content-Type: {media_type}", body=body)
    return await stranger.status()
