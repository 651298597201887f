"""
The HTTP edge: one handler that finds the endpoint, runs it and answers, whatever happens.

aiohttp's low-level server is used without its router: repository names hold slashes, and what
is served is what the endpoints describe (`node.http.routing`).
"""

import asyncio
import re
import secrets
import time
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

from aiohttp import web

from node.errors import RegistryError, RequestOverdue
from node.http import headers
from node.http.client_address import CLIENT, TrustedProxies
from node.http.cors import Cors
from node.http.endpoint import ADMITTED, ANONYMOUS, READS, Bound, Endpoint, Principal, Request
from node.http.errors import WIRE, error_response
from node.http.guard import Guard, OpenDoor
from node.http.limits import ApiLimits
from node.http.remembered import Hope, RememberedAnswers, hope_of
from node.http.requestlog import NO_MORE, RequestLog, more_of
from node.http.routing import Router, Target
from node.http.throttle import NO_FIELDS, Throttle, Unthrottled
from node.identity.login import NOBODYS_NAME
from node.logs import get_logger, request_id, who
from node.registry.usecase import unconfirmed
from node.remembered.validity import Validity

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestObserver(Protocol):
    """Counts what was served."""

    def request(self, action: str, method: str, status: int, seconds: float) -> None: ...

    def received(self, count: int) -> None:
        """Bytes of a request body."""
        ...

    def sent(self, count: int) -> None:
        """Bytes of an answer's body."""
        ...


class PageFace(Protocol):
    """Speaks to people with a browser, where programs get the words of the API."""

    def covers(self, path: str) -> bool:
        """Whether there are pages below *path*, and so nothing for pages of other sites."""
        ...

    def told(
        self, request: web.BaseRequest, error: Exception, identity: str
    ) -> web.Response | None:
        """How *error* is told, the request having the id *identity*; None: as the API tells it."""
        ...


class NoPages:
    """There are none."""

    def covers(self, path: str) -> bool:
        return False

    def told(
        self, request: web.BaseRequest, error: Exception, identity: str
    ) -> web.Response | None:
        return None


class Api:
    """Answers every HTTP request of a node."""

    def __init__(
        self,
        endpoints: Iterable[Bound],
        observer: RequestObserver,
        limits: ApiLimits,
        cors: Cors,
        *,
        check_room: Callable[[], None] = lambda: None,
        guard: Guard | None = None,
        proxies: TrustedProxies | None = None,
        throttle: Throttle | None = None,
        log_reads: bool = False,
        logs_reads_of: Callable[[str], bool] = lambda repository: False,
        validity: Validity | None = None,
        remembered_bytes: int = 0,
        pages: PageFace | None = None,
    ) -> None:
        """
        Args:
            cors: what pages of other sites may do.
            check_room: called before anything new is taken; raises `StorageFull` when the disk
                lacks the room.
            guard: lets requests in, or not; None: all of them.
            proxies: whose word about clients counts; None: nobody's.
            throttle: counts requests, and refuses some; None: none of them.
            log_reads: whether reads that succeed have a line in the log.
            logs_reads_of: whether those of a repository have one.
            validity: when an answer may be given again; None: never.
            remembered_bytes: how much may be taken by answers that are kept for that.
            pages: how people are told; None: as programs are.
        """
        endpoints = tuple(endpoints)
        self._router = Router(bound.endpoint for bound in endpoints)
        self._bound = {bound.endpoint.action: bound for bound in endpoints}
        self._limits = limits
        self._cors = cors
        self._check_room = check_room
        self._guard = guard or OpenDoor()
        self._proxies = proxies or TrustedProxies()
        self._throttle = throttle or Unthrottled()
        self._pages = pages or NoPages()
        self._observer = observer
        self._log = get_logger("http")
        self._requests = RequestLog(self._log, every=log_reads, wanted=logs_reads_of)
        remembers = remembered_bytes and not self._throttle.asks_whence
        self.remembered: Final = (
            RememberedAnswers(
                validity, observer, self._requests, remembered_bytes, self._throttle.again
            )
            if validity is not None and remembers
            else None
        )
        self.keeps_connections = True
        """Whether a connection stays open after an answer; not while the node is about to stop."""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request. Raises nothing but cancellation."""
        started = time.perf_counter()
        given = request.headers.get("X-Request-Id", "")
        identity = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        token, asker = request_id.set(identity), who.set(NOBODYS_NAME)
        unconfirmed.set(False)
        action, principal, hope = "none", ANONYMOUS, hope_of(request)
        response: web.StreamResponse
        failure: Exception | None = None
        fields = NO_FIELDS
        has_line = False
        target: Target | None = None
        status = 499  # the client closed the connection, as nginx has it
        try:
            found = self._answer_or_target(request)
            if isinstance(found, web.Response):
                response = found
            else:
                target = found
                endpoint = target.endpoint
                action = endpoint.action
                bound = self._bound[action]
                passed_on = bound.elsewhere is not None and bound.elsewhere.is_due()
                if passed_on:  # who answers asks, and logs: this node may have nothing to go by
                    who.set("")
                else:
                    if hope is not None:
                        self._begin(hope, endpoint, target)
                    request[CLIENT] = self._proxies.client(request)
                    self._throttle.arrive(request, endpoint)
                    principal = await self._guard.admit(request, target)
                    who.set(principal.name or NOBODYS_NAME)
                    fields = self._throttle.admit(request, endpoint, principal)
                    if request.method in READS:
                        has_line = self._requests.has_read(target.repository)
                kept = hope is not None
                told = self._told(request, target, identity, principal, kept)
                response = await self._answer(bound, told, passed_on=passed_on)
                # What is left to a client is another number each time.
                if hope is not None and not unconfirmed.get() and not fields:
                    hope.admitted, hope.has_line = principal, has_line
            status = response.status
        except ConnectionError:
            # Nobody is there to read it; aiohttp notices that too, without a traceback.
            response = web.Response(status=400)
            response.force_close()
        except Exception as exc:  # noqa: BLE001 - the outermost edge: every failure is an answer
            failure = exc
            if (refused := request.get(ADMITTED)) is not None:  # known, and may not
                who.set(refused.name or NOBODYS_NAME)
            if type(exc) not in WIRE:
                self._log.error("request failed", path=request.rel_url.raw_path, exc_info=exc)
            page = self._pages.told(request, failure, identity)
            path = request.rel_url.raw_path
            response = error_response(failure, path) if page is None else page
            status = response.status
        finally:
            seconds = time.perf_counter() - started
            self._observer.request(action, request.method, status, seconds)
            if request.body_exists:
                self._observer.received(request.content.total_bytes)
            if has_line or self._requests.has_line(request.method, status):
                path, client = request.rel_url.raw_path, request.remote
                more = NO_MORE if target is None else more_of(request, target)
                self._requests.done(request.method, path, client, status, seconds, failure, more)
            request_id.reset(token)
            who.reset(asker)
        if not self.keeps_connections:
            response.force_close()
        if request.method != "HEAD":
            self._observer.sent(response.content_length or 0)
        if not response.prepared:
            response.headers.update(headers.consistency())
            if not self._pages.covers(request.rel_url.raw_path):
                response.headers.update(self._cors.fields(request))
            if status < 400:
                response.headers.update(fields)
        if not response.prepared and (status >= 400 or request.method not in READS):
            response.headers["X-Request-Id"] = identity
        return response

    def _begin(self, hope: Hope, endpoint: Endpoint[Any], target: Target) -> None:
        """Note what the answer to a request is about to be made of, if it can be remembered."""
        if endpoint.remembered and self.remembered is not None:
            hope.action = endpoint.action
            hope.basis = self.remembered.basis(target.repository, target.variable)

    async def _answer(
        self, bound: Bound, request: Request, *, passed_on: bool
    ) -> web.StreamResponse:
        if passed_on:
            assert bound.elsewhere is not None
            return await bound.elsewhere.answer(request)
        if bound.endpoint.takes_content:
            self._check_room()
        return await self._carry_out(bound, request)

    async def _carry_out(self, bound: Bound, request: Request) -> web.StreamResponse:
        """
        Have *request* answered by its deadline, or `answer_s` behind the end of its body.

        Raises:
            RequestOverdue: that could not be done. What its handler raises otherwise.
        """
        if request.deadline is None:
            return await bound.run(request)
        loop, running = asyncio.get_running_loop(), True
        deadline = asyncio.timeout_at(request.deadline)

        def body_is_here() -> None:  # or what a refused client has sent until it saw that
            if running and not deadline.expired():
                deadline.reschedule(loop.time() + self._limits.answer_s)

        try:
            async with deadline:
                request.http.content.on_eof(body_is_here)
                try:
                    return await bound.run(request)
                finally:
                    running = False
        except TimeoutError as exc:
            if deadline.expired():
                raise RequestOverdue(self._limits.answer_s) from exc
            raise

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
        path = request.rel_url.raw_path
        preflight = None if self._pages.covers(path) else self._cors.preflight(request)
        if preflight is not None:
            return preflight
        tidied = self._router.tidy(path)
        target = self._router.resolve(request.method, tidied)
        return target if tidied == path else self._moved(request, tidied)

    def _told(
        self, http: web.BaseRequest, target: Target, identity: str, principal: Principal, kept: bool
    ) -> Request:
        """What the handler is told."""
        endpoint, now = target.endpoint, asyncio.get_running_loop().time()
        deadline = None if http.method in READS else now + self._limits.answer_s
        body_deadline = None
        if http.body_exists:
            body, limits = endpoint.body, self._limits
            gathered = body is not None and not body.streamed
            body_s = limits.whole_body_s if gathered else limits.streamed_body_s
            body_deadline = now + body_s
            deadline = None if deadline is None else deadline + body_s
        return Request(
            endpoint.action,
            target.repository,
            target.variable,
            principal,
            kept,
            deadline,
            body_deadline,
            identity,
            endpoint.parameters,
            http,
        )

    def _moved(self, request: web.BaseRequest, path: str) -> web.Response:
        """
        Point to the one name of what is there: rules of proxies that go by paths hold for it.

        301 is what others answer, but turns a POST into a GET; 308 keeps method and body.
        """
        query = request.rel_url.raw_query_string
        return web.Response(
            status=301 if request.method in READS else 308,
            headers={**headers.API_VERSION, "Location": f"{path}?{query}" if query else path},
        )
