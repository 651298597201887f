"""The healthy load: clients that push and pull at an even rate, and note how long each took."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import aiohttp

from tests.e2e.registry_client import (
    REQUEST_TIMEOUT_S,
    Corrupt,
    Image,
    Refused,
    RegistryClient,
    make_image,
    once,
)

_IMAGES: Final = 12
_LAYER_BYTES: Final = (900, 20 << 10, 120 << 10)
_PUSHES: Final = 0.15
"""Share of the operations that push; the others pull a tag with its manifest and blobs."""


@dataclass(kw_only=True)
class Observed:
    """What the healthy clients saw."""

    seconds: list[float] = field(default_factory=list)
    """How long each request took, from the connection to the last byte."""

    failures: Counter[str] = field(default_factory=Counter)
    operations: int = 0


class _Timed(RegistryClient):
    """A client that notes how long its requests took."""

    def __init__(self, session: aiohttp.ClientSession, host: str, seconds: list[float]) -> None:
        super().__init__(session, host)
        self._seconds = seconds

    async def _request(self, *args, **more):
        begun = time.monotonic()
        try:
            return await super()._request(*args, **more)
        finally:
            self._seconds.append(time.monotonic() - begun)


async def healthy(hosts: Sequence[str], rate: float, stop: asyncio.Event, seed: int) -> Observed:
    """
    Begin *rate* operations a second, evenly, until *stop*; each is awaited.

    An operation begins when it is due, however long the ones before it take: a node that is slow
    is asked as often as one that is quick.
    """
    rng, observed = random.Random(seed), Observed()
    timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(
        timeout=timeout, connector=connector, auto_decompress=False, middlewares=(once,)
    ) as session:
        clients = [_Timed(session, host, observed.seconds) for host in hosts]
        images = [make_image(rng, (rng.choice(_LAYER_BYTES),)) for _ in range(_IMAGES)]
        for number, image in enumerate(images):
            await clients[number % len(clients)].push("healthy/app", f"v{number}", image)
        observed.seconds.clear()
        async with asyncio.TaskGroup() as tasks:
            due = time.monotonic()
            while not stop.is_set():
                observed.operations += 1
                tasks.create_task(_operation(clients, rng, images, observed))
                due += 1 / rate
                await asyncio.sleep(due - time.monotonic())
    return observed


async def _operation(
    clients: Sequence[RegistryClient],
    rng: random.Random,
    images: Sequence[Image],
    observed: Observed,
) -> None:
    client = rng.choice(clients)
    number = rng.randrange(len(images))
    try:
        if rng.random() < _PUSHES:
            await client.push(
                "healthy/pushed", f"t{number}", make_image(rng, (rng.choice(_LAYER_BYTES),))
            )
        else:
            pulled = await client.pull("healthy/app", f"v{number}")
            if pulled != images[number]:
                observed.failures["another image than was pushed"] += 1
    except (Refused, Corrupt, aiohttp.ClientError, TimeoutError) as exc:
        observed.failures[f"{type(exc).__name__}: {str(exc)[:160]}"] += 1
