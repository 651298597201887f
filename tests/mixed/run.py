"""The story of one cluster, from the first node of the earlier version to the last of this one."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

from node.index.index import index_path
from node.index.merkle import Sums
from node.index.rocks import RocksStore
from node.index.store import END
from tests.e2e.processes import OPEN, atoll_command
from tests.e2e.registry_client import Image, Refused, RegistryClient, make_image, registry_clients
from tests.e2e.serve_cluster import ServeCluster, ServeProcess
from tests.netfaults.agreement import Nodes, converge

REGIONS: Final = ("eu", "eu", "us", "us")

UPGRADED: Final = (1, 3)
"""Nodes of this version in the mixed cluster: one in each region."""

REPOSITORY: Final = "mixed/app"

TRIES_S: Final = 30.0
"""How long a client repeats what is refused: a node of its region is away."""

COMPARED_MAX_S: Final = 180.0
"""Until when each node has compared its rows with another's: they do so once a minute."""

_LAYER_BYTES: Final = (3_000, 200_000)
_POLL_S: Final = 0.2


class Wrong(Exception):
    """What must hold does not."""


def say(text: str) -> None:
    """Tell how far it is."""
    print(f"mixed: {text}", flush=True)


@dataclass
class Expected:
    """What every node has to serve: acknowledged, and not deleted since."""

    tags: dict[str, Image] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    """Tags and digests that are gone."""


@dataclass
class Run:
    """*base* is how the earlier version starts."""

    directory: Path
    base: Sequence[str]
    seed: int = 1
    expected: Expected = field(default_factory=Expected)
    _made: int = 0

    async def carry_out(self) -> None:
        """
        Tell the story.

        Raises:
            Wrong: something that must hold does not.
            ProcessFailed: a node did not start, or does not stop.
        """
        self._rng = random.Random(self.seed)
        with self._cluster() as nodes:
            async with registry_clients([node.http for node in nodes]) as clients:
                say("four nodes of the earlier version: pushes and deletes")
                await self._use(clients)
                for number in UPGRADED:
                    await self._upgrade(nodes, number, clients)
                say("two of each version")
                await self._use(clients)
                await self._kill(nodes, clients)
                await self._read_all(clients)
                await self._agree(nodes)
                await self._compared(nodes)
                for number in sorted({*range(len(nodes))} - {*UPGRADED}):
                    await self._upgrade(nodes, number, clients)
                say("four nodes of this version")
                await self._use(clients)
                await self._read_all(clients)
                await self._agree(nodes)
        self._check_disks(nodes)

    @contextmanager
    def _cluster(self) -> Iterator[list[ServeProcess]]:
        cluster = ServeCluster(
            directory=self.directory,
            size=len(REGIONS),
            regions=REGIONS,
            command=self.base,
            doors=(),  # the earlier version is open, and has one port for all
        )
        with cluster:
            yield cluster.nodes

    async def _upgrade(
        self, nodes: list[ServeProcess], number: int, clients: list[RegistryClient]
    ) -> None:
        """Restart a node as this version, while the others are pushed to and pulled from."""
        node = nodes[number]
        others = [client for at, client in enumerate(clients) if at != number]
        busy = asyncio.create_task(self._push_some(others))
        await asyncio.to_thread(node.stop)
        node.command, node.doors = atoll_command(), OPEN
        node.start()
        await asyncio.to_thread(node.wait_ready)
        await busy
        say(f"{node.name} is of this version; {len(self.expected.tags)} tags")
        await self._read_all([clients[number]])

    async def _kill(self, nodes: list[ServeProcess], clients: list[RegistryClient]) -> None:
        """A node of the earlier version dies, and has the others' events of this one to bring."""
        say(f"{nodes[0].name} is killed, and catches up")
        nodes[0].kill()
        await self._push_some(clients[1:])
        nodes[0].start()
        await asyncio.to_thread(nodes[0].wait_ready)

    async def _use(self, clients: list[RegistryClient]) -> None:
        """Each node takes pushes, moves and deletes; each other one reads them at once."""
        for client in clients:
            others = [other for other in clients if other is not client]
            kept, moved, untagged, deleted = [await self._push(client) for _ in range(4)]
            await self._read(others, kept)
            image = self.expected.tags[kept]
            await self._patiently(others[0].tag, REPOSITORY, moved, image)
            self.expected.tags[moved] = image
            await self._read(clients, moved)
            await self._patiently(others[1].delete_tag, REPOSITORY, untagged)
            await self._patiently(
                others[2].delete_tag, REPOSITORY, self.expected.tags[deleted].digest
            )
            self.expected.deleted += [untagged, deleted, self.expected.tags[deleted].digest]
            del self.expected.tags[untagged], self.expected.tags[deleted]

    async def _push_some(self, clients: list[RegistryClient]) -> None:
        for client in clients * 2:
            await self._read(clients, await self._push(client))

    async def _push(self, client: RegistryClient) -> str:
        self._made += 1
        tag = f"v{self._made}"
        image = make_image(self._rng, _LAYER_BYTES)
        await self._patiently(client.push, REPOSITORY, tag, image)
        self.expected.tags[tag] = image
        return tag

    async def _patiently(self, work: Callable[..., Awaitable[None]], *arguments: Any) -> None:
        """As a client does: what is refused with 503 is tried again."""
        end = time.monotonic() + TRIES_S
        while True:
            try:
                return await work(*arguments)
            except Refused as exc:
                if exc.status != 503 or time.monotonic() > end:
                    raise Wrong(f"{work.__name__} of {arguments[1]}: {exc}") from exc
            await asyncio.sleep(_POLL_S)

    async def _read(self, clients: Sequence[RegistryClient], tag: str) -> None:
        for client in clients:
            try:
                found = await client.pull(REPOSITORY, tag)
            except Refused as exc:
                raise Wrong(f"{tag} was acknowledged and is not served: {exc}") from exc
            if found != self.expected.tags[tag]:
                raise Wrong(f"{tag} is not what was pushed last")

    async def _read_all(self, clients: Sequence[RegistryClient]) -> None:
        for tag in self.expected.tags:
            await self._read(clients, tag)
        for client in clients:
            for reference in self.expected.deleted:
                try:
                    await client.pull(REPOSITORY, reference)
                except Refused as exc:
                    if exc.status != 404:
                        raise Wrong(f"{reference} was deleted: {exc}") from exc
                else:
                    raise Wrong(f"{reference} was deleted and is served")

    async def _agree(self, nodes: list[ServeProcess]) -> None:
        """All nodes say the same, and none lacks an event of another."""
        async with aiohttp.ClientSession() as session:
            asked = Nodes(session, {node.name: node.http for node in nodes})
            agreed = await converge(asked, time.monotonic, time.monotonic())
        if agreed.identical_at is None:
            raise Wrong(f"the nodes do not agree: {agreed.waited_for}")
        digests = {tag: image.digest for tag, image in self.expected.tags.items()}
        served = {tag: digest for (_, tag), digest in agreed.tags.items()}
        if served != digests:
            raise Wrong(f"served and expected differ: {served.items() ^ digests.items()}")

    async def _compared(self, nodes: list[ServeProcess]) -> None:
        """Each node has held its rows against another's since, and found them equal."""
        say("waiting until the versions have compared their rows")
        end = time.monotonic() + COMPARED_MAX_S
        async with aiohttp.ClientSession() as session:
            asked = Nodes(session, {node.name: node.http for node in nodes})
            before = {node.name: await _comparisons(asked, node.name) for node in nodes}
            while any([await _comparisons(asked, name) <= was for name, was in before.items()]):
                if time.monotonic() > end:
                    raise Wrong("the nodes do not compare their rows")
                await asyncio.sleep(_POLL_S)
        await self._agree(nodes)

    def _check_disks(self, nodes: list[ServeProcess]) -> None:
        """The stopped nodes' indexes are whole, and have the same events and the same rows."""
        found = {}
        for node in nodes:
            node.fsck()
            store = RocksStore(index_path(node.data_dir), read_only=True)
            try:
                vector = tuple(store.scan("vector", b"", END))
                found[node.name] = (vector, Sums.recompute(store))
            finally:
                store.close()
        if len(set(found.values())) != 1:
            vectors = {name: vector for name, (vector, _) in found.items()}
            alike = len(set(vectors.values())) == 1
            raise Wrong(f"the indexes differ, in {'their rows' if alike else f'events: {vectors}'}")
        say(f"four equal indexes, {found[nodes[0].name][1].rows} rows each")


async def _comparisons(nodes: Nodes, name: str) -> float:
    _, text = await nodes.get(name, "/metrics")
    for line in text.decode().splitlines():
        if line.startswith("atoll_index_comparisons_total "):
            return float(line.rpartition(" ")[2])
    raise Wrong(f"{name} does not count its comparisons")
