"""Parts of blobs over HTTP: what lazy pulls (zstd:chunked, eStargz) live on."""

import email
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from cluster.errors import BlobUnavailable
from cluster.model import Digest
from node.http.limits import RANGES
from tests.api.conftest import Answer, Registry

BLOB = bytes(range(256)) * 8000
DIGEST = Digest.of(BLOB)
PATH = f"/v2/lib/app/blobs/{DIGEST}"


class FromPeer:
    """A blob on its way here, in pieces of some length; it may break off."""

    def __init__(self, data: bytes, broken_at: int | None) -> None:
        self._data, self._broken_at = data, broken_at
        self.size = len(data)

    async def stream(self, offset: int, length: int) -> AsyncIterator[bytes]:
        for at in range(offset, offset + length, 70_000):
            if self._broken_at is not None and at >= self._broken_at:
                raise BlobUnavailable(DIGEST, "its holder is gone")
            yield self._data[at : min(at + 70_000, offset + length)]


def serve_from_peer(registry: Registry, broken_at: int | None = None) -> None:
    """Take the local copy away; the next reads come through a peer."""

    @asynccontextmanager
    async def fetch(digest: Digest, size: int) -> AsyncIterator[FromPeer]:
        yield FromPeer(BLOB, broken_at)

    [path] = (registry.data_dir / "blobs").rglob(DIGEST.encoded)
    path.unlink()
    registry.replicator.fetch = fetch


def parts(answer: Answer) -> list[tuple[str, bytes]]:
    """Content-Range and content of each part of a multipart answer."""
    head = f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n".encode()
    message = email.message_from_bytes(head + answer.body)
    assert message.get_content_type() == "multipart/byteranges"
    assert not message.defects
    # The email parser decodes lines; the bytes are cut out of the body itself.
    found, at = [], 0
    for part in message.get_payload():
        assert part["Content-Type"] == "application/octet-stream"
        first, last = part["Content-Range"].split()[1].partition("/")[0].split("-")
        start = answer.body.index(b"\r\n\r\n", at) + 4
        at = start + int(last) - int(first) + 1
        found.append((part["Content-Range"], answer.body[start:at]))
        assert answer.body[at : at + 4] == b"\r\n--"
    return found


@pytest.mark.parametrize("source", ["local", "peer"])
@pytest.mark.parametrize(
    "spans",
    [
        [(0, 9), (100, 199)],
        [(1_000_000, 1_600_000), (5, 5), (2_000_000, 2_047_999)],
        [(number * 4000, number * 4000 + 700) for number in range(500)],
    ],
    ids=["two", "large ones", "hundreds"],
)
async def test_several_ranges_come_in_one_answer(
    registry: Registry, spans: list[tuple[int, int]], source: str
):
    """Broken: a lazy pull gets 31 MB where it wanted 378 bytes."""
    await registry.push_blob("lib/app", BLOB)
    if source == "peer":
        serve_from_peer(registry)
    field = ",".join(f"{first}-{last}" for first, last in spans)
    for _ in range(2):
        answer = await registry.call("GET", PATH, headers={"Range": f"bytes={field}"})
        assert answer.status == 206
        assert "Content-Range" not in answer.headers
        assert answer.headers["Content-Length"] == str(len(answer.body))
        assert answer.headers["Docker-Content-Digest"] == DIGEST
        assert parts(answer) == [
            (f"bytes {first}-{last}/{len(BLOB)}", BLOB[first : last + 1]) for first, last in spans
        ]
    assert registry.observed.bytes_out == 2 * len(answer.body)


async def test_more_ranges_than_there_may_be_are_a_400(registry: Registry):
    """Broken: partial pulls, which ask again with fewer after a 400, get the whole blob instead."""
    await registry.push_blob("lib/app", BLOB)
    field = ",".join(["0-0"] * (RANGES.number + 1))
    answer = await registry.call("GET", PATH, headers={"Range": f"bytes={field}"})
    assert (answer.status, answer.codes) == (400, ["UNSUPPORTED"])


@pytest.mark.parametrize("field", ["bytes=0-", "bytes=0-99", "bytes=-5", "bytes=0-1,3-4"])
async def test_an_empty_blob_is_served_whatever_the_range(registry: Registry, field: str):
    """Broken: clients that always send a range cannot pull an empty layer."""
    empty = await registry.push_blob("lib/app", b"")
    answer = await registry.call("GET", f"/v2/lib/app/blobs/{empty}", headers={"Range": field})
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["Content-Length"] == "0"


@pytest.mark.parametrize("field", ["bytes=0-1", "bytes=0-1,5-6"])
async def test_ranges_are_for_get_of_the_content_they_were_made_for(registry: Registry, field: str):
    """RFC 9110 §13.1.5 and §14.2: If-Range names other content, or the method is not GET."""
    await registry.push_blob("lib/app", BLOB)
    for condition, status in (
        (f'"{DIGEST}"', 206),
        (f'W/"{DIGEST}"', 200),
        ('"other"', 200),
        ("Sun, 29 Nov 2026 00:00:00 GMT", 200),
    ):
        headers = {"Range": field, "If-Range": condition}
        assert (await registry.call("GET", PATH, headers=headers)).status == status
    head = await registry.call("HEAD", PATH, headers={"Range": field})
    assert (head.status, head.headers["Content-Length"]) == (200, str(len(BLOB)))
    headers = {"Range": field, "If-None-Match": f'"{DIGEST}"'}
    assert (await registry.call("GET", PATH, headers=headers)).status == 304


async def test_a_peer_that_fails_between_two_ranges_breaks_the_answer_off(registry: Registry):
    """Broken: half of what was asked for looks like all of it."""
    await registry.push_blob("lib/app", BLOB)
    serve_from_peer(registry, broken_at=1_000_000)
    with pytest.raises(aiohttp.ClientPayloadError):
        await registry.call("GET", PATH, headers={"Range": "bytes=0-9,1000000-1000009"})
    answer = await registry.call("GET", PATH, headers={"Range": "bytes=1000000-1000009,0-9"})
    assert (answer.status, answer.codes) == (503, ["UNAVAILABLE"])
