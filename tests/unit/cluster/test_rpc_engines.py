"""Whole engines over real connections."""

import asyncio
import random
import socket
from contextvars import ContextVar
from dataclasses import replace

from cluster.agent import Cluster
from cluster.clock import SystemClock
from cluster.model import Digest, Member, NodeId, Region
from cluster.rpc.channel import RpcConfig
from cluster.rpc.client import GrpcTransport
from cluster.rpc.server import PeerServer
from node.blobs.memory import MemoryBlobs
from tests.fakes.control_store import MemoryControl
from tests.fakes.fleet import CONFIG, PATIENCE_S, until
from tests.fakes.log import MemoryLog
from tests.fakes.member_store import MemoryMembers
from tests.fakes.records import MemoryRecords

request_id: ContextVar[str] = ContextVar("request_id")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_two_engines_over_real_connections():
    """The same engine that runs over the fake network runs over this one."""
    ports = {"a": free_port(), "b": free_port()}
    data = random.Random(5).randbytes(300_000)
    digest = Digest.of(data)
    nodes: dict[str, tuple[Cluster, MemoryRecords, MemoryBlobs, PeerServer]] = {}
    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
        for name, port in ports.items():
            rpc = f"127.0.0.1:{port}"
            me = Member(NodeId(name), Region(f"r-{name}"), rpc, "x:1", 1, store=f"disk-of-{name}")
            records, blobs, log = MemoryRecords(name), MemoryBlobs(), MemoryLog()
            cluster = Cluster(
                me,
                replace(
                    CONFIG,
                    seeds=(f"127.0.0.1:{ports['a']}",),
                    initial=("a", "b"),
                    compare_interval_s=0.02,
                ),
                records=records.roles,
                blobs=blobs,
                transport=GrpcTransport(request_id),
                clock=SystemClock(),
                rng=random.Random(1),
                log=log,
                control=MemoryControl(),
                members=MemoryMembers(),
            )
            server = PeerServer(
                cluster.service.roles, request_id, log, RpcConfig(stop_grace_s=0.01)
            )
            await server.start(me.rpc)
            nodes[name] = cluster, records, blobs, server
        tasks = [group.create_task(cluster.run()) for cluster, *_ in nodes.values()]
        a, a_records, a_blobs, a_server = nodes["a"]
        b, b_records, b_blobs, b_server = nodes["b"]
        for cluster in (a, b):
            await cluster.wait_joined()
            await until(cluster, lambda now: any(m.connected for m in now.members))
        await a_blobs.put(digest, data)
        await a_records.hold(digest, len(data))
        await a.ensure_copies([(digest, len(data))])
        assert b_blobs.size(digest) == len(data)
        dot = a_records.write("x", payload=data)
        await a.wait_durable(dot)
        assert b_records.knows(dot)
        assert a.statistics().totals.degraded == 0
        a_records.off = True
        await until(a, lambda now: now.differing == ("b",))
        await until(b, lambda now: now.differing == ("a",))
        await b_server.stop()
        tasks[1].cancel()
        await until(a, lambda now: not any(m.connected for m in now.members))
        await a.wait_durable(a_records.write("y"))
        assert a.statistics().totals.degraded == 1
        tasks[0].cancel()
        await a_server.stop()
