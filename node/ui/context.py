"""What pages work with."""

from collections.abc import Callable
from dataclasses import dataclass

from node.attention.service import Attention
from node.desk.desk import Desk
from node.desk.planner import Planner
from node.http.limits import ApiLimits
from node.http.public_url import PublicUrl
from node.identity.service import Identity
from node.registry.usecases import UseCases


@dataclass(frozen=True, slots=True, kw_only=True)
class UiContext:
    """The registry and the cluster, and where the node stands in it."""

    registry: UseCases
    identity: Identity
    attention: Attention
    desk: Desk
    planner: Planner
    """Tells what changes of the layout would make, and move; and brings about what was planned."""

    public_url: PublicUrl
    """Where clients reach the registry: what commands on pages name."""

    advertised: str
    """`HOST:PORT` of the registry's API at this node, where nothing else is known."""

    node: str
    region: str
    cluster: str
    version: str
    is_open: bool
    """Whether everybody may do everything: then nobody logs in."""

    limits: ApiLimits
    now: Callable[[], float]
    """Seconds since 1970."""
