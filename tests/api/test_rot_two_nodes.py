"""Two whole nodes in this process: what one has lost or let rot, the other has."""

import asyncio
import io
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from cluster.model import Digest, NodeId
from node.lifetime.shutdown import Stop
from node.main import Node, running
from node.recovery.repair import Repair
from node.settings import Address, Settings
from tests.e2e.ports import RPC_OFFSET, free_base_port
from tests.fakes.rot import blob_file, flip, make_unreadable

PATIENCE_S = 30.0
SIZES = {"small": 4 << 10, "medium": 1 << 20, "large": (8 << 20) + 1}


@dataclass
class RunningNode:
    """One node, and what its clients and its operator see of it."""

    name: str
    data_dir: Path
    url: str
    session: aiohttp.ClientSession
    node: Node

    async def push(self, data: bytes) -> Digest:
        digest = Digest.of(data)
        url = f"{self.url}/v2/lib/app/blobs/uploads/?digest={digest}"
        async with self.session.post(url, data=io.BytesIO(data)) as answer:
            assert answer.status == 201
        return digest

    async def pull(self, digest: Digest) -> tuple[int, bytes | None]:
        """The status, and the body if it came to its end."""
        async with self.session.get(f"{self.url}/v2/lib/app/blobs/{digest}") as answer:
            try:
                return answer.status, await answer.read()
            except aiohttp.ClientPayloadError:
                return answer.status, None

    async def metric(self, name: str) -> float:
        async with self.session.get(f"{self.url}/metrics") as answer:
            for line in (await answer.text()).splitlines():
                if line.startswith(f"{name} "):
                    return float(line.split()[1])
        raise AssertionError(f"no metric {name}")

    async def conditions(self) -> dict[str, str]:
        async with self.session.get(f"{self.url}/readyz") as answer:
            document = json.loads(await answer.read())
            return document["conditions"]

    def has(self, digest: Digest) -> bool:
        """Whether the node has a file of that blob which is right."""
        found = list((self.data_dir / "blobs").rglob(digest.encoded))
        return bool(found) and digest.matches(found[0].read_bytes())

    def claims(self, digest: Digest) -> set[str]:
        """Who holds the blob, as far as this node knows."""
        return {str(node) for node in self.node._mender._replica.holders(digest)}


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what happens in the background."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[RunningNode, RunningNode]]:
    base = free_base_port(2)
    addresses = [Address("127.0.0.1", base + RPC_OFFSET + number) for number in range(2)]
    stop = Stop()
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        nodes = []
        for number, name in enumerate("ab"):
            settings = Settings(
                data_dir=tmp_path / name,
                http=Address("127.0.0.1", base + number),
                rpc=addresses[number],
                admin=Address("127.0.0.1", 0),
                auth="open",
                node=name,
                join=tuple(addresses),
                initial=("a", "b"),
                quiet_s=0.3,
                shutdown_grace_s=0.1,
            )
            node = await stack.enter_async_context(running(settings, NodeId(name), Repair()))
            url = f"http://127.0.0.1:{base + number}"
            nodes.append(RunningNode(name, tmp_path / name, url, session, node))
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        for each in nodes:
            tasks.create_task(each.node.run_until(stop))
        for each in nodes:
            await until(lambda each=each: each.node._readiness.readyz().status == 200)
        try:
            yield nodes[0], nodes[1]
        finally:
            stop.ask()
            stop.ask()


async def both_have(a: RunningNode, b: RunningNode, digest: Digest) -> None:
    await until(lambda: a.has(digest) and b.has(digest))
    await until(lambda: a.claims(digest) == b.claims(digest) == {"a", "b"})


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("how", ["rotten", "cut", "longer", "gone", "unreadable"])
async def test_a_retry_gets_the_right_bytes_and_the_node_gets_a_new_copy(
    pair: tuple[RunningNode, RunningNode], monkeypatch: pytest.MonkeyPatch, size: int, how: str
):
    """Broken: a damaged file is served for ever, or never replaced, or claimed all the while."""
    a, b = pair
    data = random.Random(size).randbytes(size)
    digest = await a.push(data)
    await both_have(a, b, digest)
    path = blob_file(a.data_dir, digest)
    if how == "rotten":
        flip(path, -1)
    elif how == "gone":
        path.unlink()
    elif how in ("cut", "longer"):
        with path.open("r+b") as file:
            file.truncate(size + (9 if how == "longer" else -9))
    else:
        make_unreadable(monkeypatch, path)
    status, body = await a.pull(digest)
    if how == "rotten" and size == max(SIZES.values()):
        assert (status, body) == (200, None)
    else:
        assert (status, body) == (200, data)
    assert await a.pull(digest) == (200, data)
    await both_have(a, b, digest)
    kept = list((a.data_dir / "quarantine").iterdir())
    if how in ("rotten", "cut", "longer"):
        assert [file.name.partition(".")[0] for file in kept] == [f"sha256-{digest.encoded}"]
        assert not digest.matches(kept[0].read_bytes())
    else:
        assert kept == []
    assert await a.metric("atoll_blobs_damaged_total") == (how != "gone")
    assert await a.metric("atoll_blobs_set_aside") == len(kept)
    assert await a.metric("atoll_blobs_hidden") == 0
    assert await b.metric("atoll_blobs_damaged_total") == 0


async def test_a_node_that_sends_rot_to_another_learns_of_it(
    pair: tuple[RunningNode, RunningNode],
):
    """Broken: its peer refuses the bytes each time, and the sender claims the blob for ever."""
    a, b = pair
    data = random.Random(3).randbytes(3 << 20)
    digest = await a.push(data)
    await both_have(a, b, digest)
    path = blob_file(a.data_dir, digest)
    flip(path)
    # Rot leaves no trace in the file's times.
    a.node._mender._blobs.verifier._verified.note(digest, path.stat())
    blob_file(b.data_dir, digest).unlink()
    # What came of it was passed on, but for the end.
    assert await b.pull(digest) == (200, None)
    assert (await b.pull(digest))[0] == 503
    await until(lambda: not path.exists())
    await until(lambda: a.claims(digest) == b.claims(digest) == set())
    # Whoever has the blob pushes it again, to any node.
    await b.push(data)
    assert await a.pull(digest) == (200, data)
    await both_have(a, b, digest)


async def test_the_log_says_what_happened(lines: io.BytesIO, pair: tuple[RunningNode, RunningNode]):
    """Broken: an operator learns of rot from clients."""
    a, b = pair
    digest = await a.push(b"some layer")
    await both_have(a, b, digest)
    flip(blob_file(a.data_dir, digest))
    await a.pull(digest)
    await both_have(a, b, digest)
    text = lines.getvalue().decode()
    [line] = [line for line in text.splitlines() if "damaged blob taken out of service" in line]
    assert digest in line
    assert "do not hash to its digest" in line
    assert "quarantine" in line


async def test_a_failing_disk_shows_in_readyz(
    pair: tuple[RunningNode, RunningNode], monkeypatch: pytest.MonkeyPatch
):
    """Broken: a node whose disk fails is sent more traffic."""
    a, _ = pair
    health = a.node._mender._blobs.health

    def failing() -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(health, "_probe", failing)
        health.note(OSError(5, "Input/output error"))
        assert "kernel's log" in (await a.conditions())["blobs"]
        assert await a.metric("atoll_blob_disk_failures_total") == 1
    health._look()
    assert (await a.conditions())["blobs"] == "ok"
