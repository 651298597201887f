"""
What the registry's use cases need from storage and from the cluster.

Each use case is given the roles that it needs; `UseCases.over` hands them out.
"""

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol, runtime_checkable

from cluster import ClusterStatistics
from cluster.model import Acknowledged, Consistency, Digest, Dot, Region, Spread
from cluster.objects import Register, Written
from cluster.ports import BlobIngest, BlobReader
from node.registry.values import (
    Deletion,
    ManifestRecord,
    Page,
    Put,
    SettingRecord,
    Tagged,
    TagName,
    UploadChange,
    UploadRecord,
)


class ContentCheck(Protocol):
    """A hash over a blob while its bytes go by, in order."""

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """The next bytes went by."""
        ...

    def completes(self, last: bytes | bytearray | memoryview) -> bool:
        """Whether the blob is right if *last* is the rest of it."""
        ...


@runtime_checkable
class FileBacked(Protocol):
    """
    An ability of some `BlobReader`s: the bytes are a file that `sendfile` can use.

    Whoever uses it goes by `check`, and says so when the file fails.
    """

    # Methods alone: with a property each `isinstance` takes ten microseconds.

    def check(self) -> ContentCheck | None:
        """
        What the bytes have to pass when all of them are sent, before the last of them is; None
        when they were verified lately.
        """
        ...

    def fileno(self) -> int: ...

    async def failed(self, error: OSError | str) -> None:
        """
        Say that the file could not be read, or in which way its bytes are wrong: if that is its
        fault, it is taken out of service.
        """
        ...


class StagedUpload(BlobIngest, Protocol):
    """An ingest that can go back: an upload's offset moves only with a complete chunk."""

    async def rollback(self, offset: int) -> None:
        """Drop the bytes after *offset*."""
        ...

    async def rest(self) -> None:
        """
        Hold no descriptor until the next call: an upload may pause for a day, and there may be more
        of them than a process may have files open.
        """
        ...


class ServedBlob(BlobReader, Protocol):
    """An open blob that its user closes."""

    def close(self) -> None: ...


class LocalBlobs(Protocol):
    """The local blobs, to be read."""

    async def serve(self, digest: Digest, *, whole: bool) -> ServedBlob | None:
        """
        Open the local copy for a client that wants the *whole* of it, or a part; None when there
        is none, or it proved damaged: it has been taken out of service then.
        """
        ...

    async def doubt(self, digest: Digest) -> bool:
        """
        Hash the local copy, as something is wrong about it, and take it out of service unless it
        is right; returns whether one is in service.
        """
        ...


class StagingArea(Protocol):
    """Where blobs come in."""

    async def stage(self, name: str) -> StagedUpload:
        """Start an upload's staging under *name*."""
        ...

    async def resume(self, name: str, offset: int) -> StagedUpload | None:
        """Reopen staging *name* cut back to *offset*; None when fewer bytes are there."""
        ...

    async def discard_staged(self, name: str) -> None:
        """Remove staging *name* from disk, if it is there."""
        ...

    async def put(self, digest: Digest, data: bytes) -> None:
        """
        Store a small blob whole: verified, durable and visible on return.

        Raises:
            DigestMismatch, StorageFull: nothing was stored.
        """
        ...


class BlobStore(LocalBlobs, StagingArea, Protocol):
    """The local blobs, as the registry sees them."""


class ManifestReader(Protocol):
    """Manifests by reference."""

    def manifest(self, repository: str, digest: Digest) -> ManifestRecord | None: ...

    def has_manifest(self, repository: str, digest: Digest) -> bool: ...

    def tagged(self, repository: str, tag: str) -> Tagged | None:
        """What the tag points to; None when there is no such tag, or its manifest is deleted."""
        ...

    def manifest_event(self, repository: str, digest: Digest) -> Dot | None:
        """The latest push of a manifest."""
        ...


class LinkReader(Protocol):
    """Which repository has which blob, and what of that is here."""

    def blob(self, repository: str, digest: Digest) -> int | None:
        """Size in bytes of a blob linked in this repository."""
        ...

    def repositories_with(self, digest: Digest) -> Iterator[str]:
        """Repositories that have a blob; for mounts without a source."""
        ...

    def size_here(self, digest: Digest) -> int | None:
        """Size in bytes of a blob that is on this node, as its rows say; from memory."""
        ...


class TagReader(Protocol):
    """Tags as registers."""

    def tag_register(self, repository: str, tag: str) -> Register: ...

    def tag_history(self, repository: str, tag: str) -> list[Written]:
        """Every write of the tag that is kept, oldest first."""
        ...

    def conflicts(
        self, repository: str | None, last: TagName | None, limit: int
    ) -> tuple[list[TagName], bool]:
        """Tags whose heads disagree, behind *last*; and whether more follow."""
        ...


class ListingReader(Protocol):
    """What there is, page by page."""

    def repository_exists(self, repository: str) -> bool: ...

    def tags(self, repository: str, last: str, limit: int) -> Page: ...

    def repositories(self, last: str, limit: int) -> Page: ...

    def referrers(
        self,
        repository: str,
        subject: Digest,
        artifact_types: frozenset[str],
        last: str,
        limit: int,
    ) -> tuple[list[bytes], str | None]:
        """
        Encoded descriptors after the digest *last*, of any type if none is named; and where the
        next page starts after.
        """
        ...


class SettingReader(Protocol):
    """Settings by kind and name."""

    def setting(self, kind: str, name: str) -> SettingRecord | None:
        """A setting as it is served."""
        ...

    def settings(self, kind: str, last: str, limit: int) -> Page:
        """Names of the settings of a kind behind *last*."""
        ...


class UploadReader(Protocol):
    """The upload sessions that this node began, before its last start too."""

    def uploads(self) -> list[UploadRecord]: ...


class MetadataWriter(Protocol):
    """
    What changes the repository metadata.

    Each value is one atomic change, and readers see it on return; so they do of a change whose
    caller was cancelled. All raise `StorageFailure` when the storage fails.
    """

    async def put(self, change: Put) -> Dot:
        """
        Carry out *change*, durably; returns its last event.

        Raises:
            ManifestBlobUnknown: content that a manifest names is not in the repository. Checked in
                the same change that stores it.
            ManifestInvalid: a descriptor's size is not the stored one.
            TagMoved: a tag has other heads than *change* is for. Checked likewise.
        """
        ...

    async def delete(self, change: Deletion) -> Dot | None:
        """Carry out *change*, durably; None when there is nothing to delete."""
        ...

    async def note(self, change: UploadChange) -> None:
        """
        Carry out *change*, which survives the process, not a power cut: a lost session is a 404
        and the client starts again, so it is not worth a sync per chunk.
        """
        ...


class MetadataIndex(NamedTuple):
    """
    The repository metadata, by role: one object may fill several.

    Reads are immediate and see every finished write; they raise `StorageFailure` when the storage
    fails.
    """

    manifests: ManifestReader
    links: LinkReader
    tags: TagReader
    listings: ListingReader
    settings: SettingReader
    uploads: UploadReader
    writer: MetadataWriter


@runtime_checkable
class RemoteBlob(Protocol):
    """A blob on its way here from a peer, readable while it arrives."""

    @property
    def size(self) -> int: ...

    def stream(self, offset: int, length: int) -> AsyncGenerator[bytes, None]:
        """
        The bytes of that range as they arrive. The last one of the blob is given out only once
        the whole content is verified.

        Raises:
            BlobUnavailable: no holder could deliver the rest.
        """
        ...


class Gate(Protocol):
    """Whether this node may answer and acknowledge now, as far as that depends on the others."""

    def check_writable(self, consistency: Consistency) -> None:
        """
        Return if this node may write; called before anything is.

        Raises:
            ClockOff: its clock is wrong, so that the others would refuse what it writes.
            NotEnoughNodes: fewer nodes are connected than the write needs, and it is no use to
                wait for more, or not wanted.
        """
        ...

    async def ensure_joined(self) -> None:
        """
        Return once this node knows its cluster, and with it whether its clock is right; called
        before anything is written. Mostly at once.

        Raises:
            NotCaughtUp: it does not in time.
        """
        ...

    async def ensure_current(self, *, patient: bool = False) -> bool:
        """
        Return once everything that this region has acknowledged is here; called before answering
        from the local index, and before writing, which may take longer (*patient*). Mostly at
        once. False: no majority of the region is connected, and what is here may not be the latest.

        Raises:
            NotCaughtUp: a connected peer had more than could be read in time; or no majority is
                connected, and this is before a write.
        """
        ...

    async def catch_up(self, *, near: bool = False) -> None:
        """
        Learn what every connected peer knows, or those of this region (*near*); called before
        answering "not found".

        Raises:
            NotCaughtUp: a connected peer had more than could be read in time.
            ClockOff: this node's clock may be wrong, and what peers have had to stay there.
        """
        ...

    async def wait_durable(self, dot: Dot, consistency: Consistency) -> Acknowledged:
        """
        Return once enough connected nodes durably have this node's log up to *dot*.

        Raises:
            NotDurable: they did not in time; it must not be acknowledged.
        """
        ...


class BlobCopies(Protocol):
    """The other copies of blobs: to be made, waited for, read."""

    def replicate(self, digest: Digest, size: int) -> None:
        """Start bringing a new local blob to its other holders. Does not wait."""
        ...

    async def ensure_copies(
        self, blobs: Sequence[tuple[Digest, int]], consistency: Consistency
    ) -> int | None:
        """
        Return once every blob is durable on enough connected nodes: on how many the one with the
        fewest copies is, None without blobs.

        Raises:
            BlobUnavailable, StorageFull: that could not be done; nothing may be acknowledged.
        """
        ...

    async def lacks_copies(
        self, blobs: Sequence[tuple[Digest, int]], consistency: Consistency
    ) -> bool:
        """Whether `ensure_copies` would have to wait now: members may have come since."""
        ...

    def fetch(
        self, digest: Digest, size: int
    ) -> AbstractAsyncContextManager[RemoteBlob | BlobReader]:
        """
        Read a blob that is not here, storing it on the way. One transfer for many readers. What has
        come meanwhile is read where it is.
        """
        ...


class ClusterView(Protocol):
    """What the admin API shows of the cluster, and asks of it."""

    def statistics(self) -> ClusterStatistics: ...

    async def wait_for(
        self, dot: Dot, regions: Sequence[Region] | None, timeout_s: float
    ) -> Spread:
        """
        Return once every live member of *regions* (None: of all regions) durably has the event,
        or after *timeout_s* seconds without that.

        Raises:
            UnknownRegion: no member is in one of them.
        """
        ...
