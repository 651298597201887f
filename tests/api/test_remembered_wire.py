"""Remembered answers on connections as they are; what is counted of them, and their bounds."""

import asyncio
import io
import json
from typing import Any

import pytest

from cluster.model import Digest
from node.http.connection import Connection
from node.http.limits import REMEMBERED_ANSWER
from tests.api.asker import Client, opened, pushed, undated
from tests.api.conftest import Registry, StartRegistry, image
from tests.api.wire import exchange, head


async def test_requests_in_one_segment_are_answered_in_order(registry: Registry):
    paths = await pushed(registry)
    await (await Client.of(registry)).settled(paths["tag"])
    known, other = head("GET", paths["tag"]), head("GET", "/v2/lib/app/manifests/none")
    last = head("GET", paths["tag"], "Connection: close")
    replies = await exchange(registry, known + other + known + last)
    assert [reply.status for reply in replies] == [200, 404, 200, 200]
    replies = await exchange(registry, other + known, known, known + last)
    assert [reply.status for reply in replies] == [404, 200, 200, 200, 200]


async def test_a_client_is_answered_at_once_however_quick_it_is(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
):
    """
    Broken: a request that comes before aiohttp waits for it goes to its handler; and so do all that
    follow it, as each is as quick.
    """
    path = (await pushed(registry))["tag"]
    await (await Client.of(registry)).settled(path)
    finish = Connection.finish_response

    async def and_the_next_is_here(self: Connection, request: Any, *more: Any) -> Any:
        done = await finish(self, request, *more)
        self.data_received(head("GET", path))
        return done

    wire, memory = await opened(registry), registry.remembered
    with monkeypatch.context() as patched:
        patched.setattr(Connection, "finish_response", and_the_next_is_here)
        before = memory.answered_at_once
        await wire.send(head("GET", "/v2/lib/app/manifests/none"))
        assert [(await wire.reply()).status for _ in range(2)] == [404, 200]
        assert memory.answered_at_once == before + 1
    # What is not known goes to its handler, and the connection is as before.
    await wire.send(head("GET", "/v2/lib/app/manifests/none"))
    assert (await wire.reply()).status == 404
    # Where the connection ends, or a body is still to come, nothing is at rest.
    last = head("GET", "/v2/lib/app/manifests/none", "Connection: close") + head("GET", path)
    await wire.send(last)
    assert (await wire.reply()).status == 404
    assert memory.answered_at_once == before + 1


async def test_a_head_in_pieces_is_one_request(registry: Registry):
    path = (await pushed(registry))["tag"]
    client = await Client.of(registry)
    whole = await client.settled(path)
    wire, known = await opened(registry), head("GET", path)
    for cut in (1, len(known) // 2, len(known) - 1):
        await wire.send(known[:cut])
        await asyncio.sleep(0.02)
        await wire.send(known[cut:])
        assert undated(await wire.reply()) == undated(whole)
        await wire.send(known)
        assert undated(await wire.reply()) == undated(whole)
    # A known head behind the beginning of another one is not a request.
    await wire.send(head("GET", "/v2/")[:-2] + b"X-Rest: ")
    await asyncio.sleep(0.02)
    await wire.send(known)
    assert (await wire.reply()).status == 400


async def test_a_known_head_in_a_body_is_its_bytes(registry: Registry):
    path = (await pushed(registry))["tag"]
    client = await Client.of(registry)
    await client.settled(path)
    known = head("GET", path)
    put = f"/v2/lib/app/blobs/uploads/?digest={Digest.of(known)}"
    wire = await opened(registry)
    await wire.send(head("POST", put, f"Content-Length: {len(known)}"))
    await asyncio.sleep(0.02)
    await wire.send(known)
    assert (await wire.reply()).status == 201


@pytest.mark.parametrize(
    ("fields", "version"),
    [
        (("Connection: close",), "HTTP/1.1"),
        ((), "HTTP/1.0"),
        (("Connection: keep-alive",), "HTTP/1.0"),
        (("Connection: upgrade", "Upgrade: h2c"), "HTTP/1.1"),
        (("Content-Length: 2",), "HTTP/1.1"),
    ],
)
async def test_what_is_about_the_connection_goes_the_ordinary_way(
    registry: Registry, fields: tuple[str, ...], version: str
):
    path = (await pushed(registry))["tag"]
    known = await (await Client.of(registry)).settled(path)
    memory = registry.remembered
    for _ in range(4):
        before = memory.answered_at_once + memory.answered_when_parsed
        wire = await opened(registry)
        await wire.send(head("GET", path, *fields, version=version) + b"{}" * ("2" in str(fields)))
        reply = await wire.reply()
        assert (reply.status, reply.body) == (200, known.body)
        assert memory.answered_at_once + memory.answered_when_parsed == before


async def test_a_node_that_stops_has_clients_open_new_connections(registry: Registry):
    path = (await pushed(registry))["tag"]
    client = await Client.of(registry)
    await client.settled(path)
    registry.server._api.keeps_connections = False
    level, reply = await client.get(path)
    assert (level, reply.fields[b"connection"]) == ("handler", b"close")


async def test_a_connection_that_is_used_is_not_idle(
    registry: Registry,
):
    """Broken: a client whose every request is remembered is cut off after 75 s."""
    path = (await pushed(registry))["tag"]
    client = await Client.of(registry)
    await client.settled(path)
    connections: Any = registry.server.connections
    since = max(connection.waits_since for connection in connections)
    await asyncio.sleep(0.05)
    assert (await client.get(path))[0] == "block"
    assert max(connection.waits_since for connection in connections) > since + 0.04


async def test_a_client_that_takes_nothing_is_given_no_more(registry: Registry):
    """Broken: a client fills the node's memory with answers that it does not read."""
    large = bytes(200_000)
    path = f"/v2/lib/app/blobs/{await registry.push_blob('lib/app', large)}"
    await (await Client.of(registry)).settled(path)
    wire = await opened(registry)
    memory, known = registry.remembered, head("GET", path)
    before = memory.answered_at_once
    for _ in range(200):
        wire.start(known)
        await asyncio.sleep(0.001)
    given = memory.answered_at_once - before
    assert given < 60, "what the sockets take, and the last one"
    for _ in range(200):
        assert len((await wire.reply()).body) == len(large)


# --- what is counted, and bounds ------------------------------------------------------------------


async def test_all_are_counted_alike(registry: Registry):
    paths = await pushed(registry)
    client = await Client.of(registry)
    registry.observed.requests.clear()
    registry.observed.bytes_out = 0
    sent = 0
    for _ in range(5):
        _, reply = await client.get(paths["tag"])
        sent += len(reply.body)
        await client.get(paths["tag"], method="HEAD")
    assert (
        registry.observed.requests
        == [
            ("manifest.read", "GET", 200),
            ("manifest.read", "HEAD", 200),
        ]
        * 5
    )
    assert registry.observed.bytes_out == sent
    assert registry.replicator.covered == 6, "each is a read that leases cover"


async def test_all_are_logged_alike(start_registry: StartRegistry, lines: io.BytesIO):
    registry = await start_registry(log_reads=True)
    path = (await pushed(registry))["tag"]
    client = await Client.of(registry)
    for _ in range(6):
        await client.get(path, "X-Request-Id: mine")
    for _ in range(2):
        assert (await client.get(path))[0] == "fields"
    logged = [json.loads(line) for line in lines.getvalue().splitlines()]
    reads = [line for line in logged if line.get("method") == "GET"]
    own = {"ts", "request_id", "ms"}
    alike = {str({k: v for k, v in read.items() if k not in own}) for read in reads}
    assert (len(reads), len(alike)) == (8, 1)
    ids = [read["request_id"] for read in reads]
    assert ids[:6] == ["mine"] * 6
    assert len({*ids}) == 3, "without one, each gets its own"


async def test_it_can_be_switched_off(start_registry: StartRegistry):
    registry = await start_registry(remembered_bytes=0)
    assert registry.server._api.remembered is None
    await pushed(registry)
    for _ in range(4):
        assert (await registry.call("GET", "/v2/lib/app/manifests/v1")).status == 200


async def test_what_is_remembered_has_a_bound(start_registry: StartRegistry):
    registry = await start_registry(remembered_bytes=60_000)
    path = (await pushed(registry))["tag"]
    client = await Client.of(registry)
    for number in range(300):
        for _ in range(3):
            await client.get(path, f"Accept: text/x{number}")
        assert registry.remembered.bytes_kept <= 60_000
    assert registry.remembered.bytes_kept > 40_000


async def test_large_answers_are_not_remembered(registry: Registry):
    client = await Client.of(registry)
    for more, last in ((0, "block"), (1, "handler")):
        data = bytes(REMEMBERED_ANSWER.number + more)
        path = f"/v2/lib/app/blobs/{await registry.push_blob('lib/app', data)}"
        levels = [(await client.get(path))[0] for _ in range(5)]
        assert levels[-1] == last


async def test_what_is_asked_once_is_not_kept(registry: Registry):
    """Broken: a stranger fills the memory by asking for a great many things once."""
    path = (await pushed(registry))["tags"]
    client = await Client.of(registry)
    for number in range(50):
        await client.get(f"{path}?last={number}")
    assert registry.remembered.bytes_kept == 0


async def test_refusals_are_not_remembered(registry: Registry):
    await pushed(registry)
    client, path = await Client.of(registry), "/v2/lib/app/manifests/later"
    for _ in range(5):
        assert (await client.get(path))[1].status == 404
    await registry.push_image("lib/app", "later")
    assert (await client.get(path))[1].status == 200


async def test_a_config_of_an_image_is_remembered(registry: Registry):
    config, layer = b"config y", b"layer y"
    described = [(await registry.push_blob("lib/app", d), len(d)) for d in (config, layer)]
    body = image(*described)
    assert (await registry.put_manifest("lib/app", "y", body)).status == 201
    client = await Client.of(registry)
    reply = await client.settled(f"/v2/lib/app/blobs/{described[0][0]}")
    assert reply.body == config
