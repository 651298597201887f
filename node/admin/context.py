"""What the handlers of the admin API work with."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from cluster import Rows, Verdict
from cluster.layout import Change, Entry, Layout, Live, View
from cluster.model import NodeId
from node.attention.service import Attention
from node.desk.desk import Desk
from node.desk.planner import PlanFace, Planner
from node.http.limits import ApiLimits
from node.identity.service import Identity
from node.lifetime.departure import Farewell
from node.lifetime.readiness import Readiness
from node.registry.ports import ClusterView
from node.registry.usecases import UseCases


class Departures(Protocol):
    """How nodes go for good (`node.lifetime.departure`)."""

    async def begin(self, drain_s: float, *, lost: bool) -> Verdict:
        """Have this node leave once others have its copies; raises `CopiesAtStake`."""
        ...

    async def farewell(self, timeout_s: float) -> Farewell:
        """How that went, as soon as it is over; or how far it is, in *timeout_s*."""
        ...

    async def remove(self, node: NodeId, *, lost: bool) -> None:
        """Take a member out that has drained, or is lost; raises what says which it is not."""
        ...


class LayoutFace(PlanFace, Protocol):
    """The layout, and how it is changed (`cluster.Layouts`, which has what each may raise)."""

    @property
    def entries(self) -> Sequence[Entry]: ...

    @property
    def plans(self) -> Sequence[Live]: ...

    def view(self) -> View | None: ...

    async def change(self, *changes: Change, lost: Collection[NodeId] = ()) -> int: ...

    async def verdict(self, node: NodeId, rows: Rows) -> Verdict: ...


class GenerationFace(Protocol):
    """How a cluster begins, and goes on after a disaster (`Cluster.generations`)."""

    async def begin(self) -> Layout: ...

    async def force(self, survivors: Collection[NodeId]) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminContext:
    """The registry, the cluster, and this node as its operator sees it."""

    registry: UseCases
    identity: Identity
    cluster: ClusterView
    departures: Departures
    layouts: LayoutFace
    generations: GenerationFace
    rows: Rows
    """The blobs that a node holds, with who has them and is there."""

    planner: Planner
    """Tells what changes of the layout would make, and move."""

    attention: Attention
    desk: Desk
    readiness: Readiness
    figures: Callable[[], tuple[bytes, str]]
    """The metrics, and the type of their text."""
    described: Callable[[], bytes]
    """The OpenAPI document of all that is served here."""
    limits: ApiLimits
