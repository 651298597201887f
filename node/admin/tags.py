"""Tags as registers: their history, their conflicts, and going back."""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec
from aiohttp import hdrs, web

from cluster.errors import BlobUnavailable, CopiesUnfinished
from cluster.model import Digest, Dot
from cluster.objects import Version, Written
from node.admin.answers import answer, document
from node.admin.context import AdminContext
from node.desk.moments import moment
from node.errors import (
    DigestInvalid,
    DocumentInvalid,
    EventInvalid,
    EventUnknown,
    ManifestBlobUnknown,
    ManifestUnknown,
    NameInvalid,
    PaginationInvalid,
    RollbackInvalid,
    TagInvalid,
)
from node.errors.tags import TagMoved, TagNeverWas
from node.http import headers
from node.http.body_reader import read_document
from node.http.endpoint import READING, WRITING, Action, Body, Endpoint, Request
from node.http.events import events_in, parse_event
from node.http.fields import NAME
from node.http.limits import IF_MATCH
from node.http.pages import LIMIT, link_to
from node.http.query import Single
from node.registry.names import RepositoryName, Tag, parse_digest
from node.registry.tags import TagView, with_returns
from node.registry.values import TagName


class Rollback(msgspec.Struct, forbid_unknown_fields=True):
    """What a tag goes back to: either an event or a digest."""

    event: str | None = None
    """An event of its history."""

    digest: str | None = None
    """Any manifest of the repository."""

    create: bool = False
    """Whether a digest may become a tag that there never was."""


class Head(msgspec.Struct):
    """A write of a tag that no other write replaced."""

    event: str
    """That of the write."""

    digest: str | None
    """What the tag points to by it; null where it deleted the tag."""

    time: str
    """When it was written, by the clock of its node: UTC, to the millisecond."""


class NamedHead(Head):
    """Such a write, for who may see who asked."""

    who: str | None
    """Who asked for it: a log-in name, `anonymous`, or `node:NAME` where a node did it by itself;
    null where that was not noted."""


class Entry(NamedHead):
    """A write of a tag, or its deletion."""

    action: Literal["write", "delete"]
    """Which of the two it is."""

    replaces: Sequence[str]
    """The events that it replaced."""

    returns_to: str | None
    """The last event before by which the tag had this digest, if it had another one in between: so
    of a rollback, and of a push of the same image. Null where the history shows none."""


class TagState(msgspec.Struct):
    """What a tag is now."""

    repository: str
    """Whose tag it is."""

    tag: str
    """Its name."""

    digest: str | None
    """That of the head that is served; null when the tag is deleted."""

    event: str | None
    """That of the same head."""

    conflict: bool
    """Whether the heads have different digests."""

    heads: Sequence[Head]
    """The writes that no other write replaced; the latest is served."""


class TagDocument(TagState):
    """What a tag is now, and what it was."""

    heads: Sequence[NamedHead]
    """The writes that no other write replaced; the latest is served."""

    history: Sequence[Entry]
    """From the newest write back as far as the project's policy says."""


class Conflicts(msgspec.Struct):
    """A page of tags whose heads disagree."""

    conflicts: Sequence[TagState]
    """By repository and tag, in byte order."""


class RolledBack(msgspec.Struct):
    """What a tag points to by a rollback, and its event."""

    repository: str
    """Whose tag it is."""

    tag: str
    """Its name."""

    digest: str
    """What it points to now."""

    event: str
    """That of the push that did it."""


def _last_tag(text: str) -> TagName | None:
    if not text:
        return None
    repository, _, name = text.partition(":")
    return TagName(repository, name)


_REPOSITORY: Final[Single[RepositoryName | None]] = Single(
    name="repository",
    doc="Only those of this one.",
    parse=RepositoryName.parse,
    default=None,
    schema={"type": "string", "pattern": NAME},
)
_LAST: Final = Single(
    name="last",
    doc="The page begins behind this entry, `REPOSITORY:TAG`.",
    parse=_last_tag,
    default=None,
)


async def tag(context: AdminContext, request: Request) -> web.Response:
    """GET of a tag with its heads and its history."""
    view = await context.registry.tags.view(request.repository, Tag.parse(request.variable))
    heads = [_named(head) for head in view.heads]
    history = [_entry(*each) for each in with_returns(view.history)]
    state = msgspec.structs.asdict(_state(view)) | {"heads": heads, "history": history}
    document = TagDocument(**state)
    return answer(document, headers.event_of(None if view.winner is None else view.winner.dot))


async def rollback(context: AdminContext, request: Request) -> web.Response:
    """POST: point a tag at what it was at an event, or at a digest."""
    name, repository = Tag.parse(request.variable), request.repository
    only_over = events_in(request.http.headers.getall(hdrs.IF_MATCH, None))
    body = await read_document(request, Rollback, context.limits)
    if (body.event is None) == (body.digest is None):
        raise DocumentInvalid("a rollback names either an event or a digest")
    to: Dot | Digest = (
        parse_event(body.event) if body.event is not None else parse_digest(body.digest or "")
    )
    pushed = await context.registry.tags.rollback(
        repository, name, to, create=body.create, only_over=only_over
    )
    document = RolledBack(repository, name, pushed.digest, str(pushed.receipt.event))
    location = {"Location": headers.manifest_path(repository, pushed.digest)}
    return answer(document, {**headers.receipt(pushed.receipt), **location})


async def conflicts(context: AdminContext, request: Request) -> web.Response:
    """GET of the tags whose heads disagree."""
    query = request.query()
    limit, repository = query.one(LIMIT), query.one(_REPOSITORY)
    views, after = await context.registry.tags.conflicts(
        repository, query.one(_LAST), limit, request.principal.access
    )
    fields: dict[str, str] = {}
    if after is not None:
        last = ("last", f"{after.repository}:{after.tag}")
        chosen = [] if repository is None else [("repository", str(repository))]
        fields = link_to("/atoll/v1/conflicts", [*chosen, last, ("n", str(limit))])
    return answer(Conflicts([_state(view) for view in views]), fields)


def _state(view: TagView) -> TagState:
    return TagState(
        view.repository,
        view.tag,
        None if view.winner is None else view.winner.value,
        None if view.winner is None else str(view.winner.dot),
        view.conflict,
        [_head(head) for head in view.heads],
    )


def _head(version: Version) -> Head:
    return Head(str(version.dot), version.value, moment(version.stamp))


def _named(version: Version) -> NamedHead:
    return NamedHead(str(version.dot), version.value, moment(version.stamp), version.who or None)


def _entry(entry: Written, returns_to: Dot | None) -> Entry:
    version = entry.version
    return Entry(
        str(version.dot),
        version.value,
        moment(version.stamp),
        version.who or None,
        "write" if version.value is not None else "delete",
        [str(dot) for dot in entry.replaces],
        None if returns_to is None else str(returns_to),
    )


ENDPOINTS: Final = (
    Endpoint(
        action=Action.TAG_READ,
        methods=("GET",),
        path="/atoll/v1/repositories/{name}/tags/{tag}",
        handler=tag,
        doc="Show a tag with its heads and its history.",
        answers=(document(200, "The tag.", TagDocument, "Atoll-Event"),),
        errors=(*READING, TagInvalid, ManifestUnknown),
    ),
    Endpoint(
        action=Action.TAG_ROLLBACK,
        methods=("POST",),
        path="/atoll/v1/repositories/{name}/tags/{tag}/rollback",
        handler=rollback,
        doc="Point a tag at an event of its history, or at a digest.",
        fields=("If-Match",),
        limits=(IF_MATCH,),
        body=Body(doc="Where to.", struct=Rollback),
        answers=(
            document(
                200,
                "The tag points there.",
                RolledBack,
                "Location",
                *headers.RECEIPT,
            ),
        ),
        errors=(
            *WRITING,
            TagInvalid,
            DigestInvalid,
            EventInvalid,
            EventUnknown,
            RollbackInvalid,
            TagMoved,
            TagNeverWas,
            ManifestUnknown,
            ManifestBlobUnknown,
            BlobUnavailable,
            CopiesUnfinished,
        ),
        takes_content=True,
    ),
    Endpoint(
        action=Action.CONFLICTS,
        methods=("GET",),
        path="/atoll/v1/conflicts",
        handler=conflicts,
        doc="List the tags whose heads disagree.",
        parameters=(_REPOSITORY, LIMIT, _LAST),
        answers=(document(200, "A page of them.", Conflicts, "Link"),),
        errors=(*READING, NameInvalid, PaginationInvalid),
    ),
)
