"""What the handlers work with."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from aiohttp import web

from cluster.model import NodeId
from node.api.bodies import Bodies
from node.api.cors import Cors
from node.api.forwarder import Forwarder
from node.registry.access import UNRESTRICTED, Access
from node.registry.ports import ClusterView
from node.registry.usecases import UseCases
from node.stakes import Stakes


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiLimits:
    """Bounds at the HTTP edge."""

    manifest_bytes: int = 4 << 20
    """Largest manifest. The specification asks for 4 MiB at least."""

    body_idle_s: float = 60.0
    """Seconds without a byte after which a body is given up. Longer holds uploads of dead
    clients; shorter cuts off stalled links that would have recovered."""

    chunk_min_bytes: int = 0
    """Advised as OCI-Chunk-Min-Length when not 0. Larger chunks mean fewer requests."""


class Departures(Protocol):
    """How nodes go for good (`node.departure`)."""

    async def begin(self, drain_s: float, *, fewer_copies: bool, force: bool) -> Stakes:
        """Have this node leave in *drain_s* seconds; raises `CopiesAtStake`."""
        ...

    async def remove(self, node: NodeId, *, force: bool) -> Stakes:
        """Count a dead member out; raises `CopiesAtStake`, `MemberUnknown`, `MemberNotDead`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The registry, what stands beside it, and the limits that the edge enforces."""

    registry: UseCases
    cluster: ClusterView
    forwarder: Forwarder
    limits: ApiLimits
    departures: Departures
    cors: Cors
    """What pages of other sites may read."""
    bodies: Bodies = field(default_factory=Bodies)
    access_of: Callable[[web.BaseRequest], Access] = lambda _: UNRESTRICTED
    """What the sender of a request may do."""
    check_room: Callable[[], None] = lambda: None
    """Called before anything new is taken; raises `StorageFull` when the disk lacks the room."""
