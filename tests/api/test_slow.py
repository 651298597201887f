"""Clients that send slowly, or never end: what they hold, and who gives way."""

import asyncio
from dataclasses import replace

import pytest

from cluster.model import Digest
from node.http import body_reader
from node.http.bodies import Bodies
from node.http.limits import BODY_RATE, ApiLimits
from node.registry.chunk import gather_bytes
from node.registry.upload_config import UploadConfig
from tests.api.conftest import Registry, StartRegistry, image
from tests.api.test_wire import ENDPOINTS, body_requests
from tests.api.wire import Wire, head

CHUNKED = "Transfer-Encoding: chunked"
INVITED = "Expect: 100-continue"


async def begin(registry: Registry, method: str, path: str, *, source: str = "127.0.0.1") -> Wire:
    """A request whose body is under way."""
    wire = await Wire.to(registry, source)
    await wire.send(head(method, path, CHUNKED, INVITED))
    await wire.invited()
    return wire


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_a_body_that_drips_is_given_up(
    start_registry: StartRegistry, monkeypatch: pytest.MonkeyPatch, endpoint: str
):
    """Broken: a byte a minute holds an upload and its place for ever."""
    monkeypatch.setattr(body_reader, "BODY_RATE", replace(BODY_RATE, number=1000))
    registry = await start_registry(ApiLimits(body_idle_s=0.3))
    method, path = (await body_requests(registry))[endpoint]
    wire = await begin(registry, method, path)
    reply = asyncio.create_task(wire.reply())
    while not reply.done():  # it never pauses, and is slower than it has to be
        await wire.send(b"1\r\nx\r\n")
        await asyncio.sleep(0.02)
    assert (await reply).status == 408
    await wire.close()


async def test_a_body_that_is_fast_enough_may_pause(
    start_registry: StartRegistry, monkeypatch: pytest.MonkeyPatch
):
    """Broken: what is sent in bursts is cut off, or every byte buys a new minute."""
    monkeypatch.setattr(body_reader, "BODY_RATE", replace(BODY_RATE, number=10))
    registry = await start_registry(ApiLimits(body_idle_s=10.0))
    location = await registry.start_upload("lib/app")
    wire = await begin(registry, "PATCH", location)
    for _ in range(3):
        await wire.send(b"1\r\nx\r\n")
        await asyncio.sleep(0.01)
    await wire.send(b"0\r\n\r\n")
    assert (await wire.reply()).status == 202
    await wire.close()


async def test_a_manifest_has_a_time_to_be_whole(start_registry: StartRegistry):
    registry = await start_registry(ApiLimits(whole_body_s=-1.0))
    wire = await begin(registry, "PUT", "/v2/lib/app/manifests/v1")
    await wire.send(b"1\r\n{\r\n")
    assert (await wire.reply()).status == 408
    await wire.close()


async def test_a_chunk_has_a_time_to_end(start_registry: StartRegistry):
    """Broken: an upload that never pauses for long never ends either."""
    registry = await start_registry(ApiLimits(streamed_body_s=-1.0))
    wire = await begin(registry, "PATCH", await registry.start_upload("lib/app"))
    await wire.send(b"1\r\nx\r\n")
    assert (await wire.reply()).status == 408
    await wire.close()


def bodies_of(registry: Registry) -> Bodies:
    return registry.oci.bodies


async def test_unfinished_manifests_are_bounded_and_the_slow_ones_give_way(registry: Registry):
    """Broken: 400 connections with unfinished manifests use 700 MB; or honest pushes get 429."""
    bodies = bodies_of(registry)
    bodies._bytes_max = 5_000_000
    config = await registry.push_blob("lib/app", b"{}")
    wires = []
    for number in range(10):
        wire = await begin(registry, "PUT", f"/v2/lib/app/manifests/slow{number}")
        await wire.send(b"F4240\r\n" + b" " * 1_000_000 + b"\r\n")
        wires.append(wire)
        answer = await registry.put_manifest("lib/app", "v1", image((config, 2)))
        assert answer.status == 201
        assert bodies.bytes_held <= 5_000_000
    refused = [await wire.reply() for wire in wires[:5]]
    assert {answer.status for answer in refused} == {429}
    assert {code for answer in refused for code in answer.codes} == {"TOOMANYREQUESTS"}
    for wire in wires:
        await wire.close()
    async with asyncio.timeout(30):
        while bodies.bytes_held:
            await asyncio.sleep(0.01)


async def test_the_address_that_holds_the_most_gives_way(registry: Registry):
    """Broken: one stranger has everybody else's manifests refused."""
    bodies = bodies_of(registry)
    bodies._bytes_max = 2_500_000
    honest = await begin(registry, "PUT", "/v2/lib/app/manifests/a", source="127.0.0.2")
    await honest.send(b"7A120\r\n" + b" " * 500_000 + b"\r\n")
    greedy = []
    for number in range(4):
        wire = await begin(registry, "PUT", f"/v2/lib/app/manifests/b{number}")
        await wire.send(b"F4240\r\n" + b" " * 1_000_000 + b"\r\n")
        greedy.append(wire)
    assert [(await wire.reply()).status for wire in greedy[:2]] == [429, 429]
    await honest.send(b"2\r\n{}\r\n0\r\n\r\n")
    assert (await honest.reply()).codes == ["MANIFEST_INVALID"]  # it was read to its end
    for wire in [honest, *greedy]:
        await wire.close()


async def test_dripping_uploads_of_one_address_do_not_lock_out_the_others(
    start_registry: StartRegistry,
):
    """Broken: as many slow uploads as may be open make every other one a 429."""
    registry = await start_registry(config=UploadConfig(open_max=8))
    drips = []
    for _ in range(8):
        wire = await begin(registry, "PATCH", await registry.start_upload("lib/app"))
        await wire.send(b"1\r\nx\r\n")
        drips.append(wire)
    refused = await registry.call("POST", "/v2/lib/app/blobs/uploads/")
    assert refused.status == 429, "an address took from itself, or from all behind a balancer"
    for number in range(3):
        wire = await Wire.to(registry, f"127.0.1.{number + 1}")
        await wire.send(head("POST", "/v2/lib/app/blobs/uploads/", "Content-Length: 0"))
        opened = await wire.reply()
        assert opened.status == 202
        location = opened.fields[b"location"].decode()
        path = f"{location}?digest={Digest.of(b'hello')}"
        await wire.send(head("PUT", path, "Content-Length: 5") + b"hello")
        assert (await wire.reply()).status == 201
        await wire.close()
    # Each newcomer took a place and left it again: one drip, the newest, has given way.
    assert (await drips[7].reply()).status == 429
    assert registry.uploads.open_count == 7
    assert len(registry.files()) <= 7 + 1
    for wire in drips:
        await wire.close()


async def test_uploads_that_only_stay_open_do_not_lock_out_the_others(
    start_registry: StartRegistry,
):
    """The same without a byte sent: opened again and again, none is ever idle for long."""
    registry = await start_registry(config=UploadConfig(open_max=4))
    for _ in range(4):
        await registry.start_upload("lib/app")
    wire = await Wire.to(registry, "127.0.0.2")
    for status in (202, 202, 429):
        await wire.send(head("POST", "/v2/lib/app/blobs/uploads/", "Content-Length: 0"))
        assert (await wire.reply()).status == status
    await wire.close()


@pytest.mark.parametrize(("open_now", "most"), [(0, 1 << 20), (64, 1 << 20), (2048, 64 << 10)])
def test_many_uploads_gather_less_each(open_now: int, most: int):
    """Broken: a thousand slow uploads hold a GiB between them."""
    assert gather_bytes(open_now) == most
