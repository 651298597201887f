"""What the pages of a node work with."""

from functools import partial

from cluster import SystemClock
from cluster.layout import Remove, Replace
from cluster.model import NodeId
from node.admin.context import LayoutFace
from node.assembly.accounts import public_url_of
from node.assembly.parts import api_limits
from node.attention.service import Attention
from node.desk.desk import Desk
from node.http.release import own_version
from node.identity.service import Identity
from node.registry.usecases import UseCases
from node.settings import Settings
from node.ui.context import UiContext
from node.ui.renderer import environment


def ui_of(
    settings: Settings,
    name: str,
    registry: UseCases,
    identity: Identity,
    attention: Attention,
    desk: Desk,
    layouts: LayoutFace,
) -> UiContext:
    """The registry and its cluster, as pages ask for them; their templates are compiled now."""
    environment()
    clock = SystemClock()
    return UiContext(
        registry=registry,
        identity=identity,
        attention=attention,
        desk=desk,
        plan_lost=partial(plan_lost_at, layouts),
        apply_plan=layouts.apply,
        public_url=public_url_of(settings),
        advertised=str(settings.http_advertised),
        node=name,
        region=settings.region,
        cluster=settings.cluster,
        version=own_version(),
        is_open=settings.is_open,
        limits=api_limits(settings),
        now=lambda: clock.now_ms() / 1000,
    )


async def plan_lost_at(layouts: LayoutFace, node: NodeId, by: NodeId | None) -> None:
    """Plan at *layouts* what `UiContext.plan_lost` says."""
    layouts.insist_lost(node)
    change = Remove(node, None) if by is None else Replace(node, layouts.newcomer(by), None)
    await layouts.plan(change, lost={node})
