"""Manifests: images, indexes, artifacts, and what only looks like one."""

import json
from typing import Any, ClassVar, Final

import msgspec
from hypothesis import strategies as st

from cluster.model import Digest
from node.errors import ManifestInvalid
from node.registry.manifests import parse_manifest, stored_needs, stored_subject
from node.registry.media_types import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    INDEXES,
    OCI_INDEX,
    OCI_MANIFEST,
)
from tests.api.conftest import StartRegistry
from tests.api.wire import Reply
from tests.builders import an_image, an_index, descriptor, encoded
from tests.fuzz.asking import Asker
from tests.fuzz.documents import disturbed, write
from tests.fuzz.edits import Edit, edited, edits
from tests.fuzz.target import Target, must

_CONFIG, _LAYER, _OTHER = b"{}", b"a layer", b"another layer"
_DIGITS_MAX: Final = 4_300
_BLOBS: Final = {Digest.of(blob): blob for blob in (_CONFIG, _LAYER, _OTHER)}
_MISSING: Final = Digest.of(b"nobody has it")
_FOREIGN: Final = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
_ELSEWHERE: Final = (
    "application/vnd.docker.image.rootfs.foreign.",
    "application/vnd.oci.image.layer.nondistributable.",
)
"""Layers that no registry need have."""


def _of(blob: bytes, algorithm: str = "sha256") -> tuple[Digest, int]:
    return Digest.of(blob, algorithm), len(blob)


_IMAGE: Final = an_image(_of(_CONFIG), _of(_LAYER))
_IMAGE_BYTES: Final = encoded(_IMAGE)
_LISTED: Final = descriptor(
    *_of(_IMAGE_BYTES), platform={"os": "linux", "architecture": "amd64", "variant": "v1"}
)
_SUBJECT: Final = descriptor(*_of(_IMAGE_BYTES))
_SOUND: Final[tuple[dict[str, Any], ...]] = (
    _IMAGE,
    an_image(
        _of(_CONFIG), _of(_LAYER), _of(_OTHER), annotations={"a": "b", "\u00e9": "\U0001f600"}
    ),
    an_image(_of(_CONFIG), mediaType=DOCKER_MANIFEST),
    an_image(_of(_CONFIG), mediaType=None),
    an_image(_of(_CONFIG), subject=_SUBJECT, artifactType="application/x.sig"),
    an_image(_of(_CONFIG), subject=descriptor(_MISSING, 3)),
    an_image(_of(_CONFIG), layers=[descriptor(_MISSING, 3, _FOREIGN)]),
    an_index(_LISTED),
    an_index(_LISTED, mediaType=DOCKER_LIST),
    an_index(_LISTED, mediaType=None, annotations={}),
    an_index(),
    an_index(_LISTED, subject=_SUBJECT, artifactType="application/x.sbom"),
    {"mediaType": "application/x.other+json", "subject": _SUBJECT, "x": {"y": [1, 2.5, None]}},
)
_UNSOUND: Final[tuple[dict[str, Any], ...]] = (
    an_image(_of(_CONFIG), (_MISSING, 3)),
    an_image((_of(_CONFIG)[0], 99)),
    an_index(descriptor(_MISSING, 3)),
    {"schemaVersion": 1, "name": "a", "fsLayers": []},
    {"schemaVersion": 2},
    {**_IMAGE, "manifests": []},
)
_TYPES: Final = (OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST, "application/json", "",
                 "application/x.other+json", "text/html; charset=x", "APPLICATION/JSON",
                 "\u00e9/x", "a/b/c")  # fmt: skip

_MANY: Final = (
    (
        b'{"schemaVersion":2,"mediaType":"' + OCI_INDEX.encode() + b'","manifests":[],"x":[',
        b"[],",
        b"0]}",
    ),
    (b'{"annotations":{', b'"a":"b",', b'"c":"d"}}'),
    (b'{"mediaType":"a/b","x":"', b"\\u0061", b'"}'),
    (b'{"mediaType":"a/b","x":"', b"\xc3\xa9", b'"}'),
    (b'{"mediaType":"a/b",', b'"x":1,', b'"y":1}'),
    (b'{"mediaType":"a/b","x":', b'{"a":', b"0}"),
    (b"", b"[", b""),
    (b'{"mediaType":"a/b","x":', b" ", b"0}"),
    (b'{"mediaType":"a/b","x":[', b"1e300,", b"0]}"),
    (b'{"mediaType":"a/b","x":0', b"9", b"}"),
    (b'{"schemaVersion":2,"manifests":[', encoded(_LISTED) + b",", encoded(_LISTED) + b"]}"),
)
"""Beginnings, pieces and ends of documents that are long, or deep."""


class ManifestInput(msgspec.Struct, frozen=True):
    head: bytes
    piece: bytes
    times: int
    tail: bytes
    is_sound: bool
    """Whether nothing was done to it, and it has to be taken."""

    by: str
    """A tag; or "digest", or "wrong digest"."""

    content_type: str
    """Empty: none is sent."""

    @property
    def body(self) -> bytes:
        return self.head + self.piece * self.times + self.tail


class Manifests(Target):
    """What is taken is one document for everybody, names what is there, and is read as it was."""

    name: ClassVar = "manifests"
    input_type: ClassVar = ManifestInput
    expected: ClassVar = frozenset(
        {"201 image", "201 index", "201 other", "201 with subject",
        "400 MANIFEST_INVALID",
         "404 MANIFEST_BLOB_UNKNOWN", "400 DIGEST_INVALID", "413 SIZE_INVALID",
         "found by referrers"}
    )  # fmt: skip

    def inputs(self) -> st.SearchStrategy[ManifestInput]:
        @st.composite
        def made(draw: st.DrawFn) -> ManifestInput:
            by = draw(st.sampled_from(["v1"] * 6 + ["digest"] * 3 + ["wrong digest"]))
            content_type = draw(st.sampled_from(["", "application/json"] * 20 + [*_TYPES]))
            if draw(st.sampled_from(range(20))) == 7:
                head, piece, tail = draw(st.sampled_from(_MANY))
                times = draw(st.sampled_from([1, 31, 1000, 30_000, 49_990, 700_000, 700_000]))
                times = min(times, (4 << 20) // len(piece) + 9)
                return ManifestInput(head, piece, times, tail, False, by, content_type)
            document = draw(st.sampled_from([*_SOUND, *_SOUND, *_UNSOUND]))
            gap = draw(st.sampled_from(["", "", " ", "\n\t"]))
            change = draw(st.sampled_from([0, 0, 0, 1, 2, 2, 2, 3]))
            told = draw(disturbed(document, 3)) if change > 1 else document
            text = write(told, gap=gap).encode()
            edits_made: list[Edit] = draw(edits(3)) if change in (1, 3) else []
            body = edited(text, edits_made)
            # What other type a sound one comes with has a say, too.
            sound = change == 0 and document in _SOUND and content_type in ("", "application/json")
            return ManifestInput(
                body, b"", 0, b"", sound and by != "wrong digest", by, content_type
            )

        return made()

    async def open(self, start: StartRegistry) -> None:
        self.registry = await start()
        self.asker = Asker(self.registry)
        for blob in _BLOBS.values():
            await self.registry.push_blob("a", blob)
        assert (await self.registry.put_manifest("a", "kept", _IMAGE_BYTES)).status == 201

    async def attempt(self, given: ManifestInput) -> list[str]:
        body = given.body
        digest = Digest.of(body)
        self._parsed(digest, body)
        self.forget()  # else what it costs the node to read this is never seen
        reference = {"digest": digest, "wrong digest": _MISSING}.get(given.by, given.by)
        fields = {"Content-Type": given.content_type} if given.content_type else {}
        reply = await self.asker.ask("PUT", f"/v2/a/manifests/{reference}", fields, body)
        must(reply.status == 201 or not given.is_sound, "a sound manifest is refused", body, reply)
        if reply.status != 201:
            code = msgspec.json.decode(reply.body)["errors"][0]["code"]
            return [f"{reply.status} {code}"]
        must(given.by != "wrong digest", "the digest was another one", reply)
        return await self._stored(digest, body, reply)

    def _parsed(self, digest: Digest, body: bytes) -> None:
        """Who reads what is stored already has to get on with anything."""
        stored_subject(body)
        needs = stored_needs(digest, body)
        try:
            manifest = parse_manifest(digest, body)
        except ManifestInvalid:
            return
        must(manifest.needs == needs, "it needs something else once it is stored", body)

    async def _stored(self, digest: Digest, body: bytes, pushed: Reply) -> list[str]:
        """All that has to hold of what was taken."""
        document, path = read_as_go_does(body), f"/v2/a/manifests/{digest}"
        must(pushed.fields[b"docker-content-digest"] == digest.encode(), "its digest", pushed)
        for accept in (OCI_MANIFEST, "*/*"):
            read = await self.asker.ask("GET", path, {"Accept": accept})
            must(read.status == 200 and read.body == body, "it is not what was pushed", body, read)
            must(Digest.of(read.body) == digest, digest, read)
        media_type = read.fields[b"content-type"].decode()
        stated = document.get("mediaType") or media_type
        must(stated.lower() == media_type, "it is served as", media_type, "and says", stated)
        must(media_type.count("/") == 1 and media_type.isascii(), "no media type", media_type)
        self._check_needs(document, digest, body)
        outcomes = [f"201 {_kind(media_type)}"]
        if document.get("subject") is not None:
            subject = document["subject"]["digest"]
            must(pushed.fields[b"oci-subject"] == subject.encode(), "its subject", subject, pushed)
            found = await self.asker.ask("GET", f"/v2/a/referrers/{subject}")
            digests = [each["digest"] for each in msgspec.json.decode(found.body)["manifests"]]
            must(digest in digests, "its subject does not know of it", body, found)
            outcomes += ["201 with subject", "found by referrers"]
        if body != _IMAGE_BYTES:
            gone = await self.asker.ask("DELETE", path)
            after = await self.asker.ask("GET", path)
            must((gone.status, after.status) == (202, 404), "it is not deleted", body, gone, after)
        return outcomes

    def _check_needs(self, document: dict[str, Any], digest: Digest, body: bytes) -> None:
        """What a client reads there is what was held against the repository."""
        named = [document["config"]] if document.get("config") is not None else []
        named += [*(document.get("layers") or ()), *(document.get("manifests") or ())]
        ours = [each for each in named if not _is_foreign(each)]
        told = {(each["digest"], each["size"]) for each in ours}
        needs = {(str(need.digest), need.size) for need in parse_manifest(digest, body).needs}
        must(told == needs, "clients read", told, "and the registry", needs, "of", body)
        sizes = {digest: len(blob) for digest, blob in _BLOBS.items()}
        sizes[Digest.of(_IMAGE_BYTES)] = len(_IMAGE_BYTES)
        lacks = {need for need in told if sizes.get(Digest(need[0])) != need[1]}
        must(not lacks, "it names what is not there", lacks, "in", body)


def _is_foreign(entry: dict[str, Any]) -> bool:
    return (entry.get("mediaType") or "").startswith(_ELSEWHERE)


def _kind(media_type: str) -> str:
    if media_type in (OCI_MANIFEST, DOCKER_MANIFEST):
        return "image"
    return "index" if media_type in INDEXES else "other"


_KNOWN: Final = ("schemaVersion", "mediaType", "config", "layers", "manifests", "subject",
                    "digest",
                 "size", "artifactType", "annotations", "platform", "os", "architecture",
                 "variant")  # fmt: skip
_FOLDED: Final = {key.casefold(): key for key in _KNOWN}


def _integer(digits: str) -> int | float:
    """Python reads none of more than 4,300 digits, and Go does not look at what it skips."""
    return int(digits) if len(digits) <= _DIGITS_MAX else float(digits)


def read_as_go_does(body: bytes) -> dict[str, Any]:
    """The document as clients that are written in Go read it: keys match in any case, and of
    several the last one counts."""

    def folded(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return {_FOLDED.get(key.casefold(), key): value for key, value in pairs}

    document: dict[str, Any] = json.loads(
        body.decode(), object_pairs_hook=folded, parse_int=_integer
    )
    return document
