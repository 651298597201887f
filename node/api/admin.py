"""The admin API: tags with their history, projects, the cluster. `docs/admin-api.md` has it all."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from cluster import stamp_ms
from cluster.model import Digest, Dot, NodeId
from cluster.objects import Version, Written
from node.api import headers
from node.api.context import Context
from node.api.json import encode_json
from node.api.listings import page_limit
from node.api.manifests import location
from node.api.request import Query, read_document
from node.api.routes import Target
from node.departure import DRAIN_DEFAULT_S, DRAIN_MAX_S
from node.errors import DocumentInvalid, EventInvalid
from node.registry.names import RepositoryName, Tag, parse_digest
from node.registry.policy import ProjectPolicy
from node.registry.ports import TagName
from node.registry.projects import Project, parse_project
from node.registry.receipt import Receipt
from node.registry.tags import TagView

DOCUMENT_MAX_BYTES: Final = 16 << 10
"""Longest JSON body that an endpoint here takes."""


class Rollback(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a rollback: an event or a digest."""

    event: str | None = None
    digest: str | None = None
    create: bool = False
    """Whether a digest may become a tag that there never was."""


async def tag(context: Context, request: web.BaseRequest, target: Target) -> web.Response:
    """GET of a tag with its heads and its history."""
    view = await context.registry.tags.view(target.repository, Tag.parse(target.variable))
    history = [_past(entry) for entry in view.history]
    return _json({**_state(view), "history": history}, headers.event_of(_event(view)))


async def rollback(context: Context, request: web.BaseRequest, target: Target) -> web.Response:
    """POST: point a tag at what it was at an event, or at a digest."""
    name = Tag.parse(target.variable)
    body = await read_document(request, Rollback, DOCUMENT_MAX_BYTES, context.limits.body_idle_s)
    if (body.event is None) == (body.digest is None):
        raise DocumentInvalid("a rollback names either an event or a digest")
    to: Dot | Digest = (
        parse_event(body.event) if body.event is not None else parse_digest(body.digest or "")
    )
    pushed = await context.registry.tags.rollback(target.repository, name, to, create=body.create)
    document = {"repository": target.repository, "tag": name, "digest": pushed.digest}
    response = _json(
        {**document, "event": str(pushed.receipt.event)}, headers.receipt(pushed.receipt)
    )
    response.headers["Location"] = location(target.repository, pushed.digest)
    return response


async def conflicts(context: Context, request: web.BaseRequest, target: Target) -> web.Response:
    """GET of the tags whose heads disagree."""
    query = Query(request.rel_url.raw_query_string)
    limit = page_limit(query)
    given = query.one("repository")
    repository = None if given is None else RepositoryName.parse(given)
    views, more = await context.registry.tags.conflicts(repository, _last_tag(query), limit)
    response = _json({"conflicts": [_state(view) for view in views]})
    if more and views:
        last = {"last": f"{views[-1].repository}:{views[-1].tag}", "n": str(limit)}
        chosen = {} if repository is None else {"repository": str(repository)}
        _add_link(response, "/atoll/v1/conflicts", {**chosen, **last})
    return response


async def projects(context: Context, request: web.BaseRequest, target: Target) -> web.Response:
    """GET of the projects that have a policy of their own."""
    query = Query(request.rel_url.raw_query_string)
    limit, last = page_limit(query), query.one("last") or ""
    page = await context.registry.projects.list(last, limit)
    response = _json({"projects": page.items})
    if page.next_after is not None:
        _add_link(response, "/atoll/v1/projects", {"last": page.next_after, "n": str(limit)})
    return response


async def project(context: Context, request: web.BaseRequest, target: Target) -> web.Response:
    """GET of a project's policy: its own, or the defaults."""
    found = await context.registry.projects.get(parse_project(target.variable))
    return _project(found, headers.event_of(found.event))


async def set_project(context: Context, request: web.BaseRequest, target: Target) -> web.Response:
    """PUT of a project's whole policy."""
    name = parse_project(target.variable)
    policy = await read_document(
        request, ProjectPolicy, DOCUMENT_MAX_BYTES, context.limits.body_idle_s
    )
    receipt = await context.registry.projects.put(name, policy)
    return _project(Project(name, policy, receipt.event), headers.receipt(receipt))


async def delete_project(
    context: Context, request: web.BaseRequest, target: Target
) -> web.Response:
    """DELETE of a project's policy; the defaults hold from then on."""
    receipt: Receipt = await context.registry.projects.delete(parse_project(target.variable))
    fields = {**headers.API_VERSION, **headers.receipt(receipt)}
    return web.Response(status=202, headers=fields)


async def cluster(context: Context, request: web.BaseRequest, target: Target) -> web.Response:
    """GET of the cluster as this node sees it."""
    return _json(context.cluster.statistics())


async def remove_member(context: Context, request: web.BaseRequest, target: Target) -> web.Response:
    """DELETE of a dead member: it will not come back, and nobody waits for it any more."""
    force = Query(request.rel_url.raw_query_string).flag("force")
    await context.departures.remove(NodeId(target.variable), force=force)
    return web.Response(status=202, headers=headers.API_VERSION)


async def leave(context: Context, request: web.BaseRequest, target: Target) -> web.Response:
    """POST: the node drains, tells the others that it goes for good, and stops."""
    query = Query(request.rel_url.raw_query_string)
    given = query.seconds("drain_s", DRAIN_MAX_S)
    drain_s = DRAIN_DEFAULT_S if given is None else given
    stakes = await context.departures.begin(
        drain_s, fewer_copies=query.flag("fewer_copies"), force=query.flag("force")
    )
    node = context.cluster.statistics().node
    response = _json({"node": node, "drain_s": drain_s, **stakes._asdict()})
    response.set_status(202)
    return response


def parse_event(text: str) -> Dot:
    """
    Check the name of an event.

    Raises:
        EventInvalid: it is not one.
    """
    try:
        return Dot.parse(text)
    except ValueError as exc:
        raise EventInvalid(str(exc)) from exc


def _state(view: TagView) -> dict[str, object]:
    return {
        "repository": view.repository,
        "tag": view.tag,
        "digest": None if view.winner is None else view.winner.value,
        "event": None if view.winner is None else str(view.winner.dot),
        "conflict": view.conflict,
        "heads": [_version(head) for head in view.heads],
    }


def _version(version: Version) -> dict[str, object]:
    return {
        "event": str(version.dot),
        "digest": version.value,
        "time": datetime.fromtimestamp(stamp_ms(version.stamp) / 1000, UTC).isoformat(
            timespec="milliseconds"
        ),
    }


def _past(entry: Written) -> dict[str, object]:
    return {
        **_version(entry.version),
        "action": "write" if entry.version.value is not None else "delete",
        "replaces": [str(dot) for dot in entry.replaces],
    }


def _event(view: TagView) -> Dot | None:
    return None if view.winner is None else view.winner.dot


def _project(project: Project, fields: Mapping[str, str]) -> web.Response:
    document = {
        "name": project.name,
        "policy": project.policy,
        "event": None if project.event is None else str(project.event),
    }
    return _json(document, fields)


def _last_tag(query: Query) -> TagName | None:
    last = query.one("last")
    if not last:
        return None
    repository, _, name = last.partition(":")
    return TagName(repository, name)


def _add_link(response: web.Response, path: str, query: Mapping[str, str]) -> None:
    response.headers["Link"] = f'<{path}?{urlencode(query)}>; rel="next"'


def _json(body: object, fields: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(
        body=encode_json(body),
        content_type="application/json",
        headers={**headers.API_VERSION, "Cache-Control": "no-store", **(fields or {})},
    )
