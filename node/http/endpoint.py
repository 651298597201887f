"""
What an endpoint says of itself, and the request that its handler gets.

Routing, the metrics' names, `/openapi.json` and `docs/admin-api.md` are made of these descriptions.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar, cast

import msgspec
from aiohttp import web

from cluster import errors as cluster
from node import errors as domain
from node.http.limit import Limit
from node.http.limits import (
    ANSWER,
    BODY_IDLE,
    BODY_RATE,
    DOCUMENT_BYTES,
    PARAMETERS,
    STREAMED_BODY,
    WHOLE_BODY,
)
from node.http.query import Parameter, Query
from node.identity.actions import RULES, Reach
from node.identity.actions import Action as Action  # endpoints take it from here
from node.identity.documents import NEVER
from node.identity.errors import (
    AccessDenied,
    AuthorityLost,
    LoginDelayed,
    TooManyLogins,
    Unauthenticated,
)
from node.identity.login import NOBODY, Account
from node.identity.sessions import Session
from node.registry.access import UNRESTRICTED, Access
from node.registry.names import RepositoryName

SESSIONS: Final = frozenset(
    {Action.UPLOAD_STATUS, Action.UPLOAD_APPEND, Action.UPLOAD_FINISH, Action.UPLOAD_CANCEL}
)
"""What is done with an upload that is open, on the node that has it."""


class Rights(Protocol):
    """What else somebody may do: pages ask before they offer it."""

    def may(self, action: Action, where: str = "") -> bool:
        """Whether *action* is allowed, in the repository or project *where* if it is about one."""
        ...


class _AllRights:
    def may(self, action: Action, where: str = "") -> bool:
        return True


ALL_RIGHTS: Final[Rights] = _AllRights()
"""Everybody's, where nobody says who they are."""


class Principal(NamedTuple):
    """Who asks, and what they may do."""

    name: str
    """The log-in name; empty: a stranger."""

    access: Access
    account: Account = NOBODY
    until: float | None = NEVER
    """Until when the same request is let in, if no setting changes: seconds since the Unix epoch.
    None: it is asked about each time."""

    rights: Rights = ALL_RIGHTS
    session: Session | None = None
    """The session of the browser that asks for a page; None: it has none."""


ADMITTED: Final = web.RequestKey("admitted", Principal)
"""Under which a request for a page has who asks, once that is known: also if they may not."""

ANONYMOUS: Final = Principal("", UNRESTRICTED)
"""Everybody, where nobody says who they are."""


class Staying(Protocol):
    """A connection (`node.http.connection`), as who waits for the node's end sees it."""

    stays: bool


class Request(msgspec.Struct, frozen=True):
    """One request that has found its endpoint: all that a handler is told."""

    action: Action
    repository: RepositoryName
    """Empty where the endpoint is about none."""

    variable: str
    """The path's other varying segment, decoded; empty where it has none."""

    principal: Principal
    is_to_be_kept: bool
    """Whether the answer will be remembered, if all of it is in memory."""

    deadline: float | None
    """When the answer has to begin, by the event loop's clock. None: reads wait for nothing that
    does not end by itself."""

    body_deadline: float | None
    """When the last byte of the body has to be here. None: without."""

    id: str
    parameters: tuple[Parameter[Any], ...]
    """Those that the endpoint describes: a handler reads no others."""

    http: web.BaseRequest
    """What came over the wire: fields, body, connection."""

    @property
    def client(self) -> str:
        """The address that the connection comes from."""
        return self.http.remote or ""

    @contextmanager
    def outliving(self) -> Iterator[None]:
        """Have the closing of the port neither wait for this request nor end it, meanwhile."""
        connection = cast("Staying", self.http.protocol)
        connection.stays = True
        try:
            yield
        finally:
            connection.stays = False

    def query(self) -> Query:
        """
        The query string.

        Raises:
            QueryInvalid: it is malformed, or too long.
        """
        return Query(self.http.rel_url.raw_query_string, self.parameters)


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """The body that an endpoint takes."""

    doc: str
    struct: type[msgspec.Struct] | None = None
    """What a JSON body has to be; None where any bytes will do, or a use case looks at them."""

    media_types: tuple[str, ...] = ("application/json",)
    required: bool = True
    streamed: bool = False
    """Whether it is taken piece by piece, however long; else it is gathered first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One way in which an endpoint answers when all goes well."""

    status: int
    doc: str
    struct: type | None = None
    """What the JSON is."""

    media_types: tuple[str, ...] = ()
    """Of a body that is described by no *struct*; neither: there is no body."""

    fields: tuple[str, ...] = ()
    """Header fields that a client may look at, beside those of every answer."""


C = TypeVar("C")
"""What a handler works with, beside the request."""

Handler = Callable[[C, Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint(Generic[C]):
    """One endpoint. What is not described so is not served."""

    action: Action
    methods: tuple[str, ...]
    path: str
    """With `{name}` for the name of a repository, which may have slashes, and other words in braces
    for one segment each."""

    handler: Handler[C]
    doc: str
    """What it does, in a line."""

    answers: tuple[Answer, ...]
    parameters: tuple[Parameter[Any], ...] = ()
    fields: tuple[str, ...] = ()
    """Header fields of the request that it looks at."""

    body: Body | None = None
    limits: tuple[Limit[Any], ...] = ()
    """Those that hold for it, beside those for every request and every body of its kind:
    `limits_of` has all."""

    errors: tuple[type[Exception], ...] = ()
    """What it may be refused with, beside what follows from the rest: `errors_of` has all."""

    remembered: bool = False
    """Whether answers may be given again without the handler (`node.http.remembered`): they are
    made of rows of the repository, and of the blob that the path names, and of nothing else but
    what `Asked` has of the request."""

    takes_content: bool = False
    """Whether it is refused below the disk's reserve. Deleting is not: it is the way out."""

    is_page: bool = False
    """Whether it is for people with a browser: who asks is told by the cookie of a session, and by
    no `Authorization` field; of everything else it is the other way round."""


READS: Final = ("GET", "HEAD")
METHODS: Final = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
"""Every method that some endpoint has."""

NO_REPOSITORY: Final = RepositoryName("")

REPOSITORY: Final = "{name}"
"""The segment of a path that stands for the name of a repository."""

ANY_REQUEST: Final = (
    domain.RequestMalformed,
    domain.HeadersTooLarge,
    domain.UriTooLong,
    domain.HttpVersionUnknown,
    domain.TransferCodingUnknown,
    domain.TooManyConnections,
    domain.TooManyRequests,
    cluster.StorageFailure,
)
"""What any request may be refused with, before anybody knows what it is for; and a failing disk."""

READING: Final = (
    cluster.NotCaughtUp,
    cluster.ClockOff,
    domain.Unconfirmed,
    domain.IndexDamaged,
)
"""What who reads the index may be refused with."""

WRITING: Final = (
    cluster.NotCaughtUp,
    cluster.ClockOff,
    domain.IndexDamaged,
    cluster.NotEnoughNodes,
    domain.IndexPaused,
    domain.IndexFull,
    domain.OutcomeUnknown,
)
"""The same for who writes, and waits until that is acknowledged."""


ADMITTING: Final = (
    Unauthenticated,
    AccessDenied,
    TooManyLogins,
    LoginDelayed,
    AuthorityLost,
    cluster.NotCaughtUp,
    cluster.ClockOff,
)
"""What whoever has to say who they are may be refused with."""

PASSING_ON: Final = (domain.NobodyServes, domain.TooManyPassedOn, domain.AnswerLost)
"""What may come of a request of the Distribution API at a node that has others answer it."""

DISTRIBUTION: Final = "/v2/"
"""What the paths of the Distribution API begin with."""


def limits_of(endpoint: Endpoint[Any]) -> Sequence[Limit[Any]]:
    """The limits of what a request to *endpoint* may ask for and send."""
    found = list(endpoint.limits)
    if endpoint.parameters:
        found.append(PARAMETERS)
    if endpoint.body is not None:
        if endpoint.body.struct is not None:
            found.append(DOCUMENT_BYTES)
        time = STREAMED_BODY if endpoint.body.streamed else WHOLE_BODY
        found += [BODY_RATE, BODY_IDLE, time]
    if not {*endpoint.methods} <= {*READS}:
        found.append(ANSWER)
    return found


def errors_of(endpoint: Endpoint[Any]) -> Sequence[type[Exception]]:
    """All that a request to *endpoint* may be refused with, each once."""
    found = [*endpoint.errors, *ANY_REQUEST]
    found += [limit.error for limit in limits_of(endpoint) if limit.error is not None]
    if endpoint.is_page:
        found.append(domain.NotAcceptable)
    reach = RULES[endpoint.action].reach
    if reach is not Reach.ANYBODY:
        found += ADMITTING
    if reach is Reach.PROJECT:
        found.append(domain.NameInvalid)
    if REPOSITORY in endpoint.path:
        found += (domain.NameInvalid, domain.NameUnknown)
    if endpoint.path.startswith(DISTRIBUTION):
        found += PASSING_ON
    if endpoint.body is not None:
        found.append(domain.BodyIncomplete)
        if endpoint.body.struct is not None:
            found.append(domain.DocumentInvalid)
    if endpoint.takes_content:
        found.append(cluster.StorageFull)
    return tuple(dict.fromkeys(found))


class Elsewhere(Protocol):
    """Other nodes that answer, while this one does not."""

    def is_due(self) -> bool:
        """Whether a request that comes now is theirs."""
        ...

    async def answer(self, request: Request) -> web.StreamResponse:
        """Their answer. Raises errors that the client is told, as handlers do."""
        ...


class Bound(NamedTuple):
    """An endpoint and what answers it."""

    endpoint: Endpoint[Any]
    run: Callable[[Request], Awaitable[web.StreamResponse]]
    elsewhere: Elsewhere | None = None
