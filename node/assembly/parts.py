"""What each part of a node gets of the settings: its own configuration, and no more."""

from typing import Final

from cluster import ClusterConfig
from cluster.model import FEATURES, Member, NodeId, Region
from node import logs
from node.assembly.accounts import public_url_of
from node.http.cors import Cors
from node.http.limits import ADMIN_CONNECTIONS, ANSWER, WRITE_SILENCE, ApiLimits
from node.http.throttle import RateConfig
from node.index.index import Index
from node.oci.forwarder import ForwardConfig, Forwarder, Neighbours
from node.oci.proxy import Proxy, ProxyConfig, Servers
from node.recovery import former
from node.registry.upload_config import UploadConfig
from node.settings import Settings
from node.shares.descriptors import Descriptors, raise_limit
from node.shares.rates import Rate

_MINUTE_S: Final = 60.0
_PULLS_S: Final = 6 * 3600.0


def member(settings: Settings, name: NodeId, index: Index) -> Member:
    """This node as the others know it, in the run that *index* was opened for."""
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


def cluster_config(settings: Settings) -> ClusterConfig:
    """Who has been in a cluster that has gone on without it begins none of its own."""
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


def descriptors(settings: Settings) -> Descriptors:
    """Divide what this process may open; says so where that is less than what the settings ask."""
    shares = Descriptors.divide(raise_limit(), settings.connections_max, ADMIN_CONNECTIONS.number)
    if shares.connections != settings.connections_max:
        logs.get_logger("node").warning(
            "limit on open files is low",
            limit=shares.limit,
            connections_max=shares.connections,
        )
    return shares


def rate_config(settings: Settings) -> RateConfig:
    """How often clients may ask."""
    return RateConfig(
        address=_rate(settings.address_rate, _MINUTE_S),
        account=_rate(settings.account_rate, _MINUTE_S),
        pulls=_rate(settings.anonymous_pulls, _PULLS_S),
    )


def _rate(most: int, period_s: float) -> Rate | None:
    return Rate(most, period_s) if most else None


def upload_config(settings: Settings) -> UploadConfig:
    """The bounds of uploads."""
    return UploadConfig(
        open_max=settings.uploads_max,
        expiry_s=settings.upload_expiry_s,
        blob_max_bytes=settings.upload_max_bytes,
        account_open_max=settings.account_uploads,
        account_bytes_max=settings.account_upload_bytes,
    )


def forwarder(settings: Settings, name: NodeId, neighbours: Neighbours) -> Forwarder:
    """What sends on the requests for uploads that another node has. Its caller enters it."""
    return Forwarder(
        name,
        neighbours,
        ForwardConfig(running_max=settings.uploads_max),
        logs.get_logger("forwarding"),
        body_idle_s=settings.body_timeout_s,
    )


def proxy(settings: Settings, name: NodeId, servers: Servers) -> Proxy:
    """What has others answer while this node is no store. Its caller enters it."""
    return Proxy(
        name,
        servers,
        ProxyConfig(write_silence_s=api_limits(settings).answer_s + WRITE_SILENCE.number),
        Cors(settings.cors_origins),
        logs.get_logger("proxy"),
        body_idle_s=settings.body_timeout_s,
        public_url=public_url_of(settings),
    )


def api_limits(settings: Settings) -> ApiLimits:
    """The bounds of requests; making copies is part of the answer to a push."""
    return ApiLimits(
        manifest_bytes=settings.manifest_max_bytes,
        body_idle_s=settings.body_timeout_s,
        answer_s=ANSWER.number + settings.copies_timeout_s,
        chunk_min_bytes=settings.chunk_min_bytes,
    )
