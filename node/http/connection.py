"""
One client connection: what is read from it, in what order it is answered, how it ends.

aiohttp's parser and its loop over requests are used as they are. What is changed, and why:

- The parser stops behind each complete request. Otherwise it loses the requests that lie before
  a malformed one in the same segment, and they are never answered.
- A body whose framing breaks, or whose client stops sending, ends with an error in its reader.
  aiohttp lets the handler wait for the rest until a timeout.
- A client may close its sending side and still gets its answers.
- At most one request is read ahead of the one that is being answered, so that what a client
  sends meanwhile stays in its socket.
- A client that does not read what it asked for is dropped, whatever the answer.
- What is remembered is answered here, before the parser or right behind it
  (`node.http.remembered`): without a task, a request and a response of aiohttp.
"""

import asyncio
from time import perf_counter
from typing import Final

from aiohttp import web
from aiohttp.http import HttpProcessingError, HttpRequestParser, HttpVersion10, HttpVersion11
from aiohttp.http_exceptions import BadHttpMethod, BadStatusLine, LineTooLong
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestHandler, RequestPayloadError, _ErrInfo

from node.errors import (
    HeadersTooLarge,
    HttpVersionUnknown,
    MethodNotAllowed,
    RegistryError,
    RequestMalformed,
    TransferCodingUnknown,
    UriTooLong,
)
from node.http.app import Api
from node.http.endpoint import METHODS
from node.http.limits import (
    AHEAD,
    FIELDS,
    HEAD_BYTES,
    IDLE,
    LINE_BYTES,
    LINGER,
    READ_BUFFER,
    STALL,
)
from node.http.remembered import Finished, Hope, RememberedAnswers, asked_by, hope_of

_READ_BUFFER_BYTES: Final = READ_BUFFER.number // 2
"""What aiohttp is told: it reads on until there is twice as much."""

_HEAD_END: Final = b"\r\n\r\n"

_TOO_MANY: Final = "Too many headers received"
_BAD_VERSION: Final = "Invalid HTTP version"
"""How the parser words two refusals that have no type of their own."""


class Connection(RequestHandler):
    """The protocol of one connection."""

    __slots__ = (
        "_about_to_wait",
        "_answered",
        "_api",
        "_body",
        "_ended",
        "_head_bytes",
        "_hope",
        "_last",
        "_remembered",
        "_silence",
        "_stalled",
        "stays",
    )

    def __init__(self, manager: web.Server, api: Api, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            manager,
            loop=loop,
            access_log=None,  # type: ignore[arg-type]  # what aiohttp takes for "none"
            auto_decompress=False,  # blobs are bytes: a Content-Encoding is the client's business
            read_bufsize=_READ_BUFFER_BYTES,
            lingering_time=LINGER.number,
            keepalive_timeout=IDLE.number,
        )
        self._parser = HttpRequestParser(
            self,
            loop,
            _READ_BUFFER_BYTES,
            max_line_size=LINE_BYTES.number,
            max_field_size=HEAD_BYTES.number,
            max_headers=FIELDS.number,
            payload_exception=RequestPayloadError,
            auto_decompress=False,
            max_msg_queue_size=AHEAD.number,
        )
        self._max_msg_queue_size = AHEAD.number
        self._msg_queue_resume_size = 0
        self._api = api
        self._remembered = api.remembered
        self._about_to_wait = False
        """Whether the last request was answered whole, and aiohttp's loop is on its way to wait."""
        self._hope: Hope | None = None
        """Of the request that waits to begin, as nothing was under way when it came."""
        self._body: StreamReader = EMPTY_PAYLOAD
        """That of the last request whose head came."""
        self._answered: StreamReader = EMPTY_PAYLOAD
        """That of the last request that was answered."""
        self._head_bytes = 0
        """Of a head that is not complete, without those behind another request in one segment;
        1 when there may be such."""
        self._last = False
        """Whether nothing more is read: the requests that are here are answered, then it ends."""
        self._ended = False
        """Whether the client has closed its sending side."""
        self.stays = False
        """Whether its client waits for the node's end: it outlives the port."""
        self._silence: asyncio.Future[None] | None = None
        self._stalled: asyncio.TimerHandle | None = None

    # --- reading -----------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._force_close or self._close or self._last or self._parser is None:
            return
        remembered, alone, started = self._remembered, False, 0.0
        if remembered is not None and self._is_at_rest():
            started = perf_counter()
            known = remembered.of_block(data)
            if known is not None:
                self._give(remembered, known, data, started)
                return
            alone = _is_one_head(data)
        rest = data
        while True:
            in_body = not self._body.is_eof()
            try:
                messages, upgraded, tail = self._parser.feed_data(rest)
            except HttpProcessingError as exc:
                self._refuse(_error_of(exc))
                return
            for message, body in messages:
                if (error := self._objection(message, len(data))) is not None:
                    self._refuse(error)
                    return
                self._head_bytes = 0
                self._body = body
                if alone and body is EMPTY_PAYLOAD and remembered is not None:
                    known = self._find(remembered, message, data)
                    if known is not None:
                        self._parser.message_consumed()
                        self._give(remembered, known, data, started)
                        return
                self._enqueue(message, body)
            if upgraded:  # nothing is served but HTTP: the client is answered in it
                self._parser.set_upgraded(False)
            elif messages:
                if (alone or _is_one_head(data)) and body.is_eof():
                    return  # this was all, as nearly always: the parser need not be asked again
                self._head_bytes = 1
            elif not (in_body and self._body.is_eof()):
                break
            rest = tail
            if len(self._messages) > (self._waiter is not None):
                if not self._buffer_paused:
                    self._pause_reading_for_buffer()
                return
        if not in_body and rest:
            self._head_bytes += len(rest)
            if self._head_bytes > HEAD_BYTES.number:
                self._refuse(HeadersTooLarge(HEAD_BYTES.number, FIELDS.number))

    def _is_at_rest(self) -> bool:
        """
        Whether nothing is under way: what comes now begins a request, and may be answered at once.

        aiohttp takes a turn of the event loop from its last answer until it waits again. A client
        on another core is quicker, and would be at rest never again.
        """
        waiter = self._waiter
        waits = self._about_to_wait if waiter is None else not waiter.done()
        return (
            waits
            and not self._messages
            and not self._head_bytes
            and not self._paused  # its client does not read: that is for who can wait
            and self._api.keeps_connections
        )

    def _find(
        self, remembered: RememberedAnswers, message: RawRequestMessage, block: bytes
    ) -> Finished | None:
        """The answer to *message* that is remembered; without one, whether to keep what comes."""
        asked = asked_by(message)
        known = None if asked is None else remembered.of_asked(asked, block)
        if isinstance(known, Hope):
            self._hope = known
            return None
        return known

    def _give(
        self, remembered: RememberedAnswers, known: Finished, block: bytes, started: float
    ) -> None:
        """Answer the request whose head is *block*, and count it as what aiohttp would."""
        assert self.transport is not None
        assert self._manager is not None
        self.transport.write(known.wire())
        self._request_count += 1
        self._manager.requests_count += 1
        self._next_keepalive_close_time = self._loop.time() + IDLE.number
        remembered.count(known, block, self.address, perf_counter() - started)

    def take_hope(self) -> Hope | None:
        """What goes along with the request that begins now."""
        hope, self._hope = self._hope, None
        return hope

    def _enqueue(self, message: RawRequestMessage | _ErrInfo, body: StreamReader) -> None:
        self._request_count += 1
        self._about_to_wait = False
        self._messages.append((message, body))
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _objection(self, message: RawRequestMessage, segment_bytes: int) -> RegistryError | None:
        """What the parser lets pass and this server does not speak."""
        version = message.version
        if version is not HttpVersion11 and version is not HttpVersion10:
            return HttpVersionUnknown()
        if message.method == "CONNECT":
            return MethodNotAllowed(METHODS)
        if message.chunked:
            if version is HttpVersion10:
                return RequestMalformed()  # RFC 9112 §6.1: its framing is faulty
            if message.headers["Transfer-Encoding"].lower() != "chunked":
                return TransferCodingUnknown()
        # A head of one segment that is not larger than allowed needs no counting.
        if self._head_bytes or segment_bytes > HEAD_BYTES.number:
            fields = sum(len(name) + len(value) + 4 for name, value in message.raw_headers)
            if fields > HEAD_BYTES.number:
                return HeadersTooLarge(HEAD_BYTES.number, FIELDS.number)
        return None

    def _refuse(self, error: RegistryError) -> None:
        """What came is no request: answer the ones before it, say so, and close."""
        if not self._body.is_eof():
            self._break_body()
            return
        self._enqueue(_ErrInfo(400, error, str(error)), EMPTY_PAYLOAD)
        self._last = True

    def _break_body(self, error: Exception | None = None) -> None:
        """The rest of the body in progress will not come: its reader says that it is incomplete."""
        if self._body is not self._answered:  # else aiohttp reads it away, and would log an error
            self._body.set_exception(error or RequestPayloadError("the body is incomplete"))
        self._body.feed_eof()
        self._end_after_queue()

    def give_up(self, error: RegistryError) -> None:
        """Read no more of the body in progress: its reader raises *error*."""
        if not self._body.is_eof():
            self._break_body(error)

    def _end_after_queue(self) -> None:
        self._last = True
        if not self._messages:
            self._close = True  # the one that is being answered is the last

    # --- answering ---------------------------------------------------------------------------

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """As that of aiohttp, without its log of requests, upgrades and forms."""
        self._answered = request.content
        # The parser drops what comes behind an upgrade that it does not know, such as h2c.
        if (self._last and not self._messages) or request._message.upgrade:
            resp.force_close()
        try:
            await resp.prepare(request)
            await resp.write_eof()
        except ConnectionError:
            return resp, True
        hope = hope_of(request)
        if hope is not None and self._remembered is not None:
            self._remembered.keep(hope, request.rel_url.raw_path, resp)
        if self._last and not self._messages:
            self._close = True
            await self._linger()
        self._about_to_wait = bool(resp.keep_alive) and self._answered.is_eof()
        return resp, False

    async def _linger(self) -> None:
        """
        Tell the client that this was all, and read away what it is still sending.

        Closing a socket with unread bytes resets it, and the answer may be lost on its way.
        """
        transport = self.transport
        if self._ended or transport is None or transport.is_closing():
            return
        transport.write_eof()
        self._silence = self._loop.create_future()
        try:
            async with asyncio.timeout(LINGER.number):
                await self._silence
        except TimeoutError:
            return

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        # Only what is no request comes here: `Api.handle` answers everything else.
        request._version = HttpVersion11  # aiohttp takes what it could not read for HTTP/1.0
        error = exc if isinstance(exc, RegistryError) else RequestMalformed()
        return self._api.refuse(request, error)

    # --- the end -----------------------------------------------------------------------------

    @property
    def address(self) -> str:
        """Where the client connects from."""
        return self.peername[0] if isinstance(self.peername, tuple) else ""

    @property
    def waits_since(self) -> float | None:
        """
        When it began to wait for a request, as far as one can tell; None when it does not.

        One that was answered, and is read away, waits for longer than any.
        """
        if self._silence is not None or (self._body is self._answered and not self._body.is_eof()):
            return 0.0
        if self._force_close or self._request_in_progress or self._messages:
            return None
        if self._request_count and self._waiter is None:
            return None
        return self._next_keepalive_close_time - IDLE.number

    @property
    def asked(self) -> bool:
        """Whether a request has come on it."""
        return self._request_count > 0

    @property
    def receives(self) -> bool:
        """Whether a body is under way."""
        return self._body is not self._answered and not self._body.is_eof()

    def turn_away(self, error: RegistryError) -> None:
        """Answer *error* to a client that is one too many, without waiting for its request."""
        self._ended = True  # nothing is read away: there is no room to linger
        self._refuse(error)

    def close_if_idle(self) -> None:
        """Close the connection if no request is running on it. One that is reads on to its end."""
        # `close` alone would be deaf to the rest of a body that is on its way.
        if self._waiter is not None and not self._messages:
            self.close()
            # That ends aiohttp's loop over requests, which then leaves the connection as it is.
            if self.transport is not None:
                self.transport.close()

    def eof_received(self) -> bool:  # type: ignore[override]  # aiohttp's closes, whatever is open
        """The client sends nothing more; true when it may still be waiting for an answer."""
        self._ended = True
        if self._silence is not None:
            self._be_silent()
            return False
        if self._force_close:
            return False
        if not self._body.is_eof():
            self._break_body()
        elif self._waiter is None or self._waiter.done() or self._messages:
            self._end_after_queue()
        elif self._head_bytes > 1:
            self._refuse(RequestMalformed())
        else:
            return False
        return True

    def connection_lost(self, exc: BaseException | None) -> None:
        self._be_silent()
        self._watch_reader(False)
        super().connection_lost(exc)

    def _be_silent(self) -> None:
        if self._silence is not None and not self._silence.done():
            self._silence.set_result(None)

    # --- clients that do not read ------------------------------------------------------------

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_reader(True)

    def resume_writing(self) -> None:
        self._watch_reader(False)
        super().resume_writing()

    def _watch_reader(self, on: bool) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
        if on:
            self._stalled = self._loop.call_later(STALL.number, self._drop)

    def _drop(self) -> None:
        if self.transport is not None:
            self.transport.abort()


def _is_one_head(data: bytes) -> bool:
    """Whether nothing is behind the first end of a head."""
    return data.find(_HEAD_END) == len(data) - len(_HEAD_END)


def _error_of(error: HttpProcessingError) -> RegistryError:
    """The parser's refusal in our words."""
    match error:
        case BadHttpMethod():
            return MethodNotAllowed(METHODS)
        case LineTooLong() if error.args[1] == LINE_BYTES.number:
            return UriTooLong(LINE_BYTES.number)
        case LineTooLong():
            return HeadersTooLarge(HEAD_BYTES.number, FIELDS.number)
        case BadStatusLine() if _BAD_VERSION in str(error):
            return HttpVersionUnknown()
        case _ if error.message == _TOO_MANY:
            return HeadersTooLarge(HEAD_BYTES.number, FIELDS.number)
        case _:
            return RequestMalformed()
