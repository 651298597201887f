"""One run: three nodes, the calm, the storm, and what is left of it."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from tests.e2e.oci_layout import MANIFEST_TYPE, describe
from tests.e2e.processes import ProcessFailed
from tests.e2e.registry_client import make_image, registry_clients
from tests.e2e.serve_cluster import ServeCluster, ServeProcess
from tests.hostile import crowd, leftovers, load
from tests.hostile.apart import Apart
from tests.hostile.crowd import Told
from tests.hostile.stranger import Target
from tests.hostile.verdict import Evidence, has_settled

_REPOSITORY: Final = "public/app"
_TAG: Final = "latest"
_BLOB_BYTES: Final = 8 << 20
_WARM_UP_REQUESTS: Final = 500
_LARGE_PUSHES: Final = 60
"""Of 4 MiB each: more than the index keeps in memory."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """*rate* healthy operations a second beside *requests* of strangers, *at_once* at a time."""

    directory: Path
    requests: int
    at_once: int
    rate: float
    seed: int

    def carry_out(self) -> Evidence:
        """
        Run it and gather the evidence.

        Raises:
            ProcessFailed: a node did not start, stop or survive.
        """
        # One region: a node reads from its own index by leases of the others in its region, so a
        # loop that is held too long shows at once.
        with ServeCluster(directory=self.directory, regions=("eu",)) as cluster:
            nodes = cluster.nodes
            targets = asyncio.run(self._publish(nodes))
            self._beside(nodes, partial(crowd.large_pushes, targets, _LARGE_PUSHES))
            self._beside(nodes, partial(crowd.neighbours, targets, _WARM_UP_REQUESTS))
            calm, neighbours = self._beside(
                nodes, partial(crowd.neighbours, targets, self.requests)
            )
            before = leftovers.settle([node.pid for node in nodes], lambda _: True)
            alarms = -sum(leftovers.alarms(node.http) for node in nodes)
            harassed, strangers = self._beside(
                nodes, partial(crowd.strangers, targets, self.requests)
            )
            alarms += sum(leftovers.alarms(node.http) for node in nodes)
            after = leftovers.settle([node.pid for node in nodes], partial(has_settled, before))
        return Evidence(
            calm=calm,
            harassed=harassed,
            neighbours=neighbours,
            strangers=strangers,
            before=before,
            after=after,
            alarms=alarms,
            tracebacks=sum(node.log.read_text().count("Traceback") for node in nodes),
            fsck=_check(nodes),
        )

    async def _publish(self, nodes: Sequence[ServeProcess]) -> list[Target]:
        """Push what the strangers will find; one target for each node."""
        image = make_image(random.Random(self.seed), (_BLOB_BYTES,))
        async with registry_clients([node.http for node in nodes]) as clients:
            await clients[0].push(_REPOSITORY, _TAG, image)
            for client in clients:
                await client.pull(_REPOSITORY, _TAG)
        return [
            Target(
                address=node.http,
                repository=_REPOSITORY,
                tag=_TAG,
                manifest=image.manifest,
                media_type=MANIFEST_TYPE,
                blob=describe("", image.blobs[-1]).digest,
            )
            for node in nodes
        ]

    def _beside(
        self, nodes: Sequence[ServeProcess], others: "partial[object]"
    ) -> tuple[load.Observed, Told]:
        """The healthy load, as long as the crowd *others* is there."""
        hosts = [node.http for node in nodes]
        clients = Apart(partial(_load, hosts, self.rate, self.seed))
        told = Apart(partial(_crowd, others, self.at_once, self.seed)).result()
        return clients.end(), told


async def _load(hosts: Sequence[str], rate: float, seed: int, stop: asyncio.Event) -> load.Observed:
    return await load.healthy(hosts, rate, stop, seed)


async def _crowd(others, at_once: int, seed: int, stop: asyncio.Event) -> Told:
    return await others(at_once, seed)


def _check(nodes: Sequence[ServeProcess]) -> list[str]:
    found = []
    for node in nodes:
        try:
            node.fsck()
        except ProcessFailed as problem:
            found.append(str(problem))
    return found
