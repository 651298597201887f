"""Uploads whose connection breaks: what arrived is kept, and the client goes on from there."""

import asyncio
import os
import threading
from collections import Counter
from collections.abc import AsyncIterator, Sequence

import pytest

from cluster.model import Digest
from node.errors import IndexFull
from node.http.limits import ApiLimits
from node.index.store import Change
from node.registry.chunk import Chunk
from node.registry.names import RepositoryName
from tests.api.conftest import AddressBook, Registry, StartRegistry

DATA = bytes(range(256)) * 12_000
DIGEST = Digest.of(DATA)
SENT = 2_500_000
"""What is sent before the cut: two writes to the disk, and some that wait for a third."""

BUFFERED = 640 << 10
"""What the server may have received and not read when it hears of the end. That is lost."""


def head(method: str, path: str, *fields: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *fields, "", ""]).encode()


async def send_and_hang_up(registry: Registry, request: bytes) -> None:
    """Send a request that never ends. Closed without a reset, so that all of it arrives."""
    _, writer = await asyncio.open_connection("127.0.0.1", registry.port)
    writer.write(request)
    writer.close()
    await writer.wait_closed()


async def settled(registry: Registry, location: str) -> str:
    """The upload's Range once no request works on it any more."""
    while True:
        answer = await registry.call("PATCH", location, data=b"")
        if answer.status != 409:
            return answer.headers["Range"]
        await asyncio.sleep(0.01)


async def kept(registry: Registry, location: str) -> int:
    """How many bytes the upload has, after a cut."""
    count = int((await settled(registry, location)).removeprefix("0-")) + 1
    assert SENT - BUFFERED <= count <= SENT + 4
    return count


async def ended(registry: Registry, count: int) -> None:
    """Wait until *count* requests have been answered, or given up."""
    while len(registry.observed.requests) < count:
        await asyncio.sleep(0.01)


def patch(location: str, kind: str, start: int) -> bytes:
    """A PATCH of DATA from *start* that breaks off in the middle."""
    body = DATA[start : start + SENT]
    if kind == "chunked":
        return head("PATCH", location, "Transfer-Encoding: chunked") + (
            b"%x\r\n%s\r\n" % (len(body), body)
        )
    fields = [f"Content-Length: {len(DATA) - start}"]
    if kind == "ranged":
        fields.append(f"Content-Range: {start}-{len(DATA) - 1}")
    return head("PATCH", location, *fields) + body


@pytest.mark.parametrize("start", [0, 4])
@pytest.mark.parametrize("kind", ["sized", "ranged", "chunked"])
async def test_a_patch_that_is_cut_keeps_what_arrived(registry: Registry, kind: str, start: int):
    """Broken: a layer that is sent as one PATCH starts from zero after each cut."""
    location = await registry.start_upload("lib/app")
    if start:
        await registry.call("PATCH", location, data=DATA[:start])
    before = len(registry.observed.requests)
    await send_and_hang_up(registry, patch(location, kind, start))
    await ended(registry, before + 1)
    status = await registry.call("GET", location)
    end = await kept(registry, location)
    assert (status.status, status.headers["Range"]) == (204, f"0-{end - 1}")
    rest = {"Content-Range": f"{end}-{len(DATA) - 1}"}
    answer = await registry.call("PATCH", location, data=DATA[end:], headers=rest)
    assert (answer.status, answer.headers["Range"]) == (202, f"0-{len(DATA) - 1}")
    answer = await registry.call("PUT", f"{location}?digest={DIGEST}")
    assert answer.status == 201
    assert (await registry.call("GET", f"/v2/lib/app/blobs/{DIGEST}")).body == DATA


async def test_a_reset_connection_keeps_what_was_read_before(registry: Registry):
    """A reset may take bytes along that arrived; what is kept is what the node had read."""
    location = await registry.start_upload("lib/app")
    _, writer = await asyncio.open_connection("127.0.0.1", registry.port)
    writer.write(patch(location, "sized", 0))
    while not registry.files():  # it writes as soon as it has a MiB
        await asyncio.sleep(0.01)
    writer.transport.abort()
    end = int((await settled(registry, location)).removeprefix("0-")) + 1
    assert 1 << 20 <= end <= SENT
    answer = await registry.call("PUT", f"{location}?digest={DIGEST}", data=DATA[end:])
    assert answer.status == 201


async def test_a_chunk_that_is_sent_again_from_its_start_is_told_how_far_it_came(
    registry: Registry,
):
    """Broken: the same bytes are in the blob twice, which shows only after all were sent."""
    location = await registry.start_upload("lib/app")
    await send_and_hang_up(registry, patch(location, "ranged", 0))
    await ended(registry, 2)
    end = await kept(registry, location)
    whole = {"Content-Range": f"0-{len(DATA) - 1}"}
    answer = await registry.call("PATCH", location, data=DATA, headers=whole)
    assert (answer.status, answer.codes) == (416, ["BLOB_UPLOAD_INVALID"])
    assert (answer.headers["Range"], answer.headers["Location"]) == (f"0-{end - 1}", location)


async def test_what_was_kept_is_checked_in_the_end(registry: Registry):
    """Broken: a client that goes on at the wrong place stores a blob that is none."""
    location = await registry.start_upload("lib/app")
    await send_and_hang_up(registry, patch(location, "sized", 0))
    await ended(registry, 2)
    answer = await registry.call("PUT", f"{location}?digest={DIGEST}", data=DATA)
    assert (answer.status, answer.codes) == (400, ["DIGEST_INVALID"])
    assert (await registry.call("GET", location)).status == 404
    assert registry.files() == set()


@pytest.mark.parametrize("length", [1000, SENT])
async def test_a_closing_put_that_is_cut_adds_nothing(registry: Registry, length: int):
    """Broken: clients that repeat a PUT as it was, as HTTP lets them, get DIGEST_INVALID."""
    location = await registry.start_upload("lib/app")
    await registry.call("PATCH", location, data=DATA[:4])
    path = f"{location}?digest={DIGEST}"
    body = DATA[4 : 4 + length]
    request = head("PUT", path, f"Content-Length: {len(DATA) - 4}") + body
    await send_and_hang_up(registry, request)
    await ended(registry, 3)
    assert (await registry.call("GET", location)).headers["Range"] == "0-3"
    assert (await registry.call("PUT", path, data=DATA[4:])).status == 201


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
async def test_uploads_that_were_cut_hold_no_descriptors(registry: Registry, method: str):
    """Broken: whoever hangs up a thousand times takes every file that the process may open."""
    paths = [await registry.start_upload("lib/app") for _ in range(20)]
    before = len(os.listdir("/proc/self/fd"))
    for path in paths:
        request = head(method, f"{path}?digest={DIGEST}", f"Content-Length: {len(DATA)}")
        await send_and_hang_up(registry, request + DATA[:SENT])
    await ended(registry, 40)
    assert len(os.listdir("/proc/self/fd")) <= before + 2


async def test_an_upload_that_was_cut_goes_on_after_a_restart(start_registry: StartRegistry):
    """Broken: the offset is in memory only, and the bytes are dropped at the next start."""
    first = await start_registry()
    location = await first.start_upload("lib/app")
    await send_and_hang_up(first, patch(location, "chunked", 0))
    await ended(first, 2)
    end = await kept(first, location)
    await first.stop()
    second = await start_registry()
    assert (await second.call("GET", location)).headers["Range"] == f"0-{end - 1}"
    answer = await second.call("PUT", f"{location}?digest={DIGEST}", data=DATA[end:])
    assert answer.status == 201


async def test_a_node_that_stops_keeps_what_arrived(registry: Registry):
    """Broken: each restart of a node costs the clients in the middle of a layer all of it."""

    async def body() -> AsyncIterator[bytes]:
        for start in range(0, SENT, 1000):
            yield DATA[start : start + 1000]
        raise asyncio.CancelledError  # what the server tells its readers when it stops

    location = await registry.start_upload("lib/app")
    upload = location.rpartition("/")[2].partition(".")[0]
    with pytest.raises(asyncio.CancelledError):
        await registry.uploads.append(RepositoryName("lib/app"), upload, Chunk(body()))
    [row] = registry.index.metadata.uploads()
    assert (row.id, row.offset) == (upload, SENT)
    answer = await registry.call("PUT", f"{location}?digest={DIGEST}", data=DATA[SENT:])
    assert answer.status == 201


async def test_a_body_that_stops_coming_is_given_up(start_registry: StartRegistry):
    """Broken: a client on a line that went dead has to start again, or nobody may go on."""
    registry = await start_registry(limits=ApiLimits(body_idle_s=0.05))
    location = await registry.start_upload("lib/app")
    reader, writer = await asyncio.open_connection("127.0.0.1", registry.port)
    writer.write(head("PATCH", location, "Content-Length: 10") + b"01234")
    assert (await reader.readline()).startswith(b"HTTP/1.1 408")
    writer.close()
    await writer.wait_closed()
    assert await settled(registry, location) == "0-4"
    path = f"{location}?digest={Digest.of(b'0123456789')}"
    assert (await registry.call("PUT", path, data=b"56789")).status == 201


@pytest.mark.parametrize("end", ["cut", "stalled"])
async def test_the_owner_keeps_what_arrived_through_another_node(
    start_registry: StartRegistry, end: str
):
    """Broken: behind a load balancer a cut costs more than it does without one."""
    book = AddressBook()
    owner = await start_registry(node="eu-0", neighbours=book)
    limits = ApiLimits(body_idle_s=0.3 if end == "stalled" else 60.0)
    other = await start_registry(limits, node="us-0", neighbours=book)
    location = await owner.start_upload("lib/app")
    _, writer = await asyncio.open_connection("127.0.0.1", other.port)
    writer.write(patch(location, "sized", 0))
    while not owner.files():
        await asyncio.sleep(0.01)
    if end == "cut":
        writer.close()
    await ended(owner, 2)
    writer.close()
    at = int((await settled(other, location)).removeprefix("0-")) + 1
    assert 1 << 20 <= at <= SENT
    rest = {"Content-Range": f"{at}-{len(DATA) - 1}"}
    answer = await other.call("PATCH", location, data=DATA[at:], headers=rest)
    assert answer.status == 202
    assert (await other.call("PUT", f"{location}?digest={DIGEST}")).status == 201


async def test_a_chunk_whose_row_was_not_written_may_be_sent_again(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
):
    """Broken: the node says that nothing has changed, and refuses the same chunk with 416."""
    location = await registry.start_upload("lib/app")
    await registry.call("PATCH", location, data=DATA[:4])
    rest = {"data": DATA[4:], "headers": {"Content-Range": f"4-{len(DATA) - 1}"}}

    def no_room(batch: Sequence[Change]) -> None:
        raise IndexFull

    with monkeypatch.context() as full:
        full.setattr(registry.index.journal.store, "write", no_room)
        refused = await registry.call("PATCH", location, **rest)
        assert (refused.status, refused.outcome) == (503, None)
        assert (await registry.call("GET", location)).headers["Range"] == "0-3"
    again = await registry.call("PATCH", location, **rest)
    assert (again.status, again.headers["Range"]) == (202, f"0-{len(DATA) - 1}")
    assert (await registry.call("PUT", f"{location}?digest={DIGEST}")).status == 201


async def test_only_the_writer_writes_to_the_index(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
):
    """Broken: the rows of an upload are written on the event loop, which a slow disk then stops."""
    store, threads = registry.index.journal.store, Counter()
    write = store.write

    def noted(batch: Sequence[Change]) -> None:
        threads[threading.current_thread().name] += 1
        write(batch)

    monkeypatch.setattr(store, "write", noted)
    location = await registry.start_upload("lib/app")
    assert (await registry.call("PATCH", location, data=DATA)).status == 202
    assert (await registry.call("PUT", f"{location}?digest={Digest.of(DATA)}")).status == 201
    assert (await registry.call("DELETE", await registry.start_upload("lib/app"))).status == 204
    assert threads == {"index-writer": 5}
