"""Connections: how many there may be, how long they may idle, and how much of them is read."""

import asyncio
import json
from dataclasses import replace

import pytest

from node.http import connection
from node.http.limits import AHEAD, IDLE, READ_BUFFER
from tests.api.conftest import Registry, StartRegistry
from tests.api.test_slow import begin
from tests.api.test_wire import PING
from tests.api.wire import Wire, head


async def test_idle_connections_make_room(start_registry: StartRegistry, lines):
    """Broken: whoever opens connections and is silent locks out everybody else."""
    registry = await start_registry(connections_max=16)
    idle = [await Wire.to(registry) for _ in range(40)]
    for number in range(20):
        client = await Wire.to(registry, f"127.0.0.{number + 2}")
        await client.send(PING)
        assert (await client.reply()).status == 200
        await client.close()
    assert registry.server.connections_open <= 17
    assert registry.server.closed > 0
    assert registry.server.refused == 0
    closed = 0
    for wire in idle[:20]:
        closed += await wire.replies() == []
    assert closed == 20, "the oldest are closed first, without a word"
    logged = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert [line["event"] for line in logged].count("connections at their cap") == 1
    for wire in idle:
        await wire.close()


async def test_the_address_with_the_most_connections_makes_room(start_registry: StartRegistry):
    registry = await start_registry(connections_max=16)
    honest = await Wire.to(registry, "127.0.0.2")
    await honest.send(PING)
    assert (await honest.reply()).status == 200
    greedy = [await Wire.to(registry) for _ in range(60)]
    await greedy[-1].send(PING)
    assert (await greedy[-1].reply()).status == 200
    await honest.send(PING)  # on the connection it had: the oldest of all
    assert (await honest.reply()).status == 200
    for wire in [honest, *greedy]:
        await wire.close()


async def test_a_connection_too_many_is_told_so(start_registry: StartRegistry):
    """Broken: it waits for an answer that never comes; or one in use is cut off."""
    registry = await start_registry(connections_max=16)
    busy = []
    for _ in range(16):
        busy.append(await begin(registry, "PATCH", await registry.start_upload("lib/app")))
    await registry.session.close()  # the client of the tests keeps its own connection
    async with asyncio.timeout(30):
        while registry.server.connections_open > 16:
            await asyncio.sleep(0.01)
    one_more = await Wire.to(registry)
    [answer] = await one_more.replies()
    assert (answer.status, answer.codes) == (503, ["UNAVAILABLE"])
    assert int(answer.fields[b"retry-after"]) > 0
    await one_more.close()
    assert registry.server.refused == 1
    other = await Wire.to(registry, "127.0.0.2")  # another address: the one with all gives way
    await other.send(PING)
    assert (await other.reply()).status == 200
    await other.close()
    given_up = busy.pop(0)
    assert (await given_up.reply()).status == 503
    await given_up.close()
    for wire in busy:
        await wire.send(b"1\r\nx\r\n0\r\n\r\n")
        assert (await wire.reply()).status == 202
    await busy[0].send(head("GET", "/v2/"))
    assert (await busy[0].reply()).status == 200
    for wire in busy:
        await wire.close()


WAIT = "/atoll/v1/wait?event=solo/1/1"


async def test_an_idle_connection_is_closed(registry: Registry, monkeypatch: pytest.MonkeyPatch):
    """Broken: clients that are gone without a word keep their connections."""
    monkeypatch.setattr(connection, "IDLE", replace(IDLE, number=0.05))
    wire = await Wire.to(registry)
    await wire.send(PING)
    assert [answer.status for answer in await wire.replies()] == [200]
    await wire.close()


async def serving(registry: Registry, wire: Wire, *fields: str) -> connection.Connection:
    """The server's side of *wire*, while it answers a request that waits."""
    await registry.session.close()  # the client of the tests has a connection of its own
    registry.view.released.clear()
    await wire.send(head("GET", WAIT, *fields))
    async with asyncio.timeout(30):
        while not registry.view.asked:
            await asyncio.sleep(0.01)
    [found] = registry.server.connections
    assert isinstance(found, connection.Connection)
    return found


async def settle(registry: Registry) -> None:
    """Have the server read what it wants to."""
    other = await Wire.to(registry)
    for _ in range(20):
        await other.send(PING)
        await other.reply()
    await other.close()


async def test_requests_are_not_read_far_ahead(registry: Registry):
    """Broken: a client that asks and asks has the server remember what it asked for."""
    wire = await Wire.to(registry)
    served = await serving(registry, wire)
    for _ in range(50):
        await wire.send(PING)
    await settle(registry)
    assert 0 < len(served._messages) <= AHEAD.number
    registry.view.released.set()
    assert [(await wire.reply()).status for _ in range(51)] == [200] * 51
    await wire.close()


async def test_a_body_that_nobody_reads_waits_in_the_socket(registry: Registry):
    """Broken: a client fills the memory of a node that has something else to do."""
    wire = await Wire.to(registry)
    size = 64 << 20
    served = await serving(registry, wire, f"Content-Length: {size}")
    wire.start(b"x" * size)
    before, received = -1, 0
    async with asyncio.timeout(30):
        while received > before:
            await settle(registry)
            before, received = received, served._body.total_bytes
    segment = 256 << 10
    assert READ_BUFFER.number // 2 <= received <= READ_BUFFER.number + segment
    registry.view.released.set()
    await wire.close()
