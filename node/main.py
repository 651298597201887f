"""
The composition root: settings -> stores -> cluster -> registry -> HTTP -> tasks.

The only module that sees everything. Start-up is a stack of contexts; shut-down is the same stack
backwards: stop taking requests, let the running ones end, leave the cluster, close the stores.
"""

import asyncio
import errno
import random
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Final

import uvloop

from cluster import ClusterConfig, HybridClock, SystemClock
from cluster.errors import JoinRefused, StartsEmpty, StorageFailure, StorageFull, TwoClusters
from cluster.model import FEATURES, Event, Key, Member, NodeId, Region
from cluster.rpc.client import GrpcTransport
from cluster.rpc.server import PeerServer
from node import assembly, conditions, datadir, edge, former, logs, stakes
from node.admin.context import AdminContext
from node.admin.figures import ClusterFigures, ConnectionFigures, StoreFigures
from node.admin.health import Readiness
from node.admin.metrics import Metrics
from node.ballast import Ballast
from node.blobs.config import BlobStoreConfig
from node.blobs.filesystem import FilesystemBlobs
from node.departure import Departure
from node.descriptors import Descriptors, raise_limit
from node.holdings import Holdings
from node.http.app import Api
from node.http.cors import Cors
from node.http.limits import ANSWER, WRITE_SILENCE, ApiLimits
from node.http.listener import HttpListener
from node.index.index import Index, open_index
from node.lifetime import Node
from node.mender import Mender
from node.oci.context import OciContext
from node.oci.forwarder import ForwardConfig, Forwarder, Neighbours
from node.oci.proxy import Proxy, ProxyConfig, Servers
from node.registry.uploads import UploadConfig, Uploads
from node.registry.usecases import UseCases
from node.repair import NO_REPAIR, Repair, open_store
from node.room import check_room
from node.settings import Address, Settings
from node.settings.model import this_host
from node.shutdown import Stop
from node.startup import StartupError
from node.vitals import VitalSigns

EXIT_FAILED = 1

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
    beginnings = 0
    while (end := await _run_once(settings, name, rejoin, repair, stop)) is not None:
        former.leave_behind(settings.data_dir, former.LeftBehind(end.reason, end.ended))
        beginnings += 1
        if beginnings > _BEGINNINGS_MAX:
            raise StartupError(f"{end}; it has done so {_BEGINNINGS_MAX} times in a row")
    log.info("stopped")
    return 0


async def _run_once(
    settings: Settings, name: NodeId, rejoin: bool, repair: Repair, stop: Stop
) -> StartsEmpty | None:
    """
    Run until told to *stop*, or until this node has to begin with an empty index: returns why.

    Raises:
        HasLeft, StartupError: see `serve`.
    """
    # Raised behind the block: what is raised in it, Python before 3.11.4 puts into a group again.
    refused: Exception | None = None
    end: StartsEmpty | None = None
    try:
        async with running(settings, name, repair, rejoin=rejoin) as node:
            logs.get_logger("node").info("serving", http=str(settings.http), rpc=str(settings.rpc))
            await node.run_until(stop)
    except* (JoinRefused, TwoClusters) as refusals:
        refused = StartupError(str(refusals.exceptions[0]))
    except* StartupError as failures:
        refused = failures.exceptions[0]
    except* StartsEmpty as ends:
        (error,) = ends.exceptions
        assert isinstance(error, StartsEmpty), "a node has one cluster"
        end = error
    if refused is not None:
        raise refused from None
    return end


@asynccontextmanager
async def running(
    settings: Settings, name: NodeId, repair: Repair, *, rejoin: bool = False
) -> AsyncIterator[Node]:
    """
    Open the stores and the ports of the node *name*.

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
        index = _open_index(settings, name, repair, clock)
        stack.callback(index.close)
        datadir.claim(settings.data_dir, name)
        if datadir.forget_left(settings.data_dir):
            logs.get_logger("node").info("a member again, as asked by --rejoin")
        blobs = await _enter_blobs(stack, settings, index)
        metrics, readiness = Metrics(), Readiness("running", "cluster")
        me = _member(settings, name, index)
        cluster, holdings = assembly.join(
            me,
            _cluster_config(settings),
            index,
            blobs,
            GrpcTransport(logs.request_id),
            SystemClock(),
            clock,
            random.Random(),
            logs.get_logger,
        )
        shares = _descriptors(settings)
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
            uploads=_upload_config(settings),
            on_missing=mender.missed,
        )
        metrics.watch_store(lambda: _store_figures(index, registry.uploads, blobs, mender))
        metrics.watch_health(lambda: readiness)
        metrics.watch_clock(cluster.clock_off_ms)
        metrics.watch_cluster(lambda: ClusterFigures.of(cluster.statistics()))
        cluster.vitals.mine = VitalSigns(
            readiness, partial(datadir.space_at, settings.data_dir), partial(_blobs_on, index)
        )
        rows = partial(stakes.rows, index.metadata, index.metadata, cluster)
        departure = Departure(name, cluster.state, cluster, rows)
        forwarder = await stack.enter_async_context(_forwarder(settings, name, cluster))
        proxy = await stack.enter_async_context(_proxy(settings, name, cluster))
        has_room = partial(check_room, settings.data_dir, 0, settings.disk_reserve_bytes)
        limits, cors = _limits(settings), Cors(settings.cors_origins)
        oci = OciContext(registry=registry, forwarder=forwarder, limits=limits, cors=cors)
        admin = AdminContext(
            registry=registry,
            cluster=cluster,
            departures=departure,
            layouts=cluster.layouts,
            generations=cluster.generations,
            rows=rows,
            blobs=partial(stakes.claimed, index.metadata, index.metadata),
            copies=stakes.CopyCount(
                index.metadata, index.metadata, cluster, lambda: cluster.layouts.live
            ),
            readiness=readiness,
            figures=metrics.render,
            described=edge.described(),
            limits=limits,
        )
        await _verify(holdings)
        rpc = PeerServer(cluster.service, logs.request_id, logs.get_logger("rpc"))
        await _listen_rpc(rpc, settings.rpc)
        stack.push_async_callback(rpc.stop)
        conditions.watch(readiness, index, blobs, cluster, has_room)
        api = Api(
            edge.bind(oci, admin, proxy),
            metrics,
            limits,
            cors,
            check_room=has_room,
            log_reads=settings.log_requests == "all",
        )
        http = await _listen_http(stack, api, settings.http, shares)
        metrics.watch_connections(lambda: _connection_figures(http, shares))
        readiness.meet("running")
        yield Node(
            cluster,
            registry.uploads,
            holdings,
            ballast,
            mender,
            http,
            readiness,
            departure,
            settings,
        )


def _store_figures(
    index: Index, uploads: Uploads, blobs: FilesystemBlobs, mender: Mender
) -> StoreFigures:
    totals, files = index.journal.totals, blobs.statistics()
    count, size = _blobs_on(index)
    return StoreFigures(
        uploads_open=uploads.open_count,
        blobs=count,
        blob_bytes=size,
        manifests=totals.manifests,
        quarantined=index.replica.quarantined(),
        index_paused=int(index.writer.failed is None and index.writer.trouble is not None),
        index_failed=int(index.writer.failed is not None),
        index_recoveries=index.journal.recoveries,
        blobs_checked=files.checked,
        blobs_damaged=files.damaged,
        blobs_restored=mender.restored,
        blobs_not_restored=mender.lost,
        blobs_set_aside=files.set_aside,
        blobs_hidden=files.hidden,
        disk_failures=files.disk_failures,
    )


def _blobs_on(index: Index) -> tuple[int, int]:
    """How many are on this node, and their bytes."""
    own, cached = index.journal.own, index.journal.cached
    return len(own) + len(cached), own.bytes + cached.bytes


def _connection_figures(http: HttpListener, shares: Descriptors) -> ConnectionFigures:
    return ConnectionFigures(
        connections_open=http.server.connections_open,
        connections_closed=http.server.closed,
        connections_refused=http.server.refused,
        descriptors=shares.limit,
    )


def _note_conflict(metrics: Metrics, key: Key) -> None:
    """On the index's writer thread."""
    metrics.conflict(key.collection)
    logs.get_logger("index").warning(
        "conflict", collection=key.collection, repository=key.repository, name=key.name
    )


def _now() -> float:
    return SystemClock().now_ms() / 1000


def _open_index(settings: Settings, name: NodeId, repair: Repair, clock: HybridClock) -> Index:
    log = logs.get_logger("index")

    def on_quarantine(event: Event, reason: str) -> None:
        log.error("event quarantined", dot=str(event.dot), key=list(event.key), reason=reason)

    try:
        ended = former.part(settings.data_dir, log)
        store = open_store(
            settings.data_dir,
            repair,
            has_peers=bool(settings.seeds),
            log=log,
            memory_bytes=settings.index_memory_bytes,
        )
    except (StorageFailure, OSError) as exc:
        raise StartupError(str(exc)) from exc
    try:
        index = open_index(
            store, name, clock, SystemClock(), random.Random(), on_quarantine, ended=ended or ()
        )
    except StorageFailure as exc:
        store.close()
        raise StartupError(f"cannot use the index: {exc}") from exc
    except StartupError:
        store.close()
        raise
    if ended is not None:
        former.parted(settings.data_dir)
    return index


async def _enter_blobs(stack: AsyncExitStack, settings: Settings, index: Index) -> FilesystemBlobs:
    config = BlobStoreConfig(
        threads=settings.blob_threads,
        reserve_bytes=settings.disk_reserve_bytes,
        verify_interval_s=settings.blob_verify_interval_s,
    )
    try:
        blobs = await stack.enter_async_context(FilesystemBlobs(settings.data_dir, config))
        removed = await blobs.recover({upload.id for upload in index.metadata.uploads()})
    except (StorageFailure, StorageFull) as exc:
        raise StartupError(f"cannot use the blob store: {exc}") from exc
    if removed:
        logs.get_logger("blobs").info("removed unfinished files", count=removed)
    return blobs


async def _verify(holdings: Holdings) -> None:
    try:
        await holdings.verify()
    except StorageFailure as exc:
        raise StartupError(f"cannot hold the index against the blobs: {exc}") from exc


def _member(settings: Settings, name: NodeId, index: Index) -> Member:
    return Member(
        node=name,
        region=Region(settings.region),
        rpc=str(settings.rpc_advertised),
        http=str(settings.http_advertised),
        epoch=index.replica.origin.epoch,
        features=FEATURES,
        store=index.disk,
        zone=settings.zone or "",
        weight=settings.weight,
    )


def _cluster_config(settings: Settings) -> ClusterConfig:
    return ClusterConfig(
        cluster=settings.cluster,
        seeds=tuple(str(seed) for seed in settings.seeds),
        settings=settings.shared,
        initial=() if former.has_former(settings.data_dir) else settings.initial,
        open_joining=settings.joining == "open",
        quiet_s=settings.quiet_s,
        copies=settings.copies,
        refuse_degraded=settings.degraded_writes == "refuse",
        join_timeout_s=settings.join_timeout_s,
        copies_timeout_s=settings.copies_timeout_s,
    )


def _descriptors(settings: Settings) -> Descriptors:
    """Divide what this process may open; says so where that is less than what the settings ask."""
    shares = Descriptors.divide(raise_limit(), settings.connections_max)
    if shares.connections != settings.connections_max:
        logs.get_logger("node").warning(
            "limit on open files is low",
            limit=shares.limit,
            connections_max=shares.connections,
        )
    return shares


def _upload_config(settings: Settings) -> UploadConfig:
    return UploadConfig(
        open_max=settings.uploads_max,
        expiry_s=settings.upload_expiry_s,
        blob_max_bytes=settings.upload_max_bytes,
    )


def _forwarder(settings: Settings, name: NodeId, neighbours: Neighbours) -> Forwarder:
    return Forwarder(
        name,
        neighbours,
        ForwardConfig(running_max=settings.uploads_max),
        logs.get_logger("forwarding"),
        body_idle_s=settings.body_timeout_s,
    )


def _proxy(settings: Settings, name: NodeId, servers: Servers) -> Proxy:
    return Proxy(
        name,
        servers,
        ProxyConfig(write_silence_s=_limits(settings).answer_s + WRITE_SILENCE.number),
        Cors(settings.cors_origins),
        logs.get_logger("proxy"),
        body_idle_s=settings.body_timeout_s,
    )


def _limits(settings: Settings) -> ApiLimits:
    return ApiLimits(
        manifest_bytes=settings.manifest_max_bytes,
        body_idle_s=settings.body_timeout_s,
        answer_s=ANSWER.number + settings.copies_timeout_s,
        chunk_min_bytes=settings.chunk_min_bytes,
    )


async def _listen_rpc(server: PeerServer, address: Address) -> None:
    try:
        await server.start(str(address))
    except OSError as exc:
        raise StartupError(f"cannot listen on {address} (rpc): {_reason(exc)}") from exc


async def _listen_http(
    stack: AsyncExitStack, api: Api, address: Address, shares: Descriptors
) -> HttpListener:
    listener = HttpListener(api, shares.connections)
    stack.push_async_callback(listener.cut, 0.0)
    try:
        await listener.open(address.host, address.port)
    except OSError as exc:
        raise StartupError(f"cannot listen on {address} (http): {_reason(exc)}") from exc
    return listener


def _reason(exc: OSError) -> str:
    return "the address is in use" if exc.errno == errno.EADDRINUSE else str(exc.strerror or exc)
