"""The page of a tag, and that of an image by its digest; and going back, by a form."""

from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web

from cluster.model import Dot
from node.desk.attached import AttachedList
from node.desk.image_view import ImageShown
from node.desk.replication import TOGETHER_MAX, ImageAt, ReplicationShown
from node.errors import (
    DigestInvalid,
    EventInvalid,
    EventUnknown,
    ManifestBlobUnknown,
    ManifestUnknown,
    QueryInvalid,
    RollbackInvalid,
    TagInvalid,
)
from node.errors.tags import TagMoved
from node.http.endpoint import READING, WRITING, Action, Request
from node.http.events import events_in, parse_event
from node.http.forms import FormFields
from node.http.query import text
from node.registry.names import Reference, RepositoryName, Tag, parse_digest
from node.registry.tags import TagView
from node.ui import image_values as values
from node.ui.context import UiContext
from node.ui.page import Sheet, form, gone_to, page
from node.ui.patience import in_time
from node.ui.pull import pull_command, registry_name
from node.ui.references import IMAGES

_PLATFORM: Final = text("platform", "Of an index, the image whose layers are shown.")
_ROLLBACK: Final = text("rollback", "The entry of the history to which to go back is opened.")
_DONE: Final = text("done", "The event of a rollback that was done.")

_ROUTE: Final = "/atoll/v1/repositories/{name}/images/{reference}"


async def tag(context: UiContext, request: Request) -> Sheet:
    """The page of a tag."""
    return await _tag(context, request, Tag.parse(request.variable))


async def image(context: UiContext, request: Request) -> Sheet:
    """The page of an image by its digest."""
    digest, repository = parse_digest(request.variable), request.repository
    platform = request.query().one(_PLATFORM) or ""
    shown = await context.desk.images.look(repository, digest, platform)
    told = await _told(context, request, digest, shown)
    return _sheet(context, request, f"{repository}@{digest}", shown, {**told, **_NO_HISTORY})


async def roll_back(
    context: UiContext, request: Request, given: FormFields
) -> Sheet | web.StreamResponse:
    """Point a tag at what it was; as long as it is what the page said."""
    repository, name = request.repository, Tag.parse(request.variable)
    to, seen = parse_event(given.one("event")), _seen(given)
    address = f"{IMAGES}{repository}:{name}"
    try:
        done = await context.registry.tags.rollback(repository, name, to, only_over=seen)
    except TagMoved as moved:
        view = await context.registry.tags.view(repository, name)
        wanted = next((e.version.value for e in view.history if e.version.dot == to), None)
        winner = view.winner
        if winner is not None and not view.conflict and winner.value == wanted:
            # The second click of two, or somebody else did the same.
            return gone_to(_done_at(address, str(winner.dot)))
        return await _tag(context, request, name, moved)
    return gone_to(_done_at(address, str(done.receipt.event)))


def _seen(given: FormFields) -> tuple[Dot, ...] | None:
    """What the page said that the tag is. None: it could not, as its manifest was deleted."""
    return events_in([given.one("seen")]) or None


def _done_at(address: str, event: str) -> str:
    return f"{address}?{urlencode({'done': event})}#done"


async def _tag(
    context: UiContext, request: Request, name: Tag, moved: TagMoved | None = None
) -> Sheet:
    repository, query = request.repository, request.query()
    rights, tags = request.principal.rights, context.registry.tags
    view: TagView | None = None
    platform = query.one(_PLATFORM) or "" if moved is None else ""
    shown: ImageShown | None = None
    try:
        shown = await context.desk.images.look(repository, name, platform)
    except ManifestUnknown:
        # Who may see the history may see that it is deleted, and bring it back.
        if platform or not rights.may(Action.TAG_READ, repository):
            raise
        view = await tags.view(repository, name)
    if view is None and rights.may(Action.TAG_READ, repository):
        view = await in_time(tags.view(repository, name))
    may_return = rights.may(Action.TAG_ROLLBACK, repository)
    done, served = query.one(_DONE), None if view is None else view.winner
    told: dict[str, Any] = {
        "heads": values.heads(view) if view is not None and view.conflict else (),
        "history": () if view is None else values.history(view),
        "seen": "" if view is None else values.seen_of(view),
        "may_return": may_return,
        "opened_return": query.one(_ROLLBACK) or "",
        "is_done": served is not None and done == str(served.dot),
        "is_moved": moved is not None,
        **(_NOTHING if shown is None else await _told(context, request, name, shown)),
    }
    sheet = _sheet(context, request, f"{repository}:{name}", shown, told)
    return sheet if moved is None else _with_status(sheet, 412)


def _with_status(sheet: Sheet, status: int) -> Sheet:
    return Sheet(
        template=sheet.template,
        title=sheet.title,
        values=sheet.values,
        terminal=sheet.terminal,
        status=status,
    )


_NO_HISTORY: Final[dict[str, Any]] = {
    "heads": (),
    "history": (),
    "seen": "",
    "may_return": False,
    "opened_return": "",
    "is_done": False,
    "is_moved": False,
}

_NOTHING: Final[dict[str, Any]] = {
    "regions": None,
    "regions_told": "",
    "absent": "",
    "attached": None,
    "attached_more": False,
}


async def _told(
    context: UiContext, request: Request, reference: Reference, shown: ImageShown
) -> dict[str, Any]:
    """Where an image is, and what is attached to it: as far as that comes in time."""
    desk, repository = context.desk, request.repository
    where: ReplicationShown | None = await in_time(desk.replication.look(repository, reference))
    found: AttachedList | None = await in_time(desk.attached.look(repository, reference))
    things = () if found is None else found.attached[:TOGETHER_MAX]
    images = [ImageAt(repository, parse_digest(each.digest), None, 0) for each in things]
    places = await desk.replication.where(images) if images else []
    lacking = [each for each in (() if where is None else where.regions) if each.state != "here"]
    return {
        "regions": None if where is None else values.regions(where.regions, where.pushed),
        "regions_told": "" if where is None else values.summary(where.regions),
        "absent": ",".join(each.region for each in lacking),
        "attached": None if found is None else values.attached(things, repository, places),
        "attached_more": found is not None
        and (found.is_partial or len(things) < len(found.attached)),
    }


def _sheet(
    context: UiContext,
    request: Request,
    reference: str,
    shown: ImageShown | None,
    told: dict[str, Any],
) -> Sheet:
    repository = RepositoryName(request.repository)
    registry = registry_name(context, request.http)
    by_digest = "" if shown is None else f"{repository}@{shown.digest}"
    sign = ":" if ":" in reference.partition("@")[0] else "@"
    whole = f"{registry}/{reference}"
    return Sheet(
        template="image.html",
        title=reference,
        values={
            "repository": repository,
            "sign": sign,
            "reference": reference[len(repository) + 1 :],
            "crumbs": [
                {"text": "Repositories", "href": "/ui/repos"},
                {"text": repository, "href": f"{IMAGES}{repository}"},
            ],
            "address": f"{IMAGES}{reference}",
            "image": shown,
            "pull": pull_command(registry, reference),
            "pull_by_digest": pull_command(registry, by_digest) if by_digest else "",
            "others": _others(registry, reference, by_digest) if by_digest else (),
            "whole": whole,
            "platform_link": values.platform_link,
            "short": values.short,
            "seconds": values.seconds,
            "columns": values.columns,
            **told,
        },
        terminal=f"atoll image {whole}",
    )


def _others(registry: str, reference: str, by_digest: str) -> list[dict[str, str]]:
    return [
        {"text": f"podman pull {registry}/{reference}", "label": "Copy podman command"},
        {"text": f"crane digest {registry}/{reference}", "label": "Copy crane command"},
        {"text": f"ctr image pull {registry}/{reference}", "label": "Copy containerd command"},
        {"text": f"image: {registry}/{by_digest}", "label": "Copy Kubernetes line"},
    ]


_ERRORS: Final = (*READING, TagInvalid, DigestInvalid, ManifestUnknown, QueryInvalid)

ENDPOINTS: Final = (
    page(
        Action.PAGE_TAG,
        f"{IMAGES}{{name}}:{{tag}}",
        tag,
        "Show a tag: where it is, what it was, and what it is made of.",
        route=_ROUTE,
        parameters=(_PLATFORM, _ROLLBACK, _DONE),
        errors=_ERRORS,
    ),
    form(
        Action.PAGE_ROLLBACK,
        f"{IMAGES}{{name}}:{{tag}}",
        roll_back,
        "Point a tag at an event of its history.",
        route="/atoll/v1/repositories/{name}/tags/{tag}/rollback",
        parameters=(_PLATFORM, _ROLLBACK, _DONE),
        errors=(
            *WRITING,
            TagInvalid,
            TagMoved,
            EventInvalid,
            EventUnknown,
            RollbackInvalid,
            ManifestUnknown,
            ManifestBlobUnknown,
        ),
    ),
    page(
        Action.PAGE_IMAGE,
        f"{IMAGES}{{name}}@{{digest}}",
        image,
        "Show an image by its digest.",
        route=_ROUTE,
        parameters=(_PLATFORM,),
        errors=_ERRORS,
    ),
)
