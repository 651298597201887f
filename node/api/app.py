"""
The HTTP edge: one handler that finds the action, runs it and answers, whatever happens.

aiohttp's low-level server is used without its router: repository names hold slashes, and what
is served stands in one table (`node.api.routes`).
"""

import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, NamedTuple, Protocol

from aiohttp import web

from node.api import admin, blobs, headers, listings, manifests, uploads, wait
from node.api.context import Context
from node.api.errors import WIRE, error_response
from node.api.request import Query
from node.api.requestlog import RequestLog
from node.api.routes import Action, Target, resolve, tidy
from node.errors import MethodNotAllowed, RegistryError
from node.logs import get_logger, request_id

Handler = Callable[[Context, web.BaseRequest, Target], Awaitable[web.StreamResponse]]

HANDLERS: Final[Mapping[Action, Handler]] = {
    Action.PING: listings.ping,
    Action.CATALOG: listings.catalog,
    Action.TAGS: listings.tags,
    Action.REFERRERS: listings.referrers,
    Action.MANIFEST_READ: manifests.read,
    Action.MANIFEST_WRITE: manifests.write,
    Action.MANIFEST_DELETE: manifests.delete,
    Action.BLOB_READ: blobs.read,
    Action.BLOB_DELETE: blobs.delete,
    Action.UPLOAD_START: uploads.start,
    Action.UPLOAD_STATUS: uploads.status,
    Action.UPLOAD_APPEND: uploads.append,
    Action.UPLOAD_FINISH: uploads.finish,
    Action.UPLOAD_CANCEL: uploads.cancel,
    Action.TAG_READ: admin.tag,
    Action.TAG_ROLLBACK: admin.rollback,
    Action.CONFLICTS: admin.conflicts,
    Action.PROJECTS: admin.projects,
    Action.PROJECT_READ: admin.project,
    Action.PROJECT_WRITE: admin.set_project,
    Action.PROJECT_DELETE: admin.delete_project,
    Action.CLUSTER: admin.cluster,
    Action.WAIT: wait.wait,
    Action.MEMBER_REMOVE: admin.remove_member,
    Action.LEAVE: admin.leave,
}

_TAKES_CONTENT: Final = frozenset(
    {
        Action.MANIFEST_WRITE,
        Action.UPLOAD_START,
        Action.UPLOAD_APPEND,
        Action.UPLOAD_FINISH,
        Action.TAG_ROLLBACK,
        Action.PROJECT_WRITE,
    }
)
"""What is refused below the disk's reserve. Deleting is not: it is the way out."""

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_READS: Final = ("GET", "HEAD")


class Page(NamedTuple):
    """An answer outside the Distribution API."""

    status: int
    body: bytes
    content_type: str


def _front(_: Query) -> Page:
    """What is at `/`: load balancers and people look there first."""
    return Page(200, b"Atoll, a container registry. Its API is under /v2/.\n", "text/plain")


class RequestObserver(Protocol):
    """Counts what was served."""

    def request(self, action: str, method: str, status: int, seconds: float) -> None: ...

    def received(self, count: int) -> None:
        """Bytes of a request body."""
        ...

    def sent(self, count: int) -> None:
        """Bytes of an answer's body."""
        ...


class Api:
    """Answers every HTTP request of a node."""

    def __init__(
        self,
        context: Context,
        pages: Mapping[str, Callable[[Query], Page]],
        observer: RequestObserver,
        *,
        log_reads: bool = False,
    ) -> None:
        """
        *pages* are the paths outside /v2/ and what they show for a query; *log_reads* is whether
        reads that succeed have a line in the log.
        """
        self._context = context
        self._pages = {"/": _front, **pages}
        self._observer = observer
        self._log = get_logger("http")
        self._requests = RequestLog(self._log, every=log_reads)
        self.keeps_connections = True
        """Whether a connection stays open after an answer; not while the node is about to stop."""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request. Raises nothing but cancellation."""
        started = time.perf_counter()
        given = request.headers.get("X-Request-Id", "")
        identity = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        token = request_id.set(identity)
        action = "none"
        response: web.StreamResponse
        failure: Exception | None = None
        status = 499  # the client closed the connection, as nginx has it
        try:
            target = self._answer_or_target(request)
            if isinstance(target, web.Response):
                response = target
            else:
                action = target.action
                if target.action in _TAKES_CONTENT:
                    self._context.check_room()
                response = await HANDLERS[target.action](self._context, request, target)
            status = response.status
        except ConnectionError:
            # Nobody is there to read it; aiohttp notices that too, without a traceback.
            response = web.Response(status=400)
            response.force_close()
        except Exception as exc:  # noqa: BLE001 - the outermost edge: every failure is an answer
            failure = exc
            if type(exc) not in WIRE:
                self._log.error("request failed", path=request.rel_url.raw_path, exc_info=exc)
            response = error_response(failure, request.rel_url.raw_path)
            status = response.status
        finally:
            seconds = time.perf_counter() - started
            self._observer.request(action, request.method, status, seconds)
            if request.body_exists:
                self._observer.received(request.content.total_bytes)
            self._requests.done(request, status, seconds, failure)
            request_id.reset(token)
        if not self.keeps_connections:
            response.force_close()
        if request.method != "HEAD":
            self._observer.sent(response.content_length or 0)
        if not response.prepared:
            response.headers.update(self._context.cors.fields(request))
        if not response.prepared and (status >= 400 or request.method not in _READS):
            response.headers["X-Request-Id"] = identity
        return response

    def refuse(self, request: web.BaseRequest, error: RegistryError) -> web.Response:
        """The answer to what is no request; the connection ends with it."""
        response = error_response(error, "")
        response.force_close()
        self._observer.request("none", "none", response.status, 0.0)
        self._log.info(
            "no request", status=response.status, reason=str(error), client=request.remote
        )
        return response

    def _answer_or_target(self, request: web.BaseRequest) -> web.Response | Target:
        """What the request is aimed at; or the answer, where that is no endpoint of the API."""
        preflight = self._context.cors.preflight(request)
        if preflight is not None:
            return preflight
        path = request.rel_url.raw_path
        tidied = tidy(path)
        page = self._pages.get(tidied)
        target = None if page is not None else resolve(request.method, tidied)
        if tidied != path:
            return self._moved(request, tidied)
        if page is not None:
            return self._show(request, page)
        assert target is not None
        return target

    def _moved(self, request: web.BaseRequest, path: str) -> web.Response:
        """
        Point to the one name of what is there: rules of proxies that go by paths hold for it.

        301 is what others answer, but turns a POST into a GET; 308 keeps method and body.
        """
        query = request.rel_url.raw_query_string
        return web.Response(
            status=301 if request.method in _READS else 308,
            headers={**headers.API_VERSION, "Location": f"{path}?{query}" if query else path},
        )

    def _show(self, request: web.BaseRequest, page: Callable[[Query], Page]) -> web.Response:
        if request.method not in _READS:
            raise MethodNotAllowed(_READS)
        status, body, content_type = page(Query(request.rel_url.raw_query_string))
        return web.Response(
            status=status, body=body, headers={**headers.API_VERSION, "Content-Type": content_type}
        )
