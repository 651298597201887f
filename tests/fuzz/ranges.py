"""Byte ranges: of blobs that are read (Range), and of uploads that go on (Content-Range)."""

import random
import re
from typing import ClassVar, Final

import msgspec
from hypothesis import strategies as st

from cluster.model import Digest
from node.http.limits import HEAD_BYTES, RANGES
from tests.api.conftest import StartRegistry
from tests.api.wire import Reply
from tests.fuzz.asking import Asker
from tests.fuzz.edits import mutated
from tests.fuzz.target import Target, must

_SIZES: Final = (0, 1, 2, 10, 257, 4096, 300_000)
_BLOBS: Final = {size: random.Random(size).randbytes(size) for size in _SIZES}
_DIGESTS: Final = {size: Digest.of(blob) for size, blob in _BLOBS.items()}

_PLAIN: Final = re.compile(rb"[\x21-\x7e \t]*")
"""Fields that are read in one way. Python takes more for white space than HTTP does."""


class RangeInput(msgspec.Struct, frozen=True):
    size: int
    """Of the blob that is read."""

    field: bytes
    method: str
    chunks: tuple[tuple[int, int, int, str], ...] = ()
    """Of an upload: by how much each starts too late, its length, by how much it says another one,
    and how that is written."""


class Ranges(Target):
    """What is answered is what was asked for; what is uploaded is where it was said to be."""

    name: ClassVar = "ranges"
    input_type: ClassVar = RangeInput
    expected: ClassVar = frozenset(
        {"get 200", "get 206", "get 206 in parts", "get 416", "get 400", "head 200",
         "chunk 202", "chunk 400", "chunk 416", "finish 201"}
    )  # fmt: skip

    def inputs(self) -> st.SearchStrategy[RangeInput]:
        @st.composite
        def made(draw: st.DrawFn) -> RangeInput:
            size = draw(st.sampled_from(_SIZES))
            number = st.one_of(
                st.just(""),
                st.sampled_from([0, 1, 2, 9, 256, size - 1, size, size + 1, 10**18 - 1, 10**18]),
                st.integers(-1, size + 2),
                st.integers(0, 10**30),
            ).map(str)
            one = st.tuples(number, number).map("-".join)
            inside = st.integers(0, max(0, size - 1))
            near = st.tuples(inside, inside).map(lambda both: f"{min(both)}-{max(both)}")
            odd = st.sampled_from(
                ["", "-", "0", "a-b", "0-0x", "--1", "0 - 1", "\u0660-\u0669", "+0-1", "0-1-2"]
            )
            few = st.lists(
                st.one_of(one, one, one, one, near, near, near, odd), min_size=1, max_size=4
            )
            many = st.builds(lambda a, n: [a] * n, one, st.sampled_from([1023, 1024, 1025, 1500]))
            spread = st.integers(2, 40).map(
                lambda n: [f"{each * 3}-{each * 3}" for each in range(n)]
            )
            ranges = st.one_of(few, few, few, few, spread, many)
            unit = st.sampled_from(
                ["bytes="] * 30 + ["Bytes=", "bytes =", "items=", "bytes", "=", " "]
            )
            comma = st.sampled_from([",", ", ", " ,", ",,"])
            text = draw(unit) + draw(comma).join(draw(ranges))
            field = draw(
                st.one_of(*[st.just(text.encode())] * 4, mutated(st.just(text.encode()), 2))
            )
            method = draw(st.sampled_from(["GET"] * 9 + ["HEAD"]))
            chunk = st.tuples(
                st.sampled_from([0] * 7 + [1, -1, 5, 10**20]),
                st.sampled_from([1, 2, 3, 100, 70_000]),
                st.sampled_from([0] * 8 + [1, -1, 10**17]),
                st.sampled_from(
                    ["{}-{}"] * 4
                    + ["bytes {}-{}/*", "bytes={}-{}", "bytes {}-{}/9", "{}-{}/", "0{}-{}",
                    "x{}-{}",
                       "{}-", " {}-{} ", "-{}-{}"]
                ),
            )  # fmt: skip
            chunks = draw(st.lists(chunk, max_size=3)) if draw(st.integers(0, 3)) == 0 else []
            return RangeInput(size, field, method, tuple(chunks))

        return made()

    async def open(self, start: StartRegistry) -> None:
        self.registry = await start()
        self.asker = Asker(self.registry)
        for size, blob in _BLOBS.items():
            path = f"/v2/a/blobs/uploads/?digest={_DIGESTS[size]}"
            must((await self.asker.ask("POST", path, {}, blob)).status == 201, "no blob", size)

    async def attempt(self, given: RangeInput) -> list[str]:
        outcomes = [await self._read(given)]
        if given.chunks:
            outcomes += await self._uploaded(given)
        return outcomes

    async def _read(self, given: RangeInput) -> str:
        fields: dict[str, bytes | str] = {"Range": given.field}
        path = f"/v2/a/blobs/{_DIGESTS[given.size]}"
        reply = await self.asker.ask(given.method, path, fields)
        if reply.status == 431:
            # What goes with it takes some hundred bytes.
            must(len(given.field) > HEAD_BYTES.number - 1000, "not so large", given, reply)
            return "get 431"
        if given.method == "HEAD":
            return f"head {reply.status}"
        blob = _BLOBS[given.size]
        is_in_parts = reply.fields[b"content-type"].startswith(b"multipart/byteranges")
        if reply.status == 206:
            sent = (
                _parts_of(reply)
                if is_in_parts
                else [(_content_range(reply, given.size), reply.body)]
            )
            got = bytearray(given.size)
            for (first, end), data in sent:
                must(data == blob[first:end], "not those bytes", given, first, end)
                must(not any(got[first:end]), "bytes that were sent twice", given)
                got[first:end] = b"\1" * (end - first)
        elif reply.status == 200:
            must(reply.body == blob, "not the blob", given)
        if _PLAIN.fullmatch(given.field):
            self._compare(given, reply, bytes(got) if reply.status == 206 else b"")
        return f"get {reply.status}" + (" in parts" if is_in_parts else "")

    def _compare(self, given: RangeInput, reply: Reply, got: bytes) -> None:
        """With what a naive reader makes of the field."""
        asked = wanted(given.field.decode().strip(" \t"), given.size)
        if asked == "all" or (asked == "nothing" and not given.size):
            must(reply.status == 200, given, reply.line)
        elif asked == "too many":
            must(reply.status == 400, given, reply.line)
        elif isinstance(asked, str):
            must(reply.status == 416, given, reply.line)
            said = reply.fields[b"content-range"]
            must(said == b"bytes */%d" % given.size, given, said)
        else:
            must(reply.status == 206 and got == asked, "other bytes were asked for", given)

    async def _uploaded(self, given: RangeInput) -> list[str]:
        opened = await self.asker.ask("POST", "/v2/a/blobs/uploads/")
        place, outcomes, model = opened.fields[b"location"], [], bytearray()
        for late, length, lie, form in given.chunks:
            start, data = len(model) + late, random.Random(length).randbytes(length)
            said = form.format(start, start + length - 1 + lie)
            reply = await self.asker.ask("PATCH", place, {"Content-Range": said}, data)
            want = _chunk_status(said.strip(), len(model), length)
            must(reply.status == want, "chunk", said, "at", len(model), "of", length, reply)
            if reply.status == 202:
                model += data
            outcomes.append(f"chunk {reply.status}")
            told = await self.asker.ask("GET", place)
            must(told.fields[b"range"] == b"0-%d" % max(len(model) - 1, 0), given, told)
        digest = Digest.of(bytes(model))
        ended = await self.asker.ask("PUT", f"{place.decode()}?digest={digest}", {}, b"")
        must(ended.status == 201, "finish", given, ended)
        read = await self.asker.ask("GET", f"/v2/a/blobs/{digest}")
        must(read.body == bytes(model), "it is not what was uploaded", given)
        if digest not in _DIGESTS.values():
            await self.asker.ask("DELETE", f"/v2/a/blobs/{digest}")
        return [*outcomes, f"finish {ended.status}"]


def wanted(field: str, size: int) -> bytes | str:
    """
    What a Range field asks for, as a naive reader has it: a byte for each of the blob, 1 where it
    is asked for. Or "all", "nothing", "nonsense", "too many".
    """
    unit, _, text = field.partition("=")
    if unit.strip(" \t").lower() != "bytes":
        return "all"
    elements = [each.strip(" \t") for each in text.split(",")]
    elements = [each for each in elements if each]
    if len(elements) > RANGES.number:
        return "too many"
    asked, nonsense = bytearray(size), not elements
    for element in elements:
        first, dash, last = element.partition("-")
        digits = all(not part or (part.isdecimal() and len(part) <= 18) for part in (first, last))
        if not dash or not (first or last) or not digits:
            nonsense = True
        elif not first:
            begin = max(0, size - int(last))
            asked[begin:] = b"\1" * (size - begin)
        elif last and int(last) < int(first):
            nonsense = True
        else:
            begin, end = int(first), min(size, int(last) + 1 if last else size)
            if begin < end:
                asked[begin:end] = b"\1" * (end - begin)
    if nonsense:
        return "nonsense"
    return bytes(asked) if any(asked) else "nothing"


def _content_range(reply: Reply, size: int) -> tuple[int, int]:
    return _read_content_range(reply.fields[b"content-range"].decode(), size)


def _read_content_range(text: str, size: int) -> tuple[int, int]:
    unit, _, rest = text.partition(" ")
    span, _, whole = rest.partition("/")
    first, _, last = span.partition("-")
    must(unit == "bytes" and int(whole) == size, "Content-Range", text)
    must(0 <= int(first) <= int(last) < size, "Content-Range", text)
    return int(first), int(last) + 1


def _parts_of(reply: Reply) -> list[tuple[tuple[int, int], bytes]]:
    """The parts of a multipart answer (RFC 2046 section 5.1.1), by their lengths."""
    boundary = reply.fields[b"content-type"].partition(b"boundary=")[2]
    rest, parts = reply.body, []
    while rest.strip() != b"--" + boundary + b"--":
        rest = rest.removeprefix(b"\r\n")
        must(rest.startswith(b"--" + boundary + b"\r\n"), "no boundary", rest[:80])
        head, _, rest = rest.partition(b"\r\n\r\n")
        [said] = [
            line for line in head.split(b"\r\n") if line.lower().startswith(b"content-range: ")
        ]
        text = said.partition(b": ")[2].decode()
        span = _read_content_range(text, int(text.partition("/")[2]))
        parts.append((span, rest[: span[1] - span[0]]))
        rest = rest[span[1] - span[0] :]
    must(len(parts) > 1, "one part alone", reply.body[:80])
    return parts


def _chunk_status(said: str, offset: int, length: int) -> int:
    """What a chunk of *length* gets that says of itself *said*, when *offset* bytes are there."""
    span = said.removeprefix("bytes ") if said.startswith("bytes ") else said.removeprefix("bytes=")
    span, slash, whole = span.partition("/")
    first, dash, last = span.partition("-")
    numbers = [first, last] + ([whole] if slash and whole != "*" else [])
    if not dash or not all(part.isdecimal() and len(part) <= 18 for part in numbers):
        return 400
    if int(last) - int(first) + 1 != length:
        return 400
    return 202 if int(first) == offset else 416
