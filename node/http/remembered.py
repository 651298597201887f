"""
Answers remembered whole: what was asked before is answered without a handler.

There are two levels. The first knows header blocks, byte for byte, and needs no parser. The second
knows what an answer depends on (`Asked`), for clients that do not repeat themselves: tokens change,
balancers add fields. Both give an answer only while `node.remembered.validity` says that the
handler would give the same. An answer is kept when it is asked for the second time, so that a
stranger who asks for everything fills nothing.
"""

import re
import secrets
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Final, Protocol
from weakref import WeakValueDictionary

from aiohttp import hdrs, web
from aiohttp.http import HttpVersion11
from aiohttp.http_parser import RawRequestMessage

from node.http.endpoint import DISTRIBUTION, READS, Principal
from node.http.limits import REMEMBERED_ANSWER
from node.http.requestlog import RequestLog
from node.identity.login import NOBODYS_NAME
from node.logs import request_id, who
from node.remembered.memory import AskedBefore, Memory, Slot
from node.remembered.validity import Validity
from node.remembered.words import Basis

DEPENDS: Final = frozenset({b"accept", b"authorization", b"origin"})
"""Fields of a request that an answer depends on: `Asked` has them."""

EXCLUDES: Final = frozenset({b"if-none-match", b"if-range", b"range"})
"""Those with which a request goes to its handler: few have them, and each wants its own answer."""

_REQUEST_ID: Final = re.compile(rb"\r\nx-request-id:[ \t]*([\w.-]{1,64})[ \t]*\r\n", re.IGNORECASE)

_DATE: Final = b"\r\nDate: "
_DATE_BYTES: Final = len("Sun, 06 Nov 1994 08:49:37 GMT")


Asked = tuple[str, str, tuple[bytes, ...]]
"""
All of a request that its answer depends on: method, target, names and values of those fields of
`DEPENDS` that it has, as they came.
"""


class Finished:
    """An answer as it goes over the wire, and what is counted and logged with it."""

    __slots__ = (
        *("__weakref__", "_date_at", "_second", "_wire"),
        *("action", "basis", "body_bytes", "has_line", "method", "path", "slots", "until", "who"),
    )

    def __init__(
        self,
        wire: bytes,
        body_bytes: int,
        hope: "Hope",
        basis: Basis,
        path: str,
        who: str,
        until: float,
    ) -> None:
        self._wire = wire
        self._date_at = wire.index(_DATE) + len(_DATE)
        self._second = 0
        self.body_bytes = body_bytes
        self.action = hope.action
        self.method = hope.asked[0]
        self.has_line = hope.has_line
        self.path = path
        self.basis = basis
        self.who = who
        self.until = until
        self.slots = 0

    @property
    def weight(self) -> int:
        return len(self._wire)

    def wire(self) -> bytes:
        """Its bytes, with the date of now."""
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._wire = self._dated(formatdate(second, usegmt=True).encode())
        return self._wire

    def is_like(self, other: "Finished") -> bool:
        """Whether it is the same answer to the same question, but for the date."""
        undated = bytes(_DATE_BYTES)
        mine, theirs = (self.basis, self.who, self.until), (other.basis, other.who, other.until)
        return mine == theirs and self._dated(undated) == other._dated(undated)

    def _dated(self, date: bytes) -> bytes:
        at = self._date_at
        return b"".join((self._wire[:at], date, self._wire[at + _DATE_BYTES :]))


class Hope:
    """A request whose answer is to be kept, if it can be."""

    __slots__ = ("action", "admitted", "asked", "basis", "has_line")

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.action = ""
        self.basis: Basis | None = None
        """Taken before anything was read, of who may ask as well; None: there was no look at the
        index, or it was for others to answer."""
        self.admitted: Principal | None = None
        """Who was let in; None: nobody, or the answer is not to be kept."""
        self.has_line = False
        """Whether it is logged each time that the answer is given: a project's policy decides that,
        whose word is in *basis*."""


HOPE: Final = web.RequestKey("hope", Hope)


def hope_of(request: web.BaseRequest) -> Hope | None:
    """What goes along with *request*."""
    # Not `get`, which raises and catches an error where there is none: a hundredth of a read.
    found: Hope | None = request._state.get(HOPE)
    return found


class Observer(Protocol):
    """Counts what was served."""

    def request(self, action: str, method: str, status: int, seconds: float) -> None: ...

    def sent(self, count: int) -> None:
        """Bytes of an answer's body."""
        ...


class RememberedAnswers:
    """The answers that a node remembers. For one event loop."""

    def __init__(
        self,
        validity: Validity,
        observer: Observer,
        log: RequestLog,
        bytes_max: int,
        counted: Callable[[str], bool] = lambda who: True,
    ) -> None:
        """*counted* counts a request of an account; false: its handler has to refuse it."""
        self._validity = validity
        self._observer = observer
        self._log = log
        self._counted = counted
        self._memory = Memory[Finished](bytes_max)
        self._alike: WeakValueDictionary[object, Finished] = WeakValueDictionary()
        """The latest answer by what was asked, whoever asked."""
        self._blocks, self._questions = AskedBefore(), AskedBefore()
        self.basis: Callable[[str, str], Basis] = validity.basis
        self.answered_at_once = 0
        """By the first level."""
        self.answered_when_parsed = 0
        """By the second."""

    @property
    def bytes_kept(self) -> int:
        return self._memory.bytes

    def of_block(self, block: bytes) -> Finished | None:
        """The answer to a request whose head is *block*, and that has no body."""
        slot = self._memory.get(block)
        found = None if slot is None else self._valid(slot)
        self.answered_at_once += found is not None
        return found

    def of_asked(self, asked: Asked, block: bytes) -> Finished | Hope | None:
        """
        The answer to a request that was parsed: its head, all of it, is *block*. Or what goes along
        with it to its handler, so that the answer is kept; None: it is new.
        """
        slot = self._memory.get(asked)
        if slot is None:
            return Hope(asked) if self._questions.again(asked) else None
        found = self._valid(slot)
        if found is None:
            return Hope(asked)
        self.answered_when_parsed += 1
        if self._blocks.again(block) and self._memory.get(block) is None:
            self._memory.add(block, len(block), slot)
        return found

    def keep(self, hope: Hope, path: str, response: web.StreamResponse) -> None:
        """
        Keep *response*, which has been sent whole, if it is one that may be given again. *path* is
        what the log has.
        """
        fields = response.headers
        basis, admitted = hope.basis, hope.admitted
        if basis is None or admitted is None or admitted.until is None:
            return
        if response.status != 200 or hdrs.CONNECTION in fields:
            return
        if not isinstance(response, web.Response) or hdrs.CONTENT_LENGTH not in fields:
            return
        body = b"" if hope.asked[0] == "HEAD" else response.body or b""
        if not isinstance(body, bytes) or len(body) > REMEMBERED_ANSWER.number:
            return
        lines = [f"HTTP/1.1 200 {response.reason}", *(f"{k}: {v}" for k, v in fields.items())]
        head = "\r\n".join([*lines, "", ""]).encode()
        wire = head + body
        answer = Finished(wire, len(body), hope, basis, path, admitted.name, admitted.until)
        self._put(hope.asked, answer)

    def count(self, answer: Finished, block: bytes, client: str, seconds: float) -> None:
        """Count an answer that was given to *client*, as that of any other request is."""
        self._observer.request(answer.action, answer.method, 200, seconds)
        if answer.method != "HEAD":
            self._observer.sent(answer.body_bytes)
        if answer.has_line:
            given = _REQUEST_ID.search(block)
            token = request_id.set(given[1].decode() if given else secrets.token_hex(8))
            asker = who.set(answer.who or NOBODYS_NAME)
            self._log.done(answer.method, answer.path, client, 200, seconds, None)
            who.reset(asker)
            request_id.reset(token)

    def _valid(self, slot: Slot[Finished]) -> Finished | None:
        answer = slot.answer
        if answer is None or not self._validity.holds(answer.basis, answer.until):
            return None
        return answer if self._counted(answer.who) else None

    def _put(self, asked: Asked, answer: Finished) -> None:
        method, target, fields = asked
        slot = self._memory.get(asked)
        if slot is None:
            slot = Slot[Finished]()
            self._memory.add(asked, len(target) + sum(map(len, fields)), slot)
        # Callers who differ, in nothing but their tokens, have one answer between them.
        public = (method, target, *_without_caller(fields))
        known = self._alike.get(public)
        if known is not None and known.slots and known.is_like(answer):
            answer = known
        self._alike[public] = answer
        self._memory.fill(slot, answer)


def asked_by(message: RawRequestMessage) -> Asked | None:
    """What the answer to *message* depends on; None: it has to go to its handler."""
    if message.method not in READS or not message.path.startswith(DISTRIBUTION):
        return None
    if message.should_close or message.upgrade or message.chunked:
        return None
    if message.version is not HttpVersion11:
        return None
    fields: list[bytes] = []
    for name, value in message.raw_headers:
        name = name.lower()
        if name in DEPENDS:
            fields += (name, value)
        elif name in EXCLUDES:
            return None
    return message.method, message.path, tuple(fields)


def _without_caller(fields: tuple[bytes, ...]) -> list[bytes]:
    pairs = zip(fields[::2], fields[1::2], strict=True)
    return [part for pair in pairs if pair[0] != b"authorization" for part in pair]
