"""
`atoll serve` on slower hardware: long links to some peers, and a disk that takes its time to sync.

    python -m bench.slow ROUND_TRIP_MS SYNC_MS NEAR serve ...

NEAR: the peers without a long link, HOST:PORT with commas between; every other one is far away.

The delay of a link is added in front of the transport, in the calling process, half of it on the
way there and half on the way back; bandwidth is not limited. That of a sync is added to every sync
of the index. Not for more than latency.

At SIGUSR1 a line of the log tells how many calls went over long links so far (`FAR_CALLS`).
"""

import asyncio
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from cluster.messages import (
    CompareReply,
    CompareRequest,
    Greeting,
    ProbeReply,
    ProbeRequest,
    PushAnswer,
    Stage,
)
from cluster.model import Digest, Event, NodeId, Vector
from cluster.peer import Peer
from cluster.rpc.client import GrpcTransport
from node import main
from node.cli import main as command
from node.index.rocks import RocksStore
from node.recovery import repair

T = TypeVar("T")

FAR_CALLS: Final = "calls over long links: "
"""What is before the totals by method, a JSON object, in the line that tells them."""

_calls: Counter[str] = Counter()


class _FarPeer:
    """A peer at the other end of a long link."""

    def __init__(self, peer: Peer, round_trip_s: float) -> None:
        self._peer = peer
        self._round_trip_s = round_trip_s

    @property
    def roles(self) -> Peer:
        return Peer(self, self, self, self, self._peer.close)

    async def hello(self, greeting: Greeting) -> Greeting:
        return await self._there_and_back("hello", self._peer.presence.hello, greeting)

    async def push(
        self, sender: NodeId, stage: Stage, events: Sequence[Event], *, run: int = 0
    ) -> PushAnswer:
        push = partial(self._peer.events.push, run=run)
        return await self._there_and_back("push", push, sender, stage, events)

    async def tell(self, letter: bytes) -> None:
        await self._there_and_back("tell", self._peer.control.tell, letter)

    async def probe(self, request: ProbeRequest) -> ProbeReply:
        return await self._there_and_back("probe", self._peer.presence.probe, request)

    async def hold(
        self, digest: Digest, size: int, sources: Sequence[NodeId], data: bytes | None
    ) -> int:
        return await self._there_and_back(
            "hold", self._peer.blobs.hold, digest, size, sources, data
        )

    def pull(
        self, reader: NodeId, stage: Stage, have: Vector, *, run: int = 0
    ) -> AsyncGenerator[Sequence[Event], None]:
        return self._late("pull", self._peer.events.pull(reader, stage, have, run=run))

    def fetch(self, digest: Digest, offset: int) -> AsyncGenerator[bytes, None]:
        return self._late("fetch", self._peer.blobs.fetch(digest, offset))

    def checkpoint(self, reader: NodeId, number: int, after: bytes) -> AsyncGenerator[Any, None]:
        return self._late("checkpoint", self._peer.events.checkpoint(reader, number, after))

    async def compare(self, request: CompareRequest) -> CompareReply:
        return await self._there_and_back("compare", self._peer.events.compare, request)

    async def _there_and_back(
        self, method: str, call: Callable[..., Awaitable[T]], *args: object
    ) -> T:
        _calls[method] += 1
        await asyncio.sleep(self._round_trip_s / 2)
        answer = await call(*args)
        await asyncio.sleep(self._round_trip_s / 2)
        return answer

    async def _late(
        self, method: str, stream: AsyncGenerator[Any, None]
    ) -> AsyncGenerator[Any, None]:
        _calls[method] += 1
        # The first item pays for the way there and back; those behind it are on their way already.
        await asyncio.sleep(self._round_trip_s)
        async for item in stream:
            yield item


class _LongLinks(GrpcTransport):
    """Long links to every address that is not one of *near*."""

    near: frozenset[str] = frozenset()
    round_trip_s = 0.0

    def connect(self, address: str) -> Peer:
        peer = super().connect(address)
        far = self.round_trip_s > 0 and address not in self.near
        return _FarPeer(peer, self.round_trip_s).roles if far else peer


class _SlowDisk(RocksStore):
    sync_s = 0.0

    def sync(self) -> None:
        time.sleep(self.sync_s)
        super().sync()


def _tell_calls(*_: object) -> None:
    # One write, so that no other line gets into it.
    sys.stderr.write(f"\n{FAR_CALLS}{json.dumps(_calls)}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, _tell_calls)
    _LongLinks.round_trip_s = float(sys.argv.pop(1)) / 1000
    _SlowDisk.sync_s = float(sys.argv.pop(1)) / 1000
    _LongLinks.near = frozenset(sys.argv.pop(1).split(","))
    main.GrpcTransport = _LongLinks  # type: ignore[attr-defined]
    repair.RocksStore = _SlowDisk  # type: ignore[attr-defined]
    command()
