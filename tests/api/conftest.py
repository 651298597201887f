"""A registry over HTTP, on real stores, without a cluster."""

import io
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import aiohttp
import pytest
import uvloop
from aiohttp import web
from yarl import URL

from cluster.clock import HybridClock, SystemClock
from cluster.model import Digest, Member, NodeId
from node import edge, logs
from node.admin.context import AdminContext
from node.assembly.attention import conflicts_in, copies_in
from node.assembly.desk import desk_of
from node.attention.collector import AttentionSources, Collector
from node.attention.facts import StorageFacts
from node.attention.service import Attention
from node.blobs.config import BlobStoreConfig
from node.blobs.filesystem import FilesystemBlobs
from node.desk.desk import Desk
from node.desk.settings import OwnSetting
from node.http.app import Api
from node.http.client_address import TrustedProxies
from node.http.cors import Cors
from node.http.endpoint import Principal, Request
from node.http.guard import Doorkeeper
from node.http.limits import REMEMBERED, ApiLimits
from node.http.public_url import PublicUrl
from node.http.remembered import RememberedAnswers
from node.http.routing import Target
from node.http.server import Server, make_server
from node.http.throttle import Throttle
from node.identity.authorizer import stranger_may_pull
from node.identity.service import Identity
from node.index.index import Index, open_index
from node.index.rocks import RocksStore
from node.lifetime.readiness import Readiness
from node.logs import get_logger
from node.oci.context import OciContext
from node.oci.forwarder import ForwardConfig, Forwarder
from node.oci.proxy import Proxy, ProxyConfig
from node.registry.media_types import OCI_MANIFEST
from node.registry.policy import LoggedReads
from node.registry.upload_config import UploadConfig
from node.registry.uploads import Uploads
from node.registry.usecases import UseCases
from node.remembered.validity import Validity
from node.ui.context import UiContext
from node.ui.face import Pages
from tests.api.described import check
from tests.builders import an_image, encoded
from tests.fakes.identity import NearMajority, Time, identity_over
from tests.fakes.replicator import SoloReplicator, SoloView
from tests.fakes.solo_layouts import SoloLayouts
from tests.unit.desk import desks


def pytest_asyncio_loop_factories(config, item):
    """The event loop of production: how a connection ends is its business."""
    return {"uvloop": uvloop.new_event_loop}


class Observed:
    """What the edge reported."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, int]] = []
        self.bytes_in = 0
        self.bytes_out = 0

    def request(self, action: str, method: str, status: int, seconds: float) -> None:
        self.requests.append((action, method, status))

    def received(self, count: int) -> None:
        self.bytes_in += count

    def sent(self, count: int) -> None:
        self.bytes_out += count


class AddressBook(dict[str, str]):
    """Other nodes and where their API is: the `Neighbours` of a registry without a cluster."""

    def http_address(self, node: NodeId) -> str | None:
        return self.get(node)


class Members:
    """The `Servers` of a registry without a cluster."""

    def __init__(self) -> None:
        self.proxy = False
        """Whether it has others answer."""
        self.there: list[Member] = []

    def is_proxy(self) -> bool:
        return self.proxy

    def servers(self) -> Sequence[Member]:
        return self.there


class Hiding:
    """An `Access` to all repositories but some."""

    def __init__(self, hidden: set[str]) -> None:
        self._hidden = hidden

    def may_pull(self, repository: str) -> bool:
        return repository not in self._hidden

    def may_list(self, repository: str) -> bool:
        return True

    def may_list_some(self, project: str) -> bool:
        return True

    def may_see_project(self, project: str) -> bool:
        return True

    def may_see_who(self, repository: str) -> bool:
        return True

    def may_see_layout(self) -> bool:
        return True


class HidingDoor:
    """Lets everybody in, and hides some repositories."""

    def __init__(self, hidden: set[str]) -> None:
        self._principal = Principal("", Hiding(hidden))

    async def admit(self, http: web.BaseRequest, target: Target) -> Principal:
        return self._principal


@dataclass
class Answer:
    status: int
    headers: "aiohttp.typedefs.CIMultiDictProxy[str]"
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def codes(self) -> list[str]:
        return [error["code"] for error in self.json["errors"]]

    @property
    def outcome(self) -> str | None:
        """What the one error says of the write that it refuses; None: nothing has changed."""
        [error] = self.json["errors"]
        outcome: str | None = error.get("detail", {}).get("outcome")
        return outcome


@dataclass
class Registry:
    """One running registry and a client of it."""

    url: str
    port: int
    session: aiohttp.ClientSession
    data_dir: Path
    index: Index
    uploads: Uploads
    blobs: FilesystemBlobs
    replicator: SoloReplicator
    observed: Observed
    view: SoloView
    layouts: SoloLayouts
    parts: AsyncExitStack
    oci: OciContext
    server: Server
    members: Members
    refusals: list[Exception]
    """What new content meets, as if the disk were below its reserve; empty: it is not."""
    hidden: set[str]
    """Repositories that callers may not pull from."""
    identity: Identity
    time: Time
    """The clock of accounts."""
    authority: NearMajority
    readiness: Readiness
    desk: Desk

    @property
    def remembered(self) -> RememberedAnswers:
        """The answers that it remembers."""
        found = self.server._api.remembered
        assert found is not None
        return found

    async def stop(self) -> None:
        await self.parts.aclose()

    async def call(self, method: str, path: str, **options: object) -> Answer:
        url = URL(self.url + path, encoded=True)
        if isinstance(options.get("data"), bytes):
            options["data"] = io.BytesIO(options["data"])  # aiohttp warns of large bytes
        async with self.session.request(method, url, allow_redirects=False, **options) as answer:
            body = await answer.read()
            check(method, path, answer.status, answer.headers, body)
            return Answer(answer.status, answer.headers, body)

    async def push_blob(self, repository: str, data: bytes, algorithm: str = "sha256") -> Digest:
        digest = Digest.of(data, algorithm)
        path = f"/v2/{repository}/blobs/uploads/?digest={digest}"
        answer = await self.call("POST", path, data=data)
        assert answer.status == 201, answer.body
        return digest

    async def push_image(self, repository: str, *tags: str, text: str = "x") -> Digest:
        config, layer = b"config " + text.encode(), b"layer " + text.encode()
        body = image(
            (await self.push_blob(repository, config), len(config)),
            (await self.push_blob(repository, layer), len(layer)),
        )
        digest = Digest.of(body)
        for reference in tags or (digest,):
            answer = await self.put_manifest(repository, reference, body)
            assert answer.status == 201, answer.body
        return digest

    async def put_manifest(
        self, repository: str, reference: str, body: bytes, media_type: str = OCI_MANIFEST
    ) -> Answer:
        return await self.call(
            "PUT",
            f"/v2/{repository}/manifests/{reference}",
            data=body,
            headers={"Content-Type": media_type},
        )

    async def start_upload(self, repository: str) -> str:
        """Open an upload session and return its path."""
        answer = await self.call("POST", f"/v2/{repository}/blobs/uploads/")
        assert answer.status == 202
        return answer.headers["Location"]

    def files(self) -> set[str]:
        """Every file of the blob store."""
        roots = (self.data_dir / "blobs", self.data_dir / "staging")
        return {path.name for root in roots for path in root.rglob("*") if path.is_file()}


def image(config: tuple[Digest, int], *layers: tuple[Digest, int], **more: object) -> bytes:
    """An OCI image manifest."""
    return encoded(an_image(config, *layers, **more))


StartRegistry = Callable[..., Awaitable[Registry]]


@pytest.fixture
async def start_registry(tmp_path: Path) -> AsyncIterator[StartRegistry]:
    """See `registries`."""
    async with registries(tmp_path) as start:
        yield start


@asynccontextmanager
async def registries(root: Path) -> AsyncIterator[StartRegistry]:
    """
    Start registries below *root*: in one data directory, one after the other; or, with a name each,
    as nodes that find each other in *neighbours*.
    """
    async with AsyncExitStack() as registries:

        async def start(
            limits: ApiLimits | None = None,
            config: UploadConfig | None = None,
            *,
            node: str = "",
            neighbours: AddressBook | None = None,
            forward: ForwardConfig | None = None,
            passing: ProxyConfig | None = None,
            origins: Sequence[str] = (),
            connections_max: int = 1000,
            log_reads: bool = False,
            accounts: bool = False,
            reaches: Callable[[Request], Awaitable[web.StreamResponse]] | None = None,
            public_url: PublicUrl | None = None,
            is_open: bool = True,
            has_pages: bool = True,
            remembered_bytes: int = REMEMBERED.number,
            proxies: TrustedProxies | None = None,
            throttle: Throttle | None = None,
            own_settings: Sequence[OwnSetting] = desks.OWN_SETTINGS,
        ) -> Registry:
            name, data_dir = NodeId(node or "solo"), root / node
            data_dir.mkdir(exist_ok=True)
            stack = await registries.enter_async_context(AsyncExitStack())
            wall = SystemClock()
            index = open_index(
                RocksStore(data_dir / "index"),
                name,
                HybridClock(wall),
                wall,
                random.Random(),
                lambda event, reason: pytest.fail(f"{event} was quarantined: {reason}"),
            )
            stack.callback(index.close)
            index.metadata.who = lambda: logs.who.get() or f"node:{name}"
            blobs = await stack.enter_async_context(FilesystemBlobs(data_dir, BlobStoreConfig()))
            replicator = SoloReplicator()
            view = SoloView()
            layouts = SoloLayouts(name)
            use_cases = UseCases.over(
                index.metadata.roles,
                blobs,
                replicator,
                replicator,
                view,
                lambda: wall.now_ms() / 1000,
                get_logger,
                uploads=config or UploadConfig(),
                waits_max=2,
            )
            time, authority = Time(), NearMajority()
            identity = identity_over(
                index.metadata, replicator, node=name, authority=authority, time=time
            )
            stack.callback(identity.passwords.close)
            observed = Observed()
            refusals: list[Exception] = []
            hidden: set[str] = set()

            def check_room() -> None:
                if refusals:
                    raise refusals[0]

            limits = limits or ApiLimits()
            forwarder = Forwarder(
                name,
                AddressBook() if neighbours is None else neighbours,
                forward or ForwardConfig(),
                get_logger("forwarding"),
                body_idle_s=limits.body_idle_s,
            )
            cors, members = Cors(origins), Members()
            proxy = Proxy(
                name,
                members,
                passing or ProxyConfig(),
                cors,
                get_logger("proxy"),
                body_idle_s=limits.body_idle_s,
            )
            await stack.enter_async_context(proxy)
            oci = OciContext(
                registry=use_cases,
                identity=identity,
                forwarder=await stack.enter_async_context(forwarder),
                limits=limits,
                cors=cors,
            )
            storage = StorageFacts()
            sources = AttentionSources(
                statistics=view.statistics,
                live=lambda: layouts.live,
                change=layouts.view,
                voters=layouts.voters,
                copies=partial(copies_in, layouts.look),
                conflicts=partial(conflicts_in, use_cases.tags),
                has_admin=identity.authorizer.has_admin,
                can_sign=lambda: not accounts or identity.signer.can_sign,
                apart_s=authority.apart_s,
                login_cutoff_s=3600.0,
                storage=lambda: storage,
                wall=time,
                steady=wall.now_s,
            )
            attention = Attention(Collector(sources))
            is_public = partial(stranger_may_pull, identity.authorizer) if accounts else None
            catalogue = await stack.enter_async_context(
                desks.counting(index, blobs, replicator, is_public)
            )
            of_cluster = desks.cluster_desk(attention, view, layouts, wall)
            of_settings = desks.settings_desk(own_settings, view, layouts)
            desk = desk_of(
                catalogue, of_cluster, of_settings, index, use_cases, view, layouts, wall.now_ms
            )
            planner = desks.planner_of(layouts, view, attention, desk.cluster.plans)
            admin = AdminContext(
                registry=use_cases,
                identity=identity,
                cluster=view,
                departures=view,
                layouts=layouts,
                generations=layouts,
                rows=layouts.rows,
                planner=planner,
                attention=attention,
                desk=desk,
                readiness=Readiness(),
                figures=lambda: (b"", "text/plain"),
                described=edge.described,
                limits=limits,
            )
            ui = UiContext(
                registry=use_cases,
                identity=identity,
                attention=attention,
                desk=desk,
                planner=planner,
                public_url=public_url or PublicUrl(),
                advertised="registry.test:5000",
                node=name,
                region="local",
                cluster="atoll",
                version="1",
                is_open=not accounts,
                limits=limits,
                now=time,
            )
            doors = edge.bind(oci, admin, ui, proxy, is_open=is_open, has_pages=has_pages)
            bound = doors.registry
            if reaches is not None:
                bound = [each._replace(run=reaches) for each in bound]
            api = Api(
                bound,
                observed,
                limits,
                cors,
                check_room=check_room,
                proxies=proxies,
                throttle=throttle,
                guard=HidingDoor(hidden)
                if not accounts
                else Doorkeeper(identity, public_url or PublicUrl(), time),
                log_reads=log_reads,
                logs_reads_of=LoggedReads(index.metadata, lambda: index.words.policy),
                validity=Validity(index.words, replicator, wall.now_s, time),
                remembered_bytes=remembered_bytes,
                pages=Pages(ui) if has_pages else None,
            )
            blobs.on_withdrawn(index.words.change_digest)
            server = make_server(api, connections_max)
            runner = web.ServerRunner(server)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            port = runner.addresses[0][1]
            if neighbours is not None:
                neighbours[name] = f"127.0.0.1:{port}"
            session = await stack.enter_async_context(aiohttp.ClientSession(auto_decompress=False))
            return Registry(
                f"http://127.0.0.1:{port}",
                port,
                session,
                data_dir,
                index,
                use_cases.uploads,
                blobs,
                replicator,
                observed,
                view,
                layouts,
                stack,
                oci,
                server,
                members,
                refusals,
                hidden,
                identity,
                time,
                authority,
                admin.readiness,
                desk,
            )

        yield start


@pytest.fixture
async def registry(start_registry: StartRegistry) -> Registry:
    return await start_registry()


@pytest.fixture
def lines(process_logs: None) -> io.BytesIO:
    """What the node logs, one JSON object a line."""
    stream = io.BytesIO()
    logs.configure(form="json", stream=stream)
    return stream
