"""The registry's changes to the index, each one atomic batch on the writer thread."""

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial

from cluster.model import Digest, Dot, Key, Origin
from node.errors import ManifestBlobUnknown, ManifestInvalid
from node.errors.tags import TagMoved
from node.index import fallback, history, keys, local, references, rows
from node.index.journal import Journal, Transaction
from node.index.objects import BLOB, MANIFEST, SETTING, TAG
from node.index.queries import Queries
from node.index.rows import BlobPayload, ManifestPayload, UploadRow
from node.index.store import Mutation
from node.index.writer import IndexWriter
from node.registry.manifests import (
    Manifest,
    Need,
    parse_manifest,
    stored_subject,
)
from node.registry.ports import MetadataIndex
from node.registry.values import (
    AddBlob,
    DeleteBlob,
    DeleteManifest,
    DeleteSetting,
    DeleteTag,
    Deletion,
    Put,
    PutManifest,
    PutSetting,
    PutUpload,
    UploadChange,
)
from node.remembered.words import Words


class Metadata(Queries):
    """All roles of `MetadataIndex` over an ordered store."""

    def __init__(self, journal: Journal, writer: IndexWriter, words: Words) -> None:
        super().__init__(journal.store, journal.check_serving)
        self._words = words
        self._journal = journal
        self._writer = writer
        self.who: Callable[[], str] = lambda: ""
        """Who asks for what the current task has changed; empty: that is not noted."""

    @property
    def roles(self) -> MetadataIndex:
        return MetadataIndex(self, self, self, self, self, self, self)

    @property
    def settings_word(self) -> int:
        """See `node.identity.ports.SecurityStore`."""
        return self._words.policy

    def size_here(self, digest: Digest) -> int | None:
        return self._journal.size_here(digest)

    async def put(self, change: Put) -> Dot:
        make: Callable[[Transaction], Dot]
        match change:
            case PutManifest():
                # Here: whoever asks has parsed it just now, so that it is remembered.
                manifest = parse_manifest(change.digest, change.record.body)
                make = partial(_put_manifest, change, manifest)
            case AddBlob():
                make = partial(_add_blob, change)
            case PutSetting():
                make = partial(_put_setting, change)
        return await self._writer.change(make, self.who())

    async def delete(self, change: Deletion) -> Dot | None:
        make: Callable[[Transaction], Dot | None]
        match change:
            case DeleteManifest():
                make = partial(_delete_manifest, change)
            case DeleteTag():
                make = partial(_delete_tag, change)
            case DeleteBlob():
                make = partial(_delete_blob, change)
            case DeleteSetting():
                make = partial(_delete_setting, change)
        return await self._writer.change(make, self.who())

    async def note(self, change: UploadChange) -> None:
        if isinstance(change, PutUpload):
            upload = change.upload
            row = UploadRow(upload.repository, upload.offset, upload.started_at, upload.owner)
            mutation = Mutation("uploads", keys.join(upload.id), rows.encode(row))
        else:
            mutation = Mutation("uploads", keys.join(change.upload_id), None)
        await self._writer.submit(partial(self._store.write, [mutation]), synced=False)


def _put_manifest(change: PutManifest, manifest: Manifest, txn: Transaction) -> Dot:
    repository, digest, record = change.repository, change.digest, change.record
    if change.only_over is not None:
        for tag in change.tags:
            _check_unmoved(txn, repository, tag, change.only_over)
    needs, whole = _check_needs(txn, repository, manifest.needs, change.may_lack)
    pushed_as = record.media_type if whole else references.PARTIAL_TYPE
    payload = rows.encode(ManifestPayload(pushed_as, record.body))
    dot = local.push(txn, Key(MANIFEST, repository, digest), payload, needs)
    for tag in dict.fromkeys(change.tags):
        dot = local.write(txn, Key(TAG, repository, tag), digest)
    if manifest.subject is not None:
        dot = fallback.refresh(txn, repository, manifest.subject) or dot
    return dot


def _check_unmoved(txn: Transaction, repository: str, tag: str, heads: Collection[Dot]) -> None:
    """In the same change that moves the tag, so that of two who do only one does so unknowingly."""
    now = rows.register(txn, "tags", repository, tag).dots
    if not now:
        written = txn.scan("history", keys.join(repository, tag))
        last = history.read(*written[-1]).version if written else None
        now = (last.dot,) if last is not None and last.value is None else ()
    if {*now} != {*heads}:
        raise TagMoved(repository, tag, now)


def _delete_manifest(change: DeleteManifest, txn: Transaction) -> Dot | None:
    repository, digest = change.repository, change.digest
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


def _delete_tag(change: DeleteTag, txn: Transaction) -> Dot | None:
    if not rows.register(txn, "tags", change.repository, change.tag).heads:
        return None
    fallback.drop_lists(txn, change.repository, change.tag)
    return local.write(txn, Key(TAG, change.repository, change.tag), None)


def _add_blob(change: AddBlob, txn: Transaction) -> Dot:
    if change.held:
        # First, so that whoever sees the blob knows a holder too.
        local.hold(txn, change.digest, change.size)
    payload = rows.encode(BlobPayload(change.size))
    dot = local.push(txn, Key(BLOB, change.repository, change.digest), payload)
    if change.upload_id is not None:
        txn.delete("uploads", keys.join(change.upload_id))
    return dot


def _delete_blob(change: DeleteBlob, txn: Transaction) -> Dot | None:
    live = rows.presence(txn, "blobs", change.repository, change.digest)
    key = Key(BLOB, change.repository, change.digest)
    return local.remove(txn, key, live) if live.live else None


def _put_setting(change: PutSetting, txn: Transaction) -> Dot:
    key = Key(SETTING, change.kind, change.name)
    return local.write(txn, key, change.value, instead_of=change.instead_of)


def _delete_setting(change: DeleteSetting, txn: Transaction) -> Dot | None:
    if not rows.register(txn, "settings", change.kind, change.name).heads:
        return None
    return local.write(txn, Key(SETTING, change.kind, change.name), None)


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
