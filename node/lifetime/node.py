"""What a started node does in the background, and in which order it stops."""

import asyncio

from cluster import Cluster, State
from cluster.errors import ClusterError, StorageFailure
from node import logs
from node.copies.holdings import Holdings
from node.copies.mender import Mender
from node.disk import datadir
from node.disk.ballast import Ballast
from node.errors.startup import StartupError
from node.http.listener import HttpListener
from node.lifetime import shutdown
from node.lifetime.conditionlog import ConditionLog
from node.lifetime.departure import Departure
from node.lifetime.readiness import Readiness
from node.lifetime.shutdown import Stop
from node.registry.uploads import Uploads
from node.settings import Settings


class Node:
    """A started node: it answers HTTP and RPC as soon as it exists."""

    def __init__(
        self,
        cluster: Cluster,
        uploads: Uploads,
        holdings: Holdings,
        ballast: Ballast,
        mender: Mender,
        http: HttpListener,
        readiness: Readiness,
        departure: Departure,
        settings: Settings,
    ) -> None:
        self._cluster = cluster
        self._uploads = uploads
        self._holdings = holdings
        self._ballast = ballast
        self._mender = mender
        self._http = http
        self._readiness = readiness
        self._condition_log = ConditionLog(readiness, logs.get_logger("readiness"))
        self._departure = departure
        self._settings = settings

    async def run_until(self, stop: Stop) -> None:
        """Do the node's background work until told to *stop*, or to leave the cluster."""
        async with asyncio.TaskGroup() as tasks:
            work = [
                tasks.create_task(self._cluster.run(), name="cluster"),
                tasks.create_task(self._uploads.run(), name="uploads"),
                tasks.create_task(self._holdings.run(), name="holdings"),
                tasks.create_task(self._ballast.run(), name="ballast"),
                tasks.create_task(self._mender.run(), name="mender"),
                tasks.create_task(self._become_ready(), name="readiness"),
                tasks.create_task(self._condition_log.run(), name="condition log"),
                tasks.create_task(self._departure.run(stop.asked), name="departure"),
            ]
            await stop.asked.wait()
            await self._end_service(stop)
            if self._departure.begun:
                await self._go()
            else:
                await self._cluster.pause()
            for task in work:
                task.cancel()

    async def _end_service(self, stop: Stop) -> None:
        """Send clients elsewhere, then let the requests that are running end."""
        was_ready = self._readiness.ready
        self._http.drain()
        if not self._departure.begun:
            self._cluster.state.put(State.STOPPING, "stopping")
            if was_ready:
                await shutdown.wait(self._settings.drain_s, stop.hurried)
        # The cluster comes later, as pushes in flight still need the peers to be acknowledged.
        await shutdown.close(self._http, self._settings.shutdown_grace_s, stop.hurried)

    async def _go(self) -> None:
        """Be no member any more. Who still is one in the end has to be removed by an operator."""
        try:
            await self._departure.go()
        except (ClusterError, StorageFailure) as exc:
            logs.get_logger("node").error("left without being removed", reason=str(exc))
        else:
            self._mark_left()

    def _mark_left(self) -> None:
        try:
            datadir.mark_left(self._settings.data_dir)
        except StartupError as exc:
            # On a full disk, say. It leaves all the same.
            log = logs.get_logger("node")
            log.error("the data directory does not say that it left", reason=str(exc))

    async def _become_ready(self) -> None:
        await self._cluster.wait_joined()
        await self._holdings.renew()
        self._readiness.meet("cluster")
