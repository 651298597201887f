"""Digests: of blobs, of manifests, of what is asked for."""

import hashlib
from typing import ClassVar, Final
from urllib.parse import quote

import msgspec
from hypothesis import strategies as st

from cluster.model import Digest
from node.errors import DigestInvalid
from node.registry.names import parse_digest
from tests.api.conftest import StartRegistry
from tests.builders import an_index, encoded
from tests.fuzz.asking import Asker
from tests.fuzz.edits import mutated_text
from tests.fuzz.names import agrees, is_digest
from tests.fuzz.target import Target, must

_ALGORITHMS: Final = ("sha256", "sha512", "sha384", "md5", "SHA256", "sha256+b64", "", "blake3")
_WAYS: Final = ("whole", "session", "chunks", "manifest", "look", "mount")


class DigestInput(msgspec.Struct, frozen=True):
    content: bytes
    times: int
    """How often *content* is the blob."""

    digest: str
    way: str
    algorithm: str
    """What `digest-algorithm` says; empty: nothing."""

    @property
    def blob(self) -> bytes:
        return self.content * self.times


def _digest_of(blob: bytes, algorithm: str) -> str:
    name = algorithm.lower().partition("+")[0]
    known = name if name in hashlib.algorithms_available else "sha256"
    return f"{algorithm}:{hashlib.new(known, blob).hexdigest()}"


class Digests(Target):
    """A digest is believed where it is that of what came, and nowhere else."""

    name: ClassVar = "digests"
    input_type: ClassVar = DigestInput
    expected: ClassVar = frozenset(
        {f"{way} 201" for way in _WAYS if way != "look"}
        | {f"{way} 400" for way in _WAYS if way != "mount"}
        | {"mount 202", "look 404", "read 200"}
    )

    def inputs(self) -> st.SearchStrategy[DigestInput]:
        @st.composite
        def made(draw: st.DrawFn) -> DigestInput:
            way = draw(st.sampled_from(_WAYS))
            content, times = draw(st.binary(max_size=40)), draw(st.sampled_from([1, 1, 1, 5000]))
            if way == "manifest":
                text = draw(st.text("ab\u00e9", max_size=5))
                content, times = encoded(an_index(annotations={"x": text})), 1
            algorithm = draw(st.one_of(st.just("sha256"), st.sampled_from(_ALGORITHMS)))
            blob = draw(st.sampled_from([content * times, content * times, b"another"]))
            right = _digest_of(blob, algorithm)
            digests = st.one_of(
                st.just(right),
                mutated_text(st.just(right), 2),
                st.sampled_from([right + "\n", right.upper(), "", ":", "sha256:", "a" * 3000]),
            )
            says = draw(st.sampled_from(["", "", "sha256", "sha512", "md5", "\u00df"]))
            return DigestInput(content, times, draw(digests), way, says)

        return made()

    async def open(self, start: StartRegistry) -> None:
        self.registry = await start()
        self.asker = Asker(self.registry)

    async def attempt(self, given: DigestInput) -> list[str]:
        agrees(parse_digest, given.digest, is_digest(given.digest), DigestInvalid)
        match given.way:
            case "look":
                return await self._looked_for(given)
            case "manifest":
                return await self._manifest(given)
            case way:
                return await self._blob(given, way)

    async def _looked_for(self, given: DigestInput) -> list[str]:
        """What nobody has is not there, and what is none is told so."""
        asked, outcomes = quote(given.digest, safe=":"), []
        for path in ("blobs", "referrers"):
            for method in ("GET", "HEAD", "DELETE") if path == "blobs" else ("GET",):
                reply = await self.asker.ask(method, f"/v2/a/{path}/{asked}")
                if given.digest and "/" not in given.digest and given.digest not in (".", ".."):
                    there = {400} if not is_digest(given.digest) else {404, 200}
                    must(reply.status in there, method, path, asked, reply)
                outcomes.append(f"look {reply.status}")
        return outcomes

    async def _manifest(self, given: DigestInput) -> list[str]:
        path = f"/v2/a/manifests/{quote(given.digest, safe='')}"
        fields: dict[str, bytes | str] = {"Content-Type": "application/json"}
        pushed = await self.asker.ask("PUT", path, fields, given.blob)
        if ":" in given.digest:
            right = is_digest(given.digest) and _is_of(given)
            must((pushed.status == 201) == right, path, given.blob, pushed)
        if pushed.status == 201:
            read = await self.asker.ask("GET", path)
            must(read.body == given.blob, "it is not what was pushed", path, read)
            await self.asker.ask("DELETE", path)
        return [f"manifest {pushed.status}"]

    async def _blob(self, given: DigestInput, way: str) -> list[str]:
        digest = quote(given.digest, safe="")
        says = f"&digest-algorithm={quote(given.algorithm)}" if given.algorithm else ""
        says_none = given.algorithm not in ("", "sha256", "sha512")
        start = "/v2/a/blobs/uploads/"
        if way == "whole":
            pushed = await self.asker.ask("POST", f"{start}?digest={digest}{says}", {}, given.blob)
            if says_none:
                must(pushed.status == 400, given.algorithm, pushed)
                return [f"whole {pushed.status}"]
        elif way == "mount":
            first = await self.asker.ask(
                "POST", f"/v2/b/blobs/uploads/?digest={digest}", {}, given.blob
            )
            pushed = await self.asker.ask("POST", f"{start}?mount={digest}&from=b")
            must(first.status in (201, 400), first)
            must(pushed.status == (201 if first.status == 201 else 202), digest, pushed)
            if first.status == 201:
                await self.asker.ask("DELETE", f"/v2/b/blobs/{digest}")
            else:
                await self.asker.ask("DELETE", pushed.fields[b"location"])
        else:
            opened = await self.asker.ask("POST", f"{start}?x{says}")
            if opened.status != 202:
                must(says_none and opened.status == 400, given.algorithm, opened)
                return [f"{way} {opened.status}"]
            place, rest = opened.fields[b"location"], given.blob
            if way == "chunks":
                await self.asker.ask("PATCH", place, {}, rest[: len(rest) // 2])
                rest = rest[len(rest) // 2 :]
            pushed = await self.asker.ask(
                "PUT", b"%s?digest=%s" % (place, digest.encode()), {}, rest
            )
            if pushed.status != 201:
                await self.asker.ask("DELETE", place)
        right = is_digest(given.digest) and _is_of(given)
        must((pushed.status == 201) == right, way, given, pushed)
        outcomes = [f"{way} {pushed.status}"]
        if pushed.status == 201:
            outcomes.append(await self._read_back(given))
        return outcomes

    async def _read_back(self, given: DigestInput) -> str:
        path = f"/v2/a/blobs/{given.digest}"
        read = await self.asker.ask("GET", path)
        must(read.body == given.blob, "it is not what was pushed", given, read)
        must(Digest.of(read.body, given.digest.partition(":")[0]) == given.digest, given, read)
        gone = await self.asker.ask("DELETE", path)
        must(gone.status == 202, "it is not deleted", given, gone)
        after = await self.asker.ask("GET", path)
        must(after.status == 404, "it is there when it was deleted", given, after)
        return f"read {read.status}"


def _is_of(given: DigestInput) -> bool:
    """Whether the digest, which is one, is that of what was sent."""
    algorithm, _, hexadecimal = given.digest.partition(":")
    return hashlib.new(algorithm, given.blob).hexdigest() == hexadecimal
