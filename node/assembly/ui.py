"""What the pages of a node work with."""

from cluster import SystemClock
from node.assembly.accounts import public_url_of
from node.assembly.parts import api_limits
from node.attention.service import Attention
from node.desk.desk import Desk
from node.desk.planner import Planner
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
    planner: Planner,
) -> UiContext:
    """The registry and its cluster, as pages ask for them; their templates are compiled now."""
    environment()
    clock = SystemClock()
    return UiContext(
        registry=registry,
        identity=identity,
        attention=attention,
        desk=desk,
        planner=planner,
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
