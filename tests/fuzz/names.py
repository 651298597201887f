"""Names of repositories, tags and references; and what else is named in a URL."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final
from urllib.parse import quote, unquote

import msgspec
from hypothesis import strategies as st

from cluster.model import Digest, Dot
from node.cli.errors import CommandError
from node.cli.references import parse_reference as parse_image
from node.errors import DigestInvalid, NameInvalid, TagInvalid, UploadUnknown
from node.identity.errors import SecurityDocumentInvalid
from node.identity.patterns import matches, parse_pattern
from node.registry.names import RepositoryName, Tag, parse_reference
from node.registry.upload_ids import UploadId
from tests.api.conftest import StartRegistry
from tests.builders import an_index, encoded
from tests.fuzz.asking import Asker
from tests.fuzz.edits import mutated_text
from tests.fuzz.target import Target, must

_LOWER: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_WORD: Final = _LOWER | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ_")

_MANIFEST: Final = encoded(an_index())
_DIGEST: Final = Digest.of(_MANIFEST)

_SEEDS: Final = (
    "a", "lib/app", "a.b/c_d/e__f/g-h/i---j", "0", "a/b/c/d/e/f", "manifests", "v2/blobs/uploads",
    "a" * 255, "a/" * 127 + "a", "a" * 256, "_catalog", "..", "a..b", "a._b", "-a", "a-",
    "A", "a//b",
    "/a", "a/", "\u017f", "a\n", "lib/app:v1", "lib%2fapp", "tags/list", "a/manifests/b",
    "%", "é", "",
)  # fmt: skip
_TAGS: Final = (
    "v1", "latest", "_x", "1.2.3-rc.1", "A" * 128, "A" * 129, ".x", "-x",
    "sha256-" + "a" * 64, "v+1",
    "sha256:" + "0" * 64, str(_DIGEST), "\u0131", "v1\n", "a/b", "", "x:y", "%41", "list", "..",
)  # fmt: skip
_OTHERS: Final = (
    "lib/*", "lib/**", "*", "**", "lib/*/x", "lib/**/x", "li*", "lib/***", "a.b/**", "solo/1/2",
    "n/9999999999999999999/1", "abc.solo", ".solo", "localhost:5000/lib/app:v1", "h.x/a@sha256:00",
    "http://[::1]:5000/a", "http://a:b:c/x", "[/x", "h:99999/a", "http://h:1/a/b@", "//", "://",
)  # fmt: skip


_MATCHED: Final = ("a", "lib", "lib/a", "lib/a/x", "a.b", "axb", "a.b/c", "axb/c")

_ASKED: Final = (
    "/v2/_catalog?last={}", "/v2/_catalog?n={}", "/v2/a/tags/list?last={}", "/v2/a/referrers/{}",
    "/v2/a/blobs/uploads/{}", "/v2/a/blobs/uploads/{}.solo", "/token?scope=repository:{}:pull",
    "/atoll/v1/projects/{}", "/atoll/v1/projects?last={}", "/atoll/v1/conflicts?last={}", "/{}",
    "/atoll/v1/users/{}", "/atoll/v1/access/{}", "/atoll/v1/robots/{}", "/v2/a/{}",
    "/v2/{}/tags/list",
)  # fmt: skip


def is_repository(name: str) -> bool:
    """The grammar of the distribution-spec once more, letter by letter."""
    return len(name) <= 255 and all(map(_is_component, name.split("/")))


def _is_component(text: str) -> bool:
    if not text or text[0] not in _LOWER or text[-1] not in _LOWER:
        return False
    marks, run = [], ""
    for letter in text:
        if letter in _LOWER:
            marks.append(run)
            run = ""
        else:
            run += letter
    return all(not mark or mark in (".", "_", "__") or set(mark) == {"-"} for mark in marks)


def is_tag(text: str) -> bool:
    return (
        0 < len(text) <= 128
        and text[0] in _WORD
        and all(each in _WORD or each in ".-" for each in text)
    )


def is_digest(text: str) -> bool:
    algorithm, _, encoded_part = text.partition(":")
    length = {"sha256": 64, "sha512": 128}.get(algorithm)
    return len(encoded_part) == length and all(each in "0123456789abcdef" for each in encoded_part)


def fits(pattern: Sequence[str], name: Sequence[str]) -> bool:
    """Whether the components of a pattern stand for those of a name."""
    if not pattern or not name:
        return not pattern and not name
    if pattern[0] == "**":
        return True  # it is the last one, and there is a component left
    return pattern[0] in ("*", name[0]) and fits(pattern[1:], name[1:])


class NameInput(msgspec.Struct, frozen=True):
    repository: str
    reference: str
    other: str
    """A pattern, an event, the id of an upload, an image as people write it."""

    coding: int
    """How they are written: as they are, where that can be; all percent-encoded, once or twice; as
    bytes of another alphabet."""

    asks: int
    """Where *other* is asked for: a place in `_ASKED`."""


class Names(Target):
    """All that is a name, parsed by who reads it, and pushed under."""

    name: ClassVar = "names"
    input_type: ClassVar = NameInput
    expected: ClassVar = frozenset(
        {"push 201", "read 200", "list 200", "push 400", "push 404", "delete 202", "pattern",
         "not a pattern", "event", "image", "upload", "ask 200", "ask 400", "ask 404"}
    )  # fmt: skip

    def inputs(self) -> st.SearchStrategy[NameInput]:
        component = st.text("ab0._-", min_size=1, max_size=6)
        names = st.one_of(
            st.sampled_from(_SEEDS),
            st.lists(component, min_size=1, max_size=4).map("/".join),
            st.text(max_size=12),
        )
        tags = st.one_of(st.sampled_from(_TAGS), st.text("aA0_.-", max_size=8), st.text(max_size=6))
        others = st.one_of(
            st.sampled_from(_OTHERS),
            st.lists(st.sampled_from(["a", "lib", "*", "**", "a.b", "x*", ""]), max_size=5).map(
                "/".join
            ),
        )
        return st.builds(
            NameInput,
            st.one_of(names, mutated_text(names, 2)),
            st.one_of(tags, mutated_text(tags, 2)),
            st.one_of(others, mutated_text(others, 2)),
            st.sampled_from([0, 0, 0, 1, 2, 3]),
            st.integers(0, len(_ASKED) - 1),
        )

    async def open(self, start: StartRegistry) -> None:
        self.registry = await start()
        self.asker = Asker(self.registry)

    async def attempt(self, given: NameInput) -> list[str]:
        path = _ASKED[given.asks].format(_coded(given.other, given.coding))
        asked = await self.asker.ask("GET", _raw(path))
        return [*self._parsed(given), f"ask {asked.status}", *await self._pushed(given)]

    def _parsed(self, given: NameInput) -> list[str]:
        repository, reference, other = given.repository, given.reference, given.other
        agrees(RepositoryName.parse, repository, is_repository(repository), NameInvalid)
        agrees(Tag.parse, reference, is_tag(reference), TagInvalid)
        right = is_digest(reference) if ":" in reference else is_tag(reference)
        agrees(parse_reference, reference, right, TagInvalid, DigestInvalid)
        outcomes = []
        if comes_back(UploadId.parse, other, UploadUnknown):
            outcomes.append("upload")
        found = _or_none(Dot.parse, other, ValueError)
        if found is not None:
            must(Dot.parse(str(found)) == found, "an event is not what it was written as", other)
            outcomes.append("event")
        image = _or_none(lambda text: parse_image(text, "h:1"), other, CommandError)
        if image is not None:
            again = parse_image(f"{image.url}/{image.image}")
            must(again == image, "an image is not what it was written as", other, image, again)
            outcomes.append("image")
        pattern = _or_none(parse_pattern, other, SecurityDocumentInvalid)
        if pattern is None:
            return [*outcomes, "not a pattern"]
        for name in filter(is_repository, (*_MATCHED, pattern.replace(".", "x"), repository)):
            wanted = fits(pattern.split("/"), name.split("/"))
            must(matches(pattern, name) == wanted, "pattern", pattern, "name", name, wanted)
        return [*outcomes, "pattern"]

    async def _pushed(self, given: NameInput) -> list[str]:
        """What becomes of a push, and of what was pushed."""
        repository, reference = (
            _coded(text, given.coding) for text in (given.repository, given.reference)
        )
        path = f"/v2/{repository}/manifests/{reference}"
        name, last = unquote(repository, errors="replace"), unquote(reference, errors="replace")
        fields: dict[str, bytes | str] = {"Content-Type": "application/json"}
        pushed = await self.asker.ask("PUT", _raw(path), fields, _MANIFEST)
        outcomes = [f"push {pushed.status}"]
        if not path.isascii():
            must(pushed.status in (308, 400, 404, 405), "a name that is no ASCII", path, pushed)
            return outcomes
        is_there = is_tag(last) or last == _DIGEST
        plain = "/" not in reference and not {".", ".."} & {*repository.split("/"), reference}
        if plain:
            must((pushed.status == 201) == (is_repository(name) and is_there), path, pushed)
        if pushed.status != 201:
            return outcomes
        must(is_repository(name) and is_there, "pushed under what is no name", path)
        read = await self.asker.ask("GET", path)
        must(read.status == 200 and read.body == _MANIFEST, "it is not what was pushed", path, read)
        tags = await self.asker.ask("GET", f"/v2/{repository}/tags/list")
        listed = msgspec.json.decode(tags.body)
        must(listed["name"] == name, "it is listed under another name", path, listed)
        must(listed["tags"] == ([] if last == _DIGEST else [last]), "its tags", path, listed)
        catalog = await self.asker.ask("GET", "/v2/_catalog")
        must(msgspec.json.decode(catalog.body)["repositories"] == [name], path, catalog.body)
        gone = await self.asker.ask("DELETE", f"/v2/{repository}/manifests/{_DIGEST}")
        after = await self.asker.ask("GET", path)
        must(after.status == 404, "it is there when it was deleted", path, after)
        return [*outcomes, "read 200", f"list {tags.status}", f"delete {gone.status}"]


def agrees(
    parse: Callable[[str], str], text: str, right: bool, *errors: type[Exception]
) -> str | None:
    """Hold a parser against the grammar; what it takes has to be itself."""
    found = _or_none(parse, text, *errors)
    must((found is not None) == right, parse, repr(text), "is right:", right)
    must(found is None or (str(found) == text and parse(str(found)) == found), parse, repr(text))
    return found


def comes_back(parse: Callable[[str], Any], text: str, *errors: type[Exception]) -> bool:
    """Hold what a parser takes against what it writes."""
    found = _or_none(parse, text, *errors)
    must(found is None or str(found) == text, parse, repr(text), "is written as", found)
    return found is not None


def _or_none(parse: Callable[[str], Any], text: str, *errors: type[Exception]) -> Any:
    try:
        return parse(text)
    except errors:
        return None


def _raw(path: str) -> bytes:
    """As Latin-1, which is seldom UTF-8; else as that."""
    try:
        return path.encode("latin-1")
    except UnicodeEncodeError:
        return path.encode()


def _coded(text: str, times: int) -> str:
    """As it is, but for what ends a path, or with letters of other alphabets left as they are; or
    all of it percent-encoded, once or twice."""
    if times in (0, 3):
        kept = "" if times == 0 else "".join(each for each in text if not each.isascii())
        return "".join(
            each if each in kept else quote(each, safe="/:@!$&'()*+,;=~%") for each in text
        )
    text = "".join(f"%{byte:02X}" for byte in text.encode())
    return quote(text) if times == 2 else text
