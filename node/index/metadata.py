"""The registry's changes to the index, each one atomic batch on the writer thread."""

from collections import deque
from collections.abc import Callable, Collection, Sequence
from itertools import islice
from typing import Final, TypeVar

from cluster.events import Add
from cluster.gossip.merge import Presence, Register
from cluster.model import Digest, Dot, Key, Origin
from node.errors import ManifestBlobUnknown, ManifestInvalid, StorageFailure
from node.index import fallback, keys, local, objects, rows
from node.index.journal import Journal, Transaction
from node.index.objects import BLOB, MANIFEST
from node.index.queries import Queries
from node.index.rows import BlobPayload, ManifestPayload, UploadRow
from node.index.store import Mutation
from node.index.writer import IndexWriter
from node.registry.manifests import (
    Need,
    check_named,
    parse_manifest,
    referrer_descriptor,
    stored_subject,
)
from node.registry.media_types import is_image, served_type
from node.registry.ports import (
    DeletionStep,
    KeptManifest,
    ManifestRecord,
    StoredManifest,
    TagWrite,
    UploadRecord,
)

T = TypeVar("T")

UNTAGGED_TOGETHER: Final = 256
"""Tags taken off a manifest in one change. More would keep other changes waiting, and a larger
batch holds the interpreter lock for longer while it is written."""


class Metadata(Queries):
    """`MetadataIndex` over an ordered store."""

    def __init__(self, journal: Journal, writer: IndexWriter) -> None:
        super().__init__(journal.store, journal.check_serving)
        self._journal = journal
        self._writer = writer
        self._open: dict[Dot, StoredManifest] = {}
        """Pushes of this run that may still be withdrawn, by their events."""

    async def put_manifest(
        self,
        repository: str,
        digest: Digest,
        record: ManifestRecord,
        tags: Sequence[str],
        may_lack: Collection[Digest] = (),
    ) -> StoredManifest:
        manifest = parse_manifest(digest, record.body)
        payload = rows.encode(ManifestPayload(record.media_type, record.body))

        def change(txn: Transaction) -> StoredManifest:
            needs = _check_needs(txn, repository, manifest.needs, may_lack)
            kept = self._keep_named(txn, repository, manifest.needs)
            live = objects.presence(txn, "manifests", repository, digest)
            after = max((push.stamp for push in live.live), default=0)
            body = Add(self._replaceable(live), payload, needs)
            dot = pushed = local.emit(txn, Key(MANIFEST, repository, digest), body, after)
            writes: list[TagWrite] = []
            for tag in dict.fromkeys(tags):
                writes.append(local.push_tag(txn, repository, tag, digest))
                dot = writes[-1].event
            renewed = None
            if manifest.subject is not None:
                entry = referrer_descriptor(manifest, record.media_type, digest, len(record.body))
                renewed = fallback.refresh(
                    txn, repository, manifest.subject, self._replaceable, added=entry
                )
            if renewed is not None:
                dot = renewed.tag.event
            return StoredManifest(dot, pushed, tuple(writes), renewed, kept)

        opened: list[StoredManifest] = []
        given_up = False

        def note_open(stored: StoredManifest) -> None:
            if not given_up:
                self._open.update(dict.fromkeys(_pushes(stored), stored))
                opened.append(stored)

        try:
            return await self._change(change, note_open)
        except BaseException:
            # Nobody will withdraw it, whether it could not be made durable or is yet to come.
            given_up = True
            for stored in opened:
                self.settle(stored)
            raise

    def _keep_named(
        self, txn: Transaction, repository: str, needs: Sequence[Need]
    ) -> tuple[KeptManifest, ...]:
        """
        Push the manifests that an index names once more, and what those name, unless this run has
        done so for good.

        Whoever pushed them may yet take that back, which would leave a hole in the index. So may an
        earlier run have, of which only those know who heard of it then.

        Raises:
            ManifestInvalid: they are too many, or too large together; or one of them, which an
                earlier version took, could not be pushed any more.
        """
        adds: list[tuple[Digest, Add, int]] = []
        ahead, met, size = deque(needs), set[Digest](), 0
        while ahead:
            need = ahead.popleft()
            if not need.may_be_manifest or need.digest in met:
                continue
            live = objects.presence(txn, "manifests", repository, need.digest)
            if live.latest is None:
                continue
            met.add(need.digest)
            size += need.size
            check_named(len(met), size)
            stands = txn.origin in {dot.origin for dot in self._for_good(live)}
            body = txn.get("manifest_bytes", keys.join(repository, need.digest))
            assert body is not None, "a present manifest has its bytes"
            media_type = served_type(body, live.latest.note)
            if not (stands and is_image(media_type)):
                # Of one that stands, too: what it names may have been pushed by others since.
                ahead.extend(parse_manifest(need.digest, body).needs)
            if not stands:
                payload = rows.encode(ManifestPayload(media_type, body))
                add = Add((), payload, _foreign(txn, live.dots))
                adds.append((need.digest, add, live.latest.stamp))
        return tuple(
            KeptManifest(name, local.emit(txn, Key(MANIFEST, repository, name), add, after))
            for name, add, after in reversed(adds)
        )

    def _for_good(self, live: Presence) -> set[Dot]:
        """The pushes of this node that it will not take back."""
        node, opened = self._journal.origin.node, self._open
        return {dot for dot in live.dots if dot.node == node and dot not in opened}

    def _replaceable(self, live: Presence) -> tuple[Dot, ...]:
        """
        The pushes that a new one may replace: this node's own, but for one that stands for good.

        Whoever pushed the rest may still withdraw it, as this node may the new one. What is left
        then has to keep the manifest there, if any of its pushes was acknowledged.
        """
        own = self._for_good(live)
        standing = max((dot for dot in own if dot.origin == self._journal.origin), default=None)
        return () if standing is None else tuple(sorted(own - {standing}))

    def settle(self, stored: StoredManifest) -> None:
        for dot in _pushes(stored):
            # The dot of an event that failed is that of a later one.
            if self._open.get(dot) is stored:
                del self._open[dot]

    async def withdraw_manifest(
        self, repository: str, digest: Digest, stored: StoredManifest
    ) -> None:
        pushes, writes = [(digest, stored.pushed), *stored.kept], list(stored.tags)
        if stored.renewed is not None:
            pushes.append((stored.renewed.digest, stored.renewed.pushed))
            writes.append(stored.renewed.tag)

        def change(txn: Transaction) -> None:
            before = [objects.register(txn, "tags", repository, write.tag) for write in writes]
            for write in writes:
                local.withdraw_tag(txn, repository, write)
            for name, pushed in pushes:
                local.withdraw_push(txn, repository, name, pushed)
            for write, register in zip(writes, before, strict=True):
                _drop_deleted(txn, repository, write.tag, register)

        await self._change(change)

    async def delete_manifest(self, repository: str, digest: Digest) -> DeletionStep | None:
        def change(txn: Transaction) -> DeletionStep | None:
            live = objects.presence(txn, "manifests", repository, digest)
            if not live.present:
                return None
            tags = self._tags_of(txn, repository, digest)
            untagged = [
                local.untag(txn, repository, tag, digest) for tag in tags[:UNTAGGED_TOGETHER]
            ]
            if len(tags) > UNTAGGED_TOGETHER:
                return DeletionStep(untagged[-1], done=False)
            subject = _subject(txn, repository, digest, live)
            if subject is not None:
                fallback.refresh(txn, repository, subject, self._replaceable, removed=digest)
            dot = local.remove(txn, Key(MANIFEST, repository, digest), live)
            return DeletionStep(dot, done=True)

        return await self._change(change)

    def _tags_of(self, txn: Transaction, repository: str, digest: Digest) -> list[str]:
        """
        The tags of which *digest* is a head; where it does not win, it is one of several. If they
        are more than one step takes, some of them, and more than that.
        """
        prefix = keys.join(repository, digest)
        entries = self._scan("tagged", prefix, keys.after(prefix))
        served = [keys.split(key)[2] for key, _ in islice(entries, UNTAGGED_TOGETHER + 1)]
        if len(served) > UNTAGGED_TOGETHER:
            return served
        prefix = keys.join(repository)
        contested = (
            keys.split(key)[1] for key, _ in self._scan("conflicts", prefix, keys.after(prefix))
        )
        pointing = (
            tag
            for tag in contested
            if any(h.value == digest for h in objects.register(txn, "tags", repository, tag).heads)
        )
        return sorted({*served, *islice(pointing, UNTAGGED_TOGETHER + 1)})

    async def delete_tag(self, repository: str, tag: str) -> Dot | None:
        def change(txn: Transaction) -> Dot | None:
            if not objects.register(txn, "tags", repository, tag).heads:
                return None
            return local.write_tag(txn, repository, tag, None)

        return await self._change(change)

    async def link_blob(
        self, repository: str, digest: Digest, size: int, *, held: bool, upload_id: str | None
    ) -> Dot:
        payload = rows.encode(BlobPayload(size))

        def change(txn: Transaction) -> Dot:
            if held:
                # First, so that whoever sees the link knows a holder too.
                local.hold(txn, digest, size)
            live = objects.presence(txn, "blobs", repository, digest)
            after = max((push.stamp for push in live.live), default=0)
            dot = local.emit(txn, Key(BLOB, repository, digest), Add(live.dots, payload), after)
            if upload_id is not None:
                txn.delete("uploads", keys.join(upload_id))
            return dot

        return await self._change(change)

    async def delete_blob(self, repository: str, digest: Digest) -> Dot | None:
        def change(txn: Transaction) -> Dot | None:
            live = objects.presence(txn, "blobs", repository, digest)
            return local.remove(txn, Key(BLOB, repository, digest), live) if live.live else None

        return await self._change(change)

    async def put_setting(self, kind: str, name: str, value: str | None) -> Dot | None:
        def change(txn: Transaction) -> Dot | None:
            if value is None and not objects.register(txn, "settings", kind, name).heads:
                return None
            return local.write_setting(txn, kind, name, value)

        return await self._change(change)

    async def _change(
        self, change: Callable[[Transaction], T], committed: Callable[[T], None] | None = None
    ) -> T:
        """*committed* sees the result before any later change is carried out."""

        def run() -> T:
            txn = self._journal.begin()
            result = change(txn)
            txn.commit()
            if committed is not None:
                committed(result)
            return result

        return await self._writer.submit(run)

    def put_upload(self, record: UploadRecord) -> None:
        row = UploadRow(record.repository, record.offset, record.started_at)
        self._put_unlogged("uploads", keys.join(record.id), rows.encode(row))

    def delete_upload(self, upload_id: str) -> None:
        self._put_unlogged("uploads", keys.join(upload_id), None)

    def _put_unlogged(self, family: str, key: bytes, value: bytes | None) -> None:
        try:
            self._store.write([Mutation(family, key, value)])
        except StorageFailure:
            raise
        except OSError as exc:
            raise StorageFailure from exc


def _drop_deleted(txn: Transaction, repository: str, tag: str, before: Register) -> None:
    """
    Take off a tag what stands there again, and points to a manifest that is gone.

    Who deleted it did not see it under this tag: the push that is withdrawn had hidden it.
    """
    gone = [
        head
        for head in objects.register(txn, "tags", repository, tag).heads
        if head.dot not in before.dots
        and head.value is not None
        and not objects.presence(txn, "manifests", repository, head.value).present
    ]
    if gone:
        local.drop(txn, repository, tag, gone)


def _pushes(stored: StoredManifest) -> tuple[Dot, ...]:
    renewed = () if stored.renewed is None else (stored.renewed.pushed,)
    return (stored.pushed, *renewed, *(kept.pushed for kept in stored.kept))


def _subject(txn: Transaction, repository: str, digest: Digest, state: Presence) -> Digest | None:
    body = txn.get("manifest_bytes", keys.join(repository, digest))
    if body is None or state.latest is None:
        return None
    return stored_subject(digest, body)


def _check_needs(
    txn: Transaction, repository: str, needs: Sequence[Need], may_lack: Collection[Digest]
) -> tuple[Dot, ...]:
    """
    In the same change that stores the manifest, so that nothing can slip in between.

    Returns the last event of each other log that brought something of it.
    """
    missing: list[Digest] = []
    brought: dict[Origin, Dot] = {}
    for need in needs:
        found = _found(txn, repository, need)
        sizes = [size for size, _ in found]
        if not sizes and need.digest in may_lack:
            continue
        if not sizes:
            missing.append(need.digest)
        elif need.size not in sizes:
            raise ManifestInvalid(
                f"{need.digest} has {sizes[0]} bytes, but the manifest says {need.size}"
            )
        for _, dots in found:
            for last in _foreign(txn, dots):
                brought[last.origin] = max(last, brought.get(last.origin, last))
    if missing:
        raise ManifestBlobUnknown(missing)
    return tuple(sorted(brought.values()))


def _foreign(txn: Transaction, dots: Sequence[Dot]) -> tuple[Dot, ...]:
    """One of the pushes, of another log; nothing where this log has one as well."""
    return () if txn.origin in {dot.origin for dot in dots} else (max(dots),)


def _found(txn: Transaction, repository: str, need: Need) -> list[tuple[int, tuple[Dot, ...]]]:
    """What the repository has under that digest: sizes, and the pushes that brought it."""
    found: list[tuple[int, tuple[Dot, ...]]] = []
    blob = objects.presence(txn, "blobs", repository, need.digest)
    if blob.latest is not None:
        found.append((int(blob.latest.note), blob.dots))
    if need.may_be_manifest:
        body = txn.get("manifest_bytes", keys.join(repository, need.digest))
        if body is not None:
            found.append(
                (len(body), objects.presence(txn, "manifests", repository, need.digest).dots)
            )
    return found
