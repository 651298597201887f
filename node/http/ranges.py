"""
Byte ranges: which parts of a blob a request asks for, and how they are answered (RFC 9110 §14).

Lazy pulls (zstd:chunked, eStargz, SOCI) ask for hundreds of small pieces of a layer at once. Two
rules bound what a request can cost. Ranges that overlap are joined: no byte is sent twice, and an
answer is never larger than the blob and one short head for each range. And there are at most
`RANGES` of them.
"""

import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from node.errors import RangeNotSatisfiable, TooManyRanges
from node.http.limits import RANGES

_RANGE: Final = re.compile(r"(\d{0,18})-(\d{0,18})", re.ASCII)

_PART_TYPE: Final = "application/octet-stream"


class Part(NamedTuple):
    """A range of a blob in an answer's body, and the bytes that go before it."""

    head: bytes
    offset: int
    length: int


class Selection(NamedTuple):
    """What of a blob is sent: the status, the fields that go with it, and the body."""

    status: int
    fields: Mapping[str, str]
    parts: Sequence[Part]
    tail: bytes
    """Bytes behind the last part."""
    length: int
    """Bytes of the body."""


class _Span(NamedTuple):
    offset: int
    end: int


def select(field: str | None, size: int) -> Selection:
    """
    What a Range field asks for, of a blob of *size* bytes.

    The whole blob without a field, for another unit than bytes, and when it is empty: there is no
    Content-Range for none of no bytes.

    Raises:
        RangeNotSatisfiable: malformed, or wholly outside the blob.
        TooManyRanges: more than `RANGES`.
    """
    asked = None if field is None else _asked(field, size)
    if not asked:
        return _one(200, {}, 0, size)
    spans = _joined(asked) if len(asked) > 1 else asked
    if len(spans) == 1:
        [span] = spans
        fields = {"Content-Range": _content_range(span, size)}
        return _one(206, fields, span.offset, span.end - span.offset)
    return _multipart(spans, size)


def _one(status: int, fields: Mapping[str, str], offset: int, length: int) -> Selection:
    return Selection(status, fields, (Part(b"", offset, length),), b"", length)


def _asked(field: str, size: int) -> list[_Span] | None:
    """The ranges that lie in the blob, as they were asked for; None for another unit."""
    unit, _, text = field.partition("=")
    if unit.strip().lower() != "bytes":
        return None
    # RFC 9110 §5.6.1: empty elements of a list count for nothing.
    elements = [element for each in text.split(",") if (element := each.strip())]
    if len(elements) > RANGES.number:
        raise TooManyRanges(RANGES.number)
    spans = [_span(element, size) for element in elements]
    inside = [span for span in spans if span.offset < span.end]
    if not elements or (size and not inside):
        raise RangeNotSatisfiable(size)
    return inside


def _span(element: str, size: int) -> _Span:
    """One range; one that ends before it begins lies outside the blob."""
    match = _RANGE.fullmatch(element)
    if match is None or element == "-":
        raise RangeNotSatisfiable(size)
    first, last = match.groups()
    if not first:
        return _Span(size - min(int(last), size), size)
    if last and int(last) < int(first):
        raise RangeNotSatisfiable(size)
    return _Span(int(first), min(int(last) + 1, size) if last else size)


def _joined(spans: Sequence[_Span]) -> list[_Span]:
    """
    The ranges with those that overlap made one, each in the place of its first.

    Ranges that only touch stay apart: a client may expect one part for each that it asked for.
    """
    groups: list[tuple[int, _Span]] = []
    for number, span in sorted(enumerate(spans), key=lambda entry: entry[1]):
        if groups and span.offset < groups[-1][1].end:
            first, group = groups[-1]
            groups[-1] = (min(first, number), _Span(group.offset, max(group.end, span.end)))
        else:
            groups.append((number, span))
    return [span for _, span in sorted(groups)]


def _multipart(spans: Sequence[_Span], size: int) -> Selection:
    """RFC 9110 §14.6. The boundary is too random to be found in anybody's blob."""
    boundary = secrets.token_hex(16)
    parts = []
    for span in spans:
        head = (
            f"\r\n--{boundary}\r\nContent-Type: {_PART_TYPE}\r\n"
            f"Content-Range: {_content_range(span, size)}\r\n\r\n"
        )
        parts.append(Part(head.encode(), span.offset, span.end - span.offset))
    parts[0] = parts[0]._replace(head=parts[0].head.removeprefix(b"\r\n"))
    fields = {"Content-Type": f"multipart/byteranges; boundary={boundary}"}
    tail = f"\r\n--{boundary}--\r\n".encode()
    length = sum(len(part.head) + part.length for part in parts) + len(tail)
    return Selection(206, fields, parts, tail, length)


def _content_range(span: _Span, size: int) -> str:
    return f"bytes {span.offset}-{span.end - 1}/{size}"
