"""What is asked about this node alone: whether it lives, how much it does, what it serves."""

import asyncio
from typing import Final, Literal

import msgspec
from aiohttp import web

from node.admin.context import AdminContext
from node.errors import QueryInvalid
from node.http import headers
from node.http.endpoint import READS, Action, Answer, Endpoint, Request
from node.http.query import Single

_TEXT: Final = "text/plain"
_JSON: Final = "application/json"
_FRONT: Final = b"Atoll, a container registry. Its API is under /v2/.\n"


def _for_write(text: str) -> bool:
    if text != "write":
        raise QueryInvalid("for may be `write`, and nothing else")
    return True


_FOR: Final = Single(
    name="for",
    doc="`write` asks for a node that takes pushes, too.",
    parse=_for_write,
    default=False,
    schema={"enum": ["write"]},
)


async def front(context: AdminContext, request: Request) -> web.Response:
    """What is at `/`: load balancers and people look there first."""
    return _page(200, _FRONT, _TEXT)


async def alive(context: AdminContext, request: Request) -> web.Response:
    """Whoever can ask this is answered."""
    return _page(*context.readiness.healthz(), _JSON)


async def ready(context: AdminContext, request: Request) -> web.Response:
    """Whether the node may take traffic, and why not."""
    for_writes = request.query().one(_FOR)
    return _page(*context.readiness.readyz(for_writes=for_writes), _JSON)


async def alive_bare(context: AdminContext, request: Request) -> web.Response:
    """The same for a stranger: the status alone."""
    return _bare(await alive(context, request))


async def ready_bare(context: AdminContext, request: Request) -> web.Response:
    """Likewise: which disk is full, and who is away, is not for everybody."""
    return _bare(await ready(context, request))


async def metrics(context: AdminContext, request: Request) -> web.Response:
    """The figures, as Prometheus reads them."""
    return _page(200, *context.figures())


async def describe(context: AdminContext, request: Request) -> web.Response:
    """The OpenAPI document."""
    # Made when it is asked for first: to read what all fields mean takes half a second.
    return _page(200, await asyncio.to_thread(context.described), _JSON)


def _page(status: int, body: bytes, content_type: str) -> web.Response:
    return web.Response(
        status=status, body=body, headers={**headers.API_VERSION, "Content-Type": content_type}
    )


def _bare(answer: web.Response) -> web.Response:
    return web.Response(status=answer.status, headers=headers.API_VERSION)


class Alive(msgspec.Struct):
    """The process runs."""

    status: Literal["alive"]
    """Who can read this is answered."""


class Ready(msgspec.Struct):
    """Whether the node takes traffic, by condition; each is `ok` or says why not."""

    status: Literal["ready", "unavailable"]
    """Whether all that was asked for holds."""

    conditions: dict[str, str]
    """Those without which it takes no traffic at all."""

    writes: dict[str, str]
    """Those without which it takes no pushes."""

    remarks: dict[str, str] = {}
    """What stops nothing."""


BARE: Final = {Action.ALIVE: alive_bare, Action.READY: ready_bare}
"""What the registry's port answers by, where that is not open, beside the Distribution API."""

ENDPOINTS: Final = (
    Endpoint(
        action=Action.FRONT,
        methods=READS,
        path="/",
        handler=front,
        doc="Tell what is here.",
        answers=(
            Answer(status=200, doc="One line.", media_types=(_TEXT,)),
            Answer(
                status=303,
                doc="There are pages, for who asks for `text/html`.",
                fields=("Location", "Cache-Control"),
            ),
        ),
    ),
    Endpoint(
        action=Action.ALIVE,
        methods=READS,
        path="/healthz",
        handler=alive,
        doc="Answer as long as the process runs: for who restarts processes.",
        answers=(Answer(status=200, doc="It runs.", struct=Alive),),
    ),
    Endpoint(
        action=Action.READY,
        methods=READS,
        path="/readyz",
        handler=ready,
        doc="Tell whether the node takes traffic: for who sends clients to nodes.",
        parameters=(_FOR,),
        answers=(
            Answer(status=200, doc="It does.", struct=Ready),
            Answer(status=503, doc="It does not, and why.", struct=Ready),
        ),
    ),
    Endpoint(
        action=Action.METRICS,
        methods=READS,
        path="/metrics",
        handler=metrics,
        doc="Show figures, as Prometheus reads them.",
        answers=(Answer(status=200, doc="The figures.", media_types=(_TEXT,)),),
    ),
    Endpoint(
        action=Action.DESCRIBE,
        methods=READS,
        path="/openapi.json",
        handler=describe,
        doc="Describe all that is served here, by OpenAPI 3.1.",
        answers=(Answer(status=200, doc="The document.", media_types=(_JSON,)),),
    ),
)
