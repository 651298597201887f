"""What a started node does in the background, and in which order it stops."""

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple

from cluster import Cluster, State
from node import logs
from node.attention.service import Attention
from node.copies.holdings import Holdings
from node.copies.mender import Mender
from node.desk.desk import Desk
from node.disk import datadir
from node.disk.ballast import Ballast
from node.errors.startup import StartupError
from node.http.listener import HttpListener
from node.identity.authority import VoterWatch
from node.identity.service import Identity
from node.lifetime import garbage, shutdown
from node.lifetime.conditionlog import ConditionLog
from node.lifetime.departure import Departure
from node.lifetime.readiness import Readiness
from node.lifetime.shutdown import Stop
from node.registry.uploads import Uploads
from node.settings import Settings

_TOLD_GRACE_S: Final = 1.0
"""What requests get to end, once the node that they ask about has left."""


class Entrance(NamedTuple):
    """Who lets clients in, where not everybody may."""

    identity: Identity
    voters: VoterWatch
    tell_who_may_begin: Callable[[], None]


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
        admin: HttpListener,
        readiness: Readiness,
        departure: Departure,
        attention: Attention,
        desk: Desk,
        entrance: Entrance,
        settings: Settings,
    ) -> None:
        self._cluster = cluster
        self._uploads = uploads
        self._holdings = holdings
        self._ballast = ballast
        self._mender = mender
        self._http = http
        self._admin = admin
        self._readiness = readiness
        self._condition_log = ConditionLog(readiness, logs.get_logger("readiness"))
        self._departure = departure
        self._attention = attention
        self._desk = desk
        self._entrance = entrance
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
                tasks.create_task(self._attention.run(), name="attention"),
                tasks.create_task(self._desk.catalogue.keeper.run(), name="catalogue"),
                tasks.create_task(self._desk.cluster.run(), name="desk"),
            ]
            if not self._settings.is_open:
                entrance = self._entrance
                work.append(tasks.create_task(entrance.voters.run(), name="voters"))
                work.append(tasks.create_task(entrance.identity.run(), name="identity"))
            await stop.asked.wait()
            if self._departure.begun:
                await self._end_service(stop, self._http)
                await self._go()
                await self._close(_TOLD_GRACE_S, stop, self._http, self._admin)
            else:
                await self._end_service(stop, self._http, self._admin)
                await self._cluster.pause()
            for task in work:
                task.cancel()

    async def _end_service(self, stop: Stop, *listeners: HttpListener) -> None:
        """Send clients elsewhere, then close the ports and let the requests that run end."""
        was_ready = self._readiness.ready
        for listener in listeners:
            listener.drain()
        if not self._departure.begun:
            self._cluster.state.put(State.STOPPING, "stopping")
            if was_ready:
                await shutdown.wait(self._settings.drain_s, stop.hurried)
        # The cluster comes later, as pushes in flight still need the peers to be acknowledged.
        await self._close(self._settings.shutdown_grace_s, stop, *listeners)

    async def _close(self, grace_s: float, stop: Stop, *listeners: HttpListener) -> None:
        async with asyncio.TaskGroup() as closing:
            for listener in listeners:
                closing.create_task(shutdown.close(listener, grace_s, stop.hurried))

    async def _go(self) -> None:
        """Be no member any more. Who still is one in the end has to be removed by an operator."""
        farewell = await self._departure.go()
        if farewell.state == "left":
            self._mark_left()
        else:
            logs.get_logger("node").error("left without being removed", reason=farewell.why)
        await self._departure.wait_told()

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
        if not self._settings.is_open:
            self._entrance.tell_who_may_begin()
        garbage.leave_alone()
        self._readiness.meet("cluster")
