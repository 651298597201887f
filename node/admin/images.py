"""Images: what they are made of, what is attached to them, and where they are."""

from typing import Final

from aiohttp import web

from node.admin.answers import answer, document
from node.admin.context import AdminContext
from node.desk.attached import AttachedList
from node.desk.image_view import ImageShown
from node.desk.replication import ReplicationShown
from node.errors import DigestInvalid, ManifestUnknown, TagInvalid
from node.http import headers
from node.http.endpoint import READING, Action, Endpoint, Request
from node.http.query import text
from node.registry.names import parse_reference

_IMAGE: Final = "/atoll/v1/repositories/{name}/images/{reference}"

_PLATFORM: Final = text(
    "platform",
    "Of an index, the image whose layers are shown, `OS/ARCHITECTURE` or "
    "`OS/ARCHITECTURE/VARIANT`; without it that for linux/amd64, or the first one.",
)


async def image(context: AdminContext, request: Request) -> web.Response:
    """GET of an image."""
    reference, platform = parse_reference(request.variable), request.query().one(_PLATFORM)
    shown = await context.desk.images.look(request.repository, reference, platform or "")
    return answer(shown, headers.consistency())


async def referrers(context: AdminContext, request: Request) -> web.Response:
    """GET of what is attached to an image."""
    reference = parse_reference(request.variable)
    shown = await context.desk.attached.look(request.repository, reference)
    return answer(shown, headers.consistency())


async def replication(context: AdminContext, request: Request) -> web.Response:
    """GET of where an image is."""
    reference = parse_reference(request.variable)
    shown = await context.desk.replication.look(request.repository, reference)
    return answer(shown, headers.consistency())


_ERRORS: Final = (*READING, TagInvalid, DigestInvalid, ManifestUnknown)

ENDPOINTS: Final = (
    Endpoint(
        action=Action.IMAGE_READ,
        methods=("GET",),
        path=_IMAGE,
        handler=image,
        doc="Show an image: its platforms, its layers with what made them, its tags.",
        parameters=(_PLATFORM,),
        answers=(document(200, "The image.", ImageShown),),
        errors=_ERRORS,
    ),
    Endpoint(
        action=Action.IMAGE_REFERRERS,
        methods=("GET",),
        path=f"{_IMAGE}/referrers",
        handler=referrers,
        doc="Show what is attached to an image: signatures, bills of material, provenance, scans.",
        answers=(document(200, "What is attached.", AttachedList),),
        errors=_ERRORS,
    ),
    Endpoint(
        action=Action.IMAGE_REPLICATION,
        methods=("GET",),
        path=f"{_IMAGE}/replication",
        handler=replication,
        doc="Show where an image is: for each region, whether it is complete there.",
        answers=(document(200, "Where it is.", ReplicationShown),),
        errors=_ERRORS,
    ),
)
