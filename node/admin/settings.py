"""The settings of the cluster, and of the node that is asked."""

from typing import Final

from aiohttp import web

from node.admin.answers import answer, document
from node.admin.context import AdminContext
from node.desk.settings import SettingsDocument
from node.http.endpoint import Action, Endpoint, Request


async def settings(context: AdminContext, request: Request) -> web.Response:
    """GET of all of them."""
    return answer(context.desk.settings.look())


ENDPOINTS: Final = (
    Endpoint(
        action=Action.SETTINGS,
        methods=("GET",),
        path="/atoll/v1/settings",
        handler=settings,
        doc="Show the settings of the cluster and of this node: values, and where each comes from.",
        answers=(document(200, "The settings.", SettingsDocument),),
    ),
)
