"""An image by reference: what it is made of, and what it is called."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import aclosing
from typing import Final, Protocol

from cluster.errors import BlobUnavailable, StorageFailure
from cluster.model import Digest
from cluster.objects import Live
from cluster.ports import BlobReader
from node.desk.config import CONFIG_BYTES_MAX, ImageConfig, Step, read_config
from node.desk.image_view import (
    ConfigState,
    ImageShown,
    LayerShown,
    OpenedImage,
    PlatformShown,
)
from node.desk.moments import moment
from node.desk.outline import Described, ManifestOutline, outline, shown_texts
from node.desk.text import COMMAND_MAX, VALUE_MAX, cut
from node.errors import ManifestUnknown
from node.registry.names import Reference, RepositoryName, Tag
from node.registry.ports import RemoteBlob
from node.registry.pull import Pull
from node.registry.values import ManifestRecord

LAYERS_MAX: Final = 100
"""Steps, or layers, that are shown of one image."""

PLATFORMS_MAX: Final = 50
"""Images of an index that are shown."""

TAGS_MAX: Final = 50
"""Tags of an image that are shown."""

CONFIG_WAIT_S: Final = 0.08
"""How long a config that is not here may take to come. Longer holds up the page; it comes all the
same, so that the next page has it."""

READ_WAIT_S: Final = 2.0
"""The same of one that is here: a disk that hangs."""

BESIDE_BYTES_MAX: Final = 256 << 10
"""Of a manifest that is looked at beside others. One has a few KiB; of a larger one only its digest
is shown, until somebody asks for it alone."""

ATTESTATION: Final = "attestation-manifest"
"""What BuildKit says of a manifest in an index that tells of another one there."""

REFERENCE_TYPE: Final = "vnd.docker.reference.type"
REFERENCE_DIGEST: Final = "vnd.docker.reference.digest"

_AT_ONCE: Final = 8
"""Manifests looked at between two turns of the event loop: a few milliseconds."""


class ImageIndex(Protocol):
    """What is asked of the index about images."""

    def manifest(self, repository: str, digest: Digest) -> ManifestRecord | None: ...

    def last_push(self, repository: str, digest: Digest) -> Live | None:
        """The latest push of a manifest that nobody has deleted."""
        ...

    def tags_of(self, repository: str, digest: Digest, limit: int) -> list[str]:
        """The first *limit* tags that have the manifest."""
        ...

    def blob(self, repository: str, digest: Digest) -> int | None:
        """Size in bytes of a blob of the repository."""
        ...

    def size_here(self, digest: Digest) -> int | None:
        """Size in bytes of a blob that is on this node."""
        ...


Past = Callable[[str, Digest], Collection[str]]
"""Tags of a repository that had a digest, as far as that is known."""


class Images:
    """Shows images. Belongs to one event loop."""

    def __init__(self, index: ImageIndex, pull: Pull, past: Past) -> None:
        self._index = index
        self._pull = pull
        self._past = past

    async def look(
        self, repository: RepositoryName, reference: Reference, platform: str = ""
    ) -> ImageShown:
        """
        The image, with the layers of the one for *platform* where it is an index; empty: of that
        for linux/amd64, or the first one.

        Raises:
            ManifestUnknown: there is no such image, or none for *platform*.
            NotCaughtUp, ClockOff, Unconfirmed: see `UseCase`.
        """
        found = await self._pull.manifest(repository, reference)
        listed, digest = outline(found.digest, found.body), found.digest
        images = [each for each in listed.children if not is_attestation(each)]
        contents = dict[Digest, int]()
        platforms, whole = await self._platforms(repository, listed, images, contents)
        opened = await self._opened(repository, digest, listed, images, platform)
        push = self._index.last_push(repository, digest)
        event = found.event or (None if push is None else push.dot)
        tags = self._index.tags_of(repository, digest, TAGS_MAX + 1)
        return ImageShown(
            repository=str(repository),
            tag=str(reference) if isinstance(reference, Tag) else None,
            digest=str(digest),
            event=None if event is None else str(event),
            kind=listed.kind,
            media_type=found.media_type,
            artifact_type=listed.artifact_type[:VALUE_MAX] or None,
            subject=listed.subject or None,
            pushed=None if push is None else moment(push.stamp),
            manifest_bytes=len(found.body),
            bytes=sum(contents.values()),
            is_partial=not whole,
            annotations=shown_texts(listed.annotations),
            annotations_count=len(listed.annotations),
            platforms=platforms,
            platforms_count=len(images),
            opened=opened,
            tags=tags[:TAGS_MAX],
            tags_more=len(tags) > TAGS_MAX,
            had=sorted({*self._past(repository, digest)} - {*tags})[:TAGS_MAX],
        )

    async def _platforms(
        self,
        repository: str,
        listed: ManifestOutline,
        images: Sequence[Described],
        contents: dict[Digest, int],
    ) -> tuple[list[PlatformShown], bool]:
        """What is shown of the images that *listed* has; counts in *contents* what it names, and
        tells whether that is all."""
        contents.update(_named(listed))
        shown: list[PlatformShown] = []
        whole, drawn = True, {each.digest for each in images[:PLATFORMS_MAX]}
        for number, child in enumerate(listed.children, 1):
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
            contents[child.digest] = child.size
            looked_at = child.digest in drawn or (number <= PLATFORMS_MAX and is_attestation(child))
            inner = self._outline_of(repository, child) if looked_at else None
            whole = whole and inner is not None
            named = {} if inner is None else _named(inner)
            contents.update(named)
            if child.digest in drawn and not is_attestation(child):
                size = None if inner is None else sum(named.values())
                layers = None if inner is None else len(inner.layers)
                shown.append(PlatformShown(child.platform, str(child.digest), size, layers))
        return shown[:PLATFORMS_MAX], whole

    def _outline_of(self, repository: str, child: Described) -> ManifestOutline | None:
        """None: it is not here, or too large."""
        if child.size > BESIDE_BYTES_MAX:
            return None
        record = self._index.manifest(repository, child.digest)
        return None if record is None else outline(child.digest, record.body)

    async def _opened(
        self,
        repository: str,
        digest: Digest,
        listed: ManifestOutline,
        images: Sequence[Described],
        platform: str,
    ) -> OpenedImage | None:
        if listed.kind != "index":
            if platform and images:
                raise ManifestUnknown(repository, platform)
            return await self._open(repository, digest, listed, "")
        chosen = _chosen(images, platform)
        if chosen is None:
            if platform:
                raise ManifestUnknown(repository, platform)
            return None
        record = self._index.manifest(repository, chosen.digest)
        if record is None:
            return None
        inner = outline(chosen.digest, record.body)
        return await self._open(repository, chosen.digest, inner, chosen.platform)

    async def _open(
        self, repository: str, digest: Digest, listed: ManifestOutline, platform: str
    ) -> OpenedImage:
        config, state = await self._config(repository, listed)
        history = () if config is None else config.history
        steps = [step for step in history if not step.empty_layer]
        is_joined = bool(steps) and len(steps) == len(listed.layers)
        layers = _joined(listed, history) if is_joined else _bare(listed)
        return OpenedImage(
            digest=str(digest),
            platform=platform or ("" if config is None else config.facts.platform),
            bytes=sum(_named(listed).values()),
            state=state,
            config=None if config is None else config.facts,
            layers=layers,
            layers_count=len(listed.layers),
            steps_count=len(history),
            is_joined=is_joined,
        )

    async def _config(
        self, repository: str, listed: ManifestOutline
    ) -> tuple[ImageConfig | None, ConfigState]:
        config = listed.config
        if config is None or not listed.has_image_config:
            return None, "other"
        if config.size > CONFIG_BYTES_MAX:
            return None, "too large"
        size = self._index.blob(repository, config.digest)
        data = None if size is None else await self._bytes_of(config.digest, size)
        if data is None:
            return None, "unknown"
        read = read_config(data)
        return (None, "unreadable") if read is None else (read, "read")

    async def _bytes_of(self, digest: Digest, size: int) -> bytes | None:
        """A small blob; None where it does not come at once."""
        is_here = self._index.size_here(digest) is not None
        wait_s = READ_WAIT_S if is_here else CONFIG_WAIT_S
        try:
            async with asyncio.timeout(wait_s), self._pull.open_blob(digest, size) as blob:
                data = bytearray()
                async with aclosing(_pieces(blob, min(size, CONFIG_BYTES_MAX))) as pieces:
                    async for piece in pieces:
                        data += piece
        except (TimeoutError, BlobUnavailable, StorageFailure, EOFError):
            return None
        whole = bytes(data)
        return whole if digest.matches(whole) else None


def is_attestation(child: Described) -> bool:
    """Whether a manifest in an index tells of another one there, and is no image."""
    return child.annotations.get(REFERENCE_TYPE) == ATTESTATION


def _chosen(images: Sequence[Described], platform: str) -> Described | None:
    """The image for *platform*; empty: the one that most want to see. None: there is none."""
    if platform:
        return next((each for each in images if each.platform == platform), None)
    usual = next((each for each in images if each.platform == "linux/amd64"), None)
    return usual or next(iter(images), None)


def _named(listed: ManifestOutline) -> dict[Digest, int]:
    """Config and layers, each once."""
    there = [] if listed.config is None else [listed.config]
    return {each.digest: each.size for each in (*there, *listed.layers)}


def _joined(listed: ManifestOutline, history: Sequence[Step]) -> list[LayerShown]:
    shown: list[LayerShown] = []
    layers = iter(listed.layers)
    for step in history[:LAYERS_MAX]:
        layer = None if step.empty_layer else next(layers)
        text = step.created_by or step.comment
        shown.append(
            LayerShown(
                None if layer is None else str(layer.digest),
                0 if layer is None else layer.size,
                "" if layer is None else layer.media_type[:VALUE_MAX],
                None if text is None else cut(text, COMMAND_MAX),
                (step.created or "")[:VALUE_MAX],
            )
        )
    return shown


def _bare(listed: ManifestOutline) -> list[LayerShown]:
    return [
        LayerShown(str(each.digest), each.size, each.media_type[:VALUE_MAX], None, "")
        for each in listed.layers[:LAYERS_MAX]
    ]


async def _pieces(blob: BlobReader | RemoteBlob, size: int) -> AsyncGenerator[bytes, None]:
    if isinstance(blob, RemoteBlob):
        async with aclosing(blob.stream(0, size)) as pieces:
            async for piece in pieces:
                yield piece
        return
    offset = 0
    while offset < size:
        piece = await blob.read(offset, size - offset)
        if not piece:
            raise EOFError("the blob is shorter than it was")
        yield piece
        offset += len(piece)
