"""
All nodes of a cluster are replaced one after the other, under load through haproxy:
`python -m tests.e2e.rolling --report docs/rolling-replacement.md`.

For each node its successor is started, which the cluster adds by itself, and `atoll leave` takes it
out. Clients push and pull all the while, by the address of the load balancer; as docker does, they
try a blob up to five times, and a manifest once.
"""

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import aiohttp

from tests.e2e.haproxy import Haproxy
from tests.e2e.ports import free_base_port
from tests.e2e.processes import atoll_command, clean_environment
from tests.e2e.registry_client import (
    Image,
    Refused,
    RegistryClient,
    make_image,
    registry_clients,
)
from tests.e2e.serve_cluster import RPC_OFFSET, ServeProcess
from tests.sim.report import replace_section

T = TypeVar("T")

REGIONS: Final = ("eu", "us", "eu", "us", "eu")
PUSHERS: Final = 2
PULLERS: Final = 4
ATTEMPTS: Final = 5
"""Of docker for each blob."""

PAUSE_S: Final = 1.0
"""Between two of them; docker waits longer with each."""

NOTICED_S: Final = 3.0
"""After which haproxy knows who is ready."""

LAYERS: Final = (20_000, 150_000)
REST_S: Final = 0.05
"""Of a client between two operations: there are two cores for ten nodes, haproxy and the load."""

_REPOSITORY: Final = "team/app"


@dataclass
class Load:
    """What the clients did, and what of it failed."""

    clients: list[RegistryClient]
    rng: random.Random
    pushes: int = 0
    pulls: int = 0
    failed: list[str] = field(default_factory=list)
    """Pushes and pulls that a client gave up."""

    raw: Counter[str] = field(default_factory=Counter)
    """Requests that failed, most of which were tried again."""

    images: dict[str, Image] = field(default_factory=dict)
    stopped: bool = False

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(PUSHERS):
                group.create_task(self._push_on(number))
            for number in range(PULLERS):
                group.create_task(self._pull_on(number))

    async def _push_on(self, number: int) -> None:
        count = 0
        while not self.stopped:
            tag, image = f"v{number}-{count}", make_image(self.rng, LAYERS)
            count += 1
            if await self._whole("push", lambda t=tag, i=image: self._push(t, i)):
                self.images[tag] = image
                self.pushes += 1
            await asyncio.sleep(REST_S)

    async def _pull_on(self, number: int) -> None:
        while not self.stopped:
            if self.images:
                tag = self.rng.choice(list(self.images))
                self.pulls += await self._whole("pull", lambda t=tag: self._pull(t))
            await asyncio.sleep(REST_S)

    async def _whole(self, kind: str, operation: Callable[[], Awaitable[None]]) -> bool:
        try:
            await operation()
        except (Refused, aiohttp.ClientError, TimeoutError) as exc:
            self.failed.append(f"{kind}: {exc!r}")
            return False
        return True

    async def _push(self, tag: str, image: Image) -> None:
        client = self.rng.choice(self.clients)
        for blob in image.blobs:
            await self._try(lambda b=blob: client.push_blob(_REPOSITORY, b), ATTEMPTS)
        await self._try(lambda: client.tag(_REPOSITORY, tag, image), 1)

    async def _pull(self, tag: str) -> None:
        client = self.rng.choice(self.clients)
        manifest = await self._try(lambda: client.manifest(_REPOSITORY, tag), 1)
        content = json.loads(manifest)
        assert manifest == self.images[tag].manifest, f"{tag} is another image"
        for each in (content["config"], *content["layers"]):
            await self._try(lambda e=each: client.pull_blob(_REPOSITORY, e), ATTEMPTS)

    async def _try(self, request: Callable[[], Awaitable[T]], attempts: int) -> T:
        for attempt in range(1, attempts + 1):
            try:
                return await request()
            except (Refused, aiohttp.ClientError, TimeoutError) as exc:
                status = exc.status if isinstance(exc, Refused) else type(exc).__name__
                self.raw[str(status)] += 1
                passing = not isinstance(exc, Refused) or exc.status >= 500 or exc.status == 429
                if attempt == attempts or not passing:
                    raise
            await asyncio.sleep(PAUSE_S * attempt)
        raise AssertionError("the last attempt returns or raises")


def make_nodes(directory: Path) -> tuple[list[ServeProcess], list[ServeProcess]]:
    """Five nodes, and the five that take their places."""
    base, count = free_base_port(2 * len(REGIONS)), len(REGIONS)
    rpcs = [f"127.0.0.1:{base + RPC_OFFSET + i}" for i in range(2 * count)]
    names = [f"{REGIONS[i % count]}-{i}" for i in range(2 * count)]
    nodes = [
        ServeProcess(
            name=names[i],
            region=REGIONS[i % count],
            http=f"127.0.0.1:{base + i}",
            rpc=rpcs[i],
            data_dir=directory / names[i],
            join=[rpc for rpc in rpcs[:count] if rpc != rpcs[i]],
            initial=names[:count],
            # Those that come last find only some of them.
            options=("--joining", "open", "--join-timeout-s", "2"),
        )
        for i in range(2 * count)
    ]
    return nodes[:count], nodes[count:]


def status(node: ServeProcess) -> dict[str, Any]:
    """What `atoll status --json` says at *node*."""
    done = _atoll("status", "--url", node.http, "--json")
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def _atoll(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*atoll_command(), *arguments],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def members_at(node: ServeProcess) -> dict[str, str]:
    """The members by the layout, each with its state."""
    return {m["node"]: m["state"] for m in status(node)["members"] if m["roles"]}


async def until_members(node: ServeProcess, names: set[str], patience_s: float = 60.0) -> None:
    """Return once the layout has these members and no change goes on."""
    until = time.monotonic() + patience_s
    while True:
        told = await asyncio.to_thread(status, node)
        found = {m["node"] for m in told["members"] if m["roles"]}
        if found == names and told["change"] is None:
            return
        assert time.monotonic() < until, f"members are {found}, not {names}: {told['attention']}"
        await asyncio.sleep(0.3)


@dataclass
class Step:
    """One thing that an operator did, and what `atoll status` said then."""

    did: str
    seconds: float
    shown: str


async def replace(
    directory: Path, socket_directory: Path, count: int = len(REGIONS)
) -> tuple[Load, list[Step]]:
    """Replace *count* of the nodes under load; returns what the clients saw, and each step."""
    old, new = make_nodes(directory)
    running, steps = list(old), list[Step]()
    addresses = [node.http for node in (*old, *new)]
    try:
        for node in old:
            node.start()
        for node in old:
            node.wait_ready()
        with Haproxy(directory=socket_directory, nodes=addresses) as balancer:
            await asyncio.sleep(NOTICED_S)
            async with registry_clients([balancer.http]) as clients:
                load = Load(clients, random.Random(1))
                working = asyncio.create_task(load.run())
                await asyncio.sleep(5)
                for before, after in list(zip(old, new, strict=True))[:count]:
                    begun = time.monotonic()
                    after.start()
                    running.append(after)
                    await asyncio.to_thread(after.wait_ready)
                    await until_members(after, {n.name for n in running})
                    steps.append(_step(f"{after.name} was started", begun, after))
                    begun = time.monotonic()
                    left = await asyncio.to_thread(_atoll, "leave", "--url", before.http)
                    assert left.returncode == 0, left.stdout + left.stderr
                    assert await asyncio.to_thread(before.wait_exit) == 0
                    running.remove(before)
                    await until_members(after, {n.name for n in running})
                    assert set(members_at(after).values()) <= {"alive", "here", "self"}
                    steps.append(_step(f"`atoll leave` at {before.name}", begun, after))
                await asyncio.sleep(5)
                load.stopped = True
                await working
                # Everything that was acknowledged can be read at each node.
                async with registry_clients([node.http for node in running]) as each:
                    for tag, image in load.images.items():
                        for client in each:
                            assert await client.pull(_REPOSITORY, tag) == image
        return load, steps
    finally:
        for node in (*old, *new):
            node.stop()


def _step(did: str, begun: float, node: ServeProcess) -> Step:
    return Step(did, time.monotonic() - begun, _atoll("status", "--url", node.http).stdout.rstrip())


def report(load: Load, steps: list[Step]) -> list[str]:
    raw = ", ".join(f"{count} times {what}" for what, count in sorted(load.raw.items()))
    lines = [
        f"{load.pushes} pushes and {load.pulls} pulls through haproxy; "
        f"**{len(load.failed)} failed**.",
        f"Single requests that failed, and were tried again: {raw or 'none'}.",
        "",
    ]
    for step in steps:
        lines += [f"{step.did} ({step.seconds:.0f} s):", "", "```text", step.shown, "```", ""]
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.rolling")
    parser.add_argument("--report", type=Path, help="put what was seen into this Markdown file")
    args = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="rolling-") as directory,
        tempfile.TemporaryDirectory(prefix="r") as short,
    ):
        load, steps = asyncio.run(replace(Path(directory), Path(short)))
    lines = report(load, steps)
    print(*lines, *load.failed, sep="\n")
    if args.report is not None:
        replace_section(args.report, "A recorded run", lines)
    return 1 if load.failed else 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONHASHSEED", "0")
    sys.exit(main())
