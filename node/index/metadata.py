"""The registry's changes to the index, each one atomic batch on the writer thread."""

from collections.abc import Collection, Iterator, Sequence

from cluster.model import Digest, Dot, Key, Origin
from node.errors import ManifestBlobUnknown, ManifestInvalid
from node.index import fallback, keys, local, references, rows
from node.index.journal import Journal, Transaction
from node.index.objects import BLOB, MANIFEST, SETTING, TAG
from node.index.queries import Queries
from node.index.rows import BlobPayload, ManifestPayload, UploadRow
from node.index.store import Mutation
from node.index.writer import IndexWriter
from node.registry.manifests import (
    Need,
    parse_manifest,
    stored_subject,
)
from node.registry.ports import (
    ManifestRecord,
    UploadRecord,
)


class Metadata(Queries):
    """`MetadataIndex` over an ordered store."""

    def __init__(self, journal: Journal, writer: IndexWriter) -> None:
        super().__init__(journal.store, journal.check_serving)
        self._journal = journal
        self._writer = writer

    async def put_manifest(
        self,
        repository: str,
        digest: Digest,
        record: ManifestRecord,
        tags: Sequence[str],
        may_lack: Collection[Digest] = (),
    ) -> Dot:
        manifest = parse_manifest(digest, record.body)

        def change(txn: Transaction) -> Dot:
            needs, whole = _check_needs(txn, repository, manifest.needs, may_lack)
            pushed_as = record.media_type if whole else references.PARTIAL_TYPE
            payload = rows.encode(ManifestPayload(pushed_as, record.body))
            dot = local.push(txn, Key(MANIFEST, repository, digest), payload, needs)
            for tag in dict.fromkeys(tags):
                dot = local.write(txn, Key(TAG, repository, tag), digest)
            if manifest.subject is not None:
                dot = fallback.refresh(txn, repository, manifest.subject) or dot
            return dot

        return await self._writer.change(change)

    async def delete_manifest(self, repository: str, digest: Digest) -> Dot | None:
        def change(txn: Transaction) -> Dot | None:
            live = rows.presence(txn, "manifests", repository, digest)
            if not live.present:
                return None
            for tag in fallback.tags_of(txn, repository, digest):
                fallback.drop_lists(txn, repository, tag, keep={digest})
            body = txn.get("manifest_bytes", keys.join(repository, digest))
            subject = None if body is None else stored_subject(body)
            if subject is not None:
                fallback.refresh(txn, repository, subject, digest)
            return local.remove(txn, Key(MANIFEST, repository, digest), live)

        return await self._writer.change(change)

    async def delete_tag(self, repository: str, tag: str) -> Dot | None:
        def change(txn: Transaction) -> Dot | None:
            if not rows.register(txn, "tags", repository, tag).heads:
                return None
            fallback.drop_lists(txn, repository, tag)
            return local.write(txn, Key(TAG, repository, tag), None)

        return await self._writer.change(change)

    def size_here(self, digest: Digest) -> int | None:
        return self._journal.size_here(digest)

    async def add_blob(
        self, repository: str, digest: Digest, size: int, *, held: bool, upload_id: str | None
    ) -> Dot:
        payload = rows.encode(BlobPayload(size))

        def change(txn: Transaction) -> Dot:
            if held:
                # First, so that whoever sees the blob knows a holder too.
                local.hold(txn, digest, size)
            dot = local.push(txn, Key(BLOB, repository, digest), payload)
            if upload_id is not None:
                txn.delete("uploads", keys.join(upload_id))
            return dot

        return await self._writer.change(change)

    async def delete_blob(self, repository: str, digest: Digest) -> Dot | None:
        def change(txn: Transaction) -> Dot | None:
            live = rows.presence(txn, "blobs", repository, digest)
            return local.remove(txn, Key(BLOB, repository, digest), live) if live.live else None

        return await self._writer.change(change)

    async def put_setting(self, kind: str, name: str, value: str | None) -> Dot | None:
        def change(txn: Transaction) -> Dot | None:
            if value is None and not rows.register(txn, "settings", kind, name).heads:
                return None
            return local.write(txn, Key(SETTING, kind, name), value)

        return await self._writer.change(change)

    def put_upload(self, record: UploadRecord) -> None:
        row = UploadRow(record.repository, record.offset, record.started_at)
        self._store.write([Mutation("uploads", keys.join(record.id), rows.encode(row))])

    def delete_upload(self, upload_id: str) -> None:
        self._store.write([Mutation("uploads", keys.join(upload_id), None)])


def _check_needs(
    txn: Transaction, repository: str, needs: Sequence[Need], may_lack: Collection[Digest]
) -> tuple[tuple[Dot, ...], bool]:
    """
    In the same change that stores the manifest, so that nothing can slip in between.

    Returns the last event of each other log that brought something of it; and whether all is there,
    and what that names in turn.
    """
    missing: list[Digest] = []
    brought: dict[Origin, Dot] = {}
    whole = True
    anchors = references.Anchors(txn, repository)
    for need in needs:
        found = list(_found(txn, repository, need, anchors))
        sizes = [size for size, _, _ in found]
        whole = whole and bool(found) and all(of_whole for _, _, of_whole in found)
        if not sizes and need.digest in may_lack:
            continue
        if not sizes:
            missing.append(need.digest)
        elif need.size not in sizes:
            raise ManifestInvalid(
                f"{need.digest} has {sizes[0]} bytes, but the manifest says {need.size}"
            )
        for _, dots, _ in found:
            for last in _foreign(txn, dots):
                brought[last.origin] = max(last, brought.get(last.origin, last))
    if missing:
        raise ManifestBlobUnknown(missing)
    return tuple(sorted(brought.values())), whole


def _foreign(txn: Transaction, dots: Sequence[Dot]) -> tuple[Dot, ...]:
    """One of the pushes, of another log; nothing where this log has one as well."""
    return () if txn.origin in {dot.origin for dot in dots} else (max(dots),)


_Found = tuple[int, tuple[Dot, ...], bool]
"""A size, the pushes that brought it, and whether all that it names is there."""


def _found(
    txn: Transaction, repository: str, need: Need, anchors: references.Anchors
) -> Iterator[_Found]:
    """What the repository has under that digest."""
    digest, key = need.digest, keys.join(repository, need.digest)
    blob = rows.presence(txn, "blobs", repository, digest)
    if blob.latest is not None:
        yield int(blob.latest.note), blob.dots, True
    elif (size := references.named_size(txn, repository, digest)) is not None:
        yield size, anchors.of_blob(digest), True
    if not need.may_be_manifest:
        return
    anchored_by = anchors.of_manifest(digest)
    body = txn.get("manifest_bytes", key) or references.kept_body(txn, repository, digest)
    if body is not None:
        live = rows.presence(txn, "manifests", repository, digest)
        yield len(body), anchored_by or live.dots, bool(anchored_by)
