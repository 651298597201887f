"""
The composition root: settings -> stores -> cluster -> registry -> HTTP -> tasks.

The only module that sees everything. Start-up is a stack of contexts; shut-down is the same stack
backwards: stop taking requests, let the running ones end, leave the cluster, close the stores.
"""

import asyncio
import random
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Final

import uvloop

from cluster import HybridClock, SystemClock
from cluster.errors import EpochTaken, JoinRefused, StartsEmpty, TwoClusters
from cluster.model import Key, NodeId
from cluster.rpc.client import GrpcTransport
from cluster.rpc.server import PeerServer
from node import edge, logs
from node.admin.context import AdminContext
from node.admin.figures import ClusterFigures
from node.admin.metrics import Metrics
from node.assembly import engine, figures, listeners, parts, stores
from node.assembly.accounts import guard_of, identity_of, tell_who_may_begin
from node.assembly.attention import attention_of
from node.assembly.desk import catalogue_of, cluster_of, desk_of
from node.assembly.settings import settings_of
from node.assembly.ui import ui_of
from node.copies import stakes
from node.copies.mender import Mender
from node.desk.planner import Planner
from node.disk import datadir
from node.disk.ballast import Ballast
from node.disk.room import check_room
from node.errors.startup import StartupError
from node.http.app import Api, NoPages
from node.http.client_address import TrustedProxies
from node.http.cors import Cors
from node.http.throttle import RateThrottle
from node.identity.authority import VoterWatch
from node.lifetime import conditions
from node.lifetime.departure import Departure
from node.lifetime.node import Entrance, Node
from node.lifetime.readiness import Readiness
from node.lifetime.shutdown import Stop
from node.lifetime.vitals import VitalSigns
from node.oci.context import OciContext
from node.recovery import former
from node.recovery.repair import NO_REPAIR, Repair
from node.registry.policy import LoggedReads
from node.registry.usecases import UseCases
from node.remembered.validity import Validity
from node.settings import Settings
from node.settings.host import this_host
from node.shares.vicinity import Vicinity
from node.ui.face import Pages

_BEGINNINGS_MAX: Final = 3
"""How often one process begins with an empty index; once is enough for a cluster that is one."""


def serve(settings: Settings, *, rejoin: bool = False, repair: Repair = NO_REPAIR) -> int:
    """
    Run a node until SIGINT or SIGTERM; returns the exit status.

    An index that is not whole is dealt with as *repair* says.

    Raises:
        HasLeft: its directory has left the cluster, and this is not to *rejoin*.
        StartupError: it cannot start; `str()` is one line for the operator.
    """
    name = settings.node or datadir.name_in(settings.data_dir) or this_host()
    logs.configure(
        level=settings.log_level, form=settings.log_format, node=name, region=settings.region
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(settings, NodeId(name), rejoin, repair))


async def _serve(settings: Settings, name: NodeId, rejoin: bool, repair: Repair) -> int:
    log = logs.get_logger("node")
    stop = Stop()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.ask)
    beginnings = epoch_after = 0
    while (end := await _run_once(settings, name, rejoin, repair, stop, epoch_after)) is not None:
        if isinstance(end, EpochTaken):
            epoch_after = end.epoch
            log.warning("begins again", reason=str(end))
        else:
            former.leave_behind(settings.data_dir, former.LeftBehind(end.reason, end.ended))
        beginnings += 1
        if beginnings > _BEGINNINGS_MAX:
            raise StartupError(f"{end}; it has done so {_BEGINNINGS_MAX} times in a row")
    log.info("stopped")
    return 0


async def _run_once(
    settings: Settings, name: NodeId, rejoin: bool, repair: Repair, stop: Stop, epoch_after: int
) -> StartsEmpty | EpochTaken | None:
    """
    Run, in an epoch behind *epoch_after*, until told to *stop*; or until this node has to begin
    again, with an empty index or in a later epoch: returns why.

    Raises:
        HasLeft, StartupError: see `serve`.
    """
    # Raised behind the block: what is raised in it, Python before 3.11.4 puts into a group again.
    refused: Exception | None = None
    end: StartsEmpty | EpochTaken | None = None
    try:
        began = running(settings, name, repair, rejoin=rejoin, epoch_after=epoch_after)
        async with began as node:
            log = logs.get_logger("node")
            log.info("serving", http=str(settings.http), rpc=str(settings.rpc))
            if settings.is_open:
                log.warning(
                    "OPEN: whoever reaches this node may do anything", http=str(settings.http)
                )
            await node.run_until(stop)
    except* (JoinRefused, TwoClusters) as refusals:
        refused = StartupError(str(refusals.exceptions[0]))
    except* StartupError as failures:
        refused = failures.exceptions[0]
    except* (StartsEmpty, EpochTaken) as ends:
        error = ends.exceptions[0]
        assert isinstance(error, StartsEmpty | EpochTaken), "a part of the engine ends it"
        end = error
    if refused is not None:
        raise refused from None
    return end


@asynccontextmanager
async def running(
    settings: Settings,
    name: NodeId,
    repair: Repair,
    *,
    rejoin: bool = False,
    epoch_after: int = 0,
) -> AsyncIterator[Node]:
    """
    Open the stores and the ports of the node *name*, which begins an epoch behind *epoch_after*.

    Raises:
        HasLeft: its directory has left the cluster, and this is not to *rejoin*.
        StartupError: something is not as it has to be.
    """
    async with AsyncExitStack() as stack:
        stack.enter_context(datadir.locked(settings.data_dir))
        # Before anything is opened: a lost index would be made anew for the wrong node.
        datadir.refuse_other(settings.data_dir, name)
        if not rejoin:
            datadir.refuse_left(settings.data_dir)
        clock = HybridClock(SystemClock())
        ballast = Ballast(settings.data_dir, settings.disk_reserve_bytes, logs.get_logger("disk"))
        ballast.make_room()
        index = stores.index_of(settings, name, repair, clock, epoch_after)
        stack.callback(index.close)
        datadir.claim(settings.data_dir, name)
        if datadir.forget_left(settings.data_dir):
            logs.get_logger("node").info("a member again, as asked by --rejoin")
        blobs = await stores.enter_blobs(stack, settings, index)
        metrics, readiness = Metrics(), Readiness("running", "cluster")
        lateness = figures.Lateness(metrics)
        me = parts.member(settings, name, index)
        cluster, holdings = engine.join(
            me,
            parts.cluster_config(settings),
            index,
            blobs,
            GrpcTransport(logs.request_id),
            SystemClock(),
            clock,
            random.Random(),
            logs.get_logger,
            lateness,
        )
        lateness.follow(cluster)
        shares = parts.descriptors(settings)
        index.journal.on_conflict = partial(_note_conflict, metrics)
        mender = Mender(index.replica, blobs, cluster.bring, logs.get_logger("blobs"))
        registry = UseCases.over(
            index.metadata.roles,
            blobs,
            cluster,
            cluster,
            cluster,
            _now,
            logs.get_logger,
            uploads=parts.upload_config(settings),
            on_missing=mender.missed,
        )
        metrics.watch_store(lambda: figures.store_figures(index, registry.uploads, blobs, mender))
        metrics.watch_health(lambda: readiness)
        metrics.watch_node(figures.node_figures(settings, me))
        metrics.watch_disk(partial(figures.disk_figures, settings))
        metrics.watch_clock(partial(figures.clock_figures, cluster))
        metrics.watch_cluster(lambda: ClusterFigures.of(cluster.statistics()))
        cluster.vitals.mine = VitalSigns(
            readiness,
            partial(datadir.space_at, settings.data_dir),
            partial(figures.blobs_on, index),
            SystemClock().now_s,
        )
        rows = partial(stakes.rows, index.metadata, index.metadata, cluster)
        departure = Departure(name, cluster.state, cluster, rows)
        forwarder = await stack.enter_async_context(parts.forwarder(settings, name, cluster))
        proxy = await stack.enter_async_context(parts.proxy(settings, name, cluster))
        has_room = partial(check_room, settings.data_dir, 0, settings.disk_reserve_bytes)
        limits, cors = parts.api_limits(settings), Cors(settings.cors_origins)
        voters = VoterWatch(cluster.layouts.voters, SystemClock().now_s)
        identity = identity_of(settings, name, index, cluster, voters)
        stack.callback(identity.passwords.close)
        attention = attention_of(settings, cluster, index, blobs, registry, identity, voters)
        metrics.watch_attention(attention.see)
        metrics.watch_queues(partial(figures.queue_lengths, cluster, index, identity.passwords))
        desk = desk_of(
            catalogue_of(settings, index, blobs, cluster, identity),
            cluster_of(cluster, index, attention, metrics.tally),
            settings_of(settings, cluster),
            index,
            registry,
            cluster,
            cluster.layouts,
            SystemClock().now_ms,
        )
        claimed = partial(stakes.claimed, index.metadata, index.metadata)
        planner = Planner(
            cluster.layouts, cluster.statistics, claimed, attention, desk.cluster.plans
        )
        oci = OciContext(
            registry=registry, identity=identity, forwarder=forwarder, limits=limits, cors=cors
        )
        admin = AdminContext(
            registry=registry,
            identity=identity,
            cluster=cluster,
            departures=departure,
            layouts=cluster.layouts,
            generations=cluster.generations,
            rows=rows,
            planner=planner,
            attention=attention,
            desk=desk,
            readiness=readiness,
            figures=metrics.render,
            described=edge.described,
            limits=limits,
        )
        await stores.verify(holdings)
        rpc = PeerServer(cluster.service.roles, logs.request_id, logs.get_logger("rpc"))
        await listeners.listen_rpc(stack, rpc, settings.rpc)
        conditions.watch(readiness, index, blobs, cluster, has_room)
        guard = guard_of(settings, identity)
        ui = ui_of(settings, name, registry, identity, attention, desk, planner)
        doors = edge.bind(
            oci, admin, ui, proxy, is_open=settings.is_open, has_pages=settings.ui == "on"
        )
        vicinity = Vicinity(me.region, cluster.living)
        proxies = TrustedProxies(settings.trusted_proxies, vicinity.addresses)
        throttle = RateThrottle(
            parts.rate_config(settings),
            vicinity,
            asyncio.get_running_loop().time,
        )
        metrics.watch_rates(lambda: figures.rate_figures(throttle))
        shown = Pages(ui) if settings.ui == "on" else NoPages()
        outer, inner = (
            Api(
                served,
                metrics,
                limits,
                cors,
                check_room=has_room,
                proxies=proxies,
                throttle=counted,
                guard=guard,
                log_reads=settings.log_requests == "all",
                logs_reads_of=LoggedReads(index.metadata, lambda: index.words.policy),
                validity=Validity(index.words, cluster, SystemClock().now_s, _now),
                remembered_bytes=kept,
                pages=pages,
            )
            for served, counted, kept, pages in (
                (doors.registry, throttle, settings.remembered_bytes, shown),
                (doors.admin, None, 0, Pages(ui)),
            )
        )
        blobs.on_withdrawn(index.words.change_digest)
        http = await listeners.listen_http(stack, outer, settings.http, shares.connections)
        within = await listeners.listen_http(stack, inner, settings.admin, shares.admin, "admin")
        admin_at = settings.admin._replace(port=within.port)
        if not stack.enter_context(datadir.admin_told(settings.data_dir, str(admin_at))):
            log = logs.get_logger("node")
            log.warning(
                "the data directory does not say where the admin API is", admin=str(admin_at)
            )
        metrics.watch_connections(lambda: figures.connection_figures(http, shares))
        if (remembered := outer.remembered) is not None:
            metrics.watch_remembered(lambda: remembered)
        readiness.meet("running")
        yield Node(
            cluster,
            registry.uploads,
            holdings,
            ballast,
            mender,
            http,
            within,
            readiness,
            departure,
            attention,
            desk,
            Entrance(identity, voters, partial(tell_who_may_begin, settings, identity)),
            settings,
        )


def _note_conflict(metrics: Metrics, key: Key) -> None:
    """On the index's writer thread."""
    metrics.conflict(key.collection)
    logs.get_logger("index").warning(
        "conflict", collection=key.collection, repository=key.repository, name=key.name
    )


def _now() -> float:
    return SystemClock().now_ms() / 1000
