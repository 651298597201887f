"""What the handlers of the admin API work with."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cluster.model import NodeId
from node.admin.health import Readiness
from node.http.limits import ApiLimits
from node.registry.ports import ClusterView
from node.registry.usecases import UseCases
from node.stakes import Stakes


class Departures(Protocol):
    """How nodes go for good (`node.departure`)."""

    async def begin(self, drain_s: float, *, fewer_copies: bool, force: bool) -> Stakes:
        """Have this node leave in *drain_s* seconds; raises `CopiesAtStake`."""
        ...

    async def remove(self, node: NodeId, *, force: bool) -> Stakes:
        """Count a dead member out; raises `CopiesAtStake`, `MemberUnknown`, `MemberNotDead`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminContext:
    """The registry, the cluster, and this node as its operator sees it."""

    registry: UseCases
    cluster: ClusterView
    departures: Departures
    readiness: Readiness
    figures: Callable[[], tuple[bytes, str]]
    """The metrics, and the type of their text."""
    described: bytes
    """The OpenAPI document of all that is served here."""
    limits: ApiLimits
