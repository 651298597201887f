"""
Reading the index: single look-ups and bounded scans, on the calling thread.

They take microseconds, so no executor: measured, a look-up costs less than a hand-over to
another thread by a factor of twenty.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

from cluster.model import Digest, Dot, NodeId
from cluster.objects import Live, Register, Version, Written
from node.index import history, keys, references, rows
from node.index.rows import HolderRow, RepositoryRow, UploadRow
from node.index.store import END, SENT_FAMILIES, OrderedStore
from node.registry.media_types import media_type_of
from node.registry.values import ManifestRecord, Page, SettingRecord, Tagged, TagName, UploadRecord

REFERRERS_PAGE_BYTES: Final = 4 << 20
"""Descriptors in one page of referrers: what clients accept as a manifest."""

REFERRERS_SCAN_MAX: Final = 10_000
"""Referrers looked at for one page of those of one type; a Link leads on from there."""

REPOSITORIES_SCAN_MAX: Final = 10_000
"""Repositories looked at for one page of those that have a manifest: some 10 ms. Whoever may push
may make any number of those that have none."""

TAGS_SCAN_MAX: Final = 4000
"""Tags looked at for one page of those that are served: some 20 ms. A deleted manifest leaves any
number of others, until the writer has taken it off them."""

SETTINGS_SCAN_MAX: Final = 10_000
"""Settings looked at for one page of those that have a value."""


class Queries:
    """Every read of the registry. Safe from any thread; all raise `StorageFailure`."""

    def __init__(
        self, store: OrderedStore, check_serving: Callable[[], None] = lambda: None
    ) -> None:
        """*check_serving* raises while the objects are being replaced."""
        self._store = store
        self._check_serving = check_serving

    def manifest(self, repository: str, digest: Digest) -> ManifestRecord | None:
        key = keys.join(repository, digest)
        listed = rows.presence(self, "manifests", repository, digest).present
        if not listed and not references.is_named(self, repository, digest):
            return None
        # A push or a deletion between the look-ups moves the bytes.
        for family in ("manifest_bytes", references.KEPT_BYTES, "manifest_bytes"):
            if (body := self.get(family, key)) is not None:
                return ManifestRecord(media_type_of(body), body)
        return None

    def tag(self, repository: str, tag: str) -> Digest | None:
        found = self.tagged(repository, tag)
        return None if found is None else found.digest

    def tagged(self, repository: str, tag: str) -> Tagged | None:
        return self._served(repository, rows.register(self, "tags", repository, tag))

    def _served(self, repository: str, state: Register) -> Tagged | None:
        """What a tag points to: what won in its register, while that is listed."""
        winner = state.winner
        if winner is None or winner.value is None:
            return None
        digest = Digest(winner.value)
        return Tagged(digest, winner.dot) if self._is_listed(repository, digest) else None

    def manifest_event(self, repository: str, digest: Digest) -> Dot | None:
        latest = rows.presence(self, "manifests", repository, digest).latest
        return None if latest is None else latest.dot

    def blob(self, repository: str, digest: Digest) -> int | None:
        latest = rows.presence(self, "blobs", repository, digest).latest
        if latest is not None:
            return int(latest.note)
        return references.named_size(self, repository, digest)

    def repositories_with(self, digest: Digest) -> Iterator[str]:
        """First those that somebody linked it in, then those where a manifest names it."""
        for key, _ in self.scan("linked", keys.join(digest)):
            yield keys.split(key)[1]
        start = keys.join(digest)
        while (
            row := next(self._scan(references.NAMED, start, keys.after(keys.join(digest))), None)
        ) is not None:
            repository = keys.split(row[0])[1]
            if self.get("linked", keys.join(digest, repository)) is None:
                yield repository
            start = keys.after(keys.join(digest, repository))

    def tag_register(self, repository: str, tag: str) -> Register:
        return rows.register(self, "tags", repository, tag)

    def has_written(self, repository: str, tag: str, stamp: int, event: Dot) -> bool:
        """Whether the history of the tag has that write."""
        return self.get("history", keys.history(repository, tag, stamp, event)) is not None

    def tags_of(self, repository: str, digest: Digest, limit: int) -> list[str]:
        """The first *limit* tags that have the manifest, as one of their heads at least."""
        found = islice(self.scan("tagged", keys.join(repository, digest)), limit)
        return [keys.split(key)[2] for key, _ in found]

    def last_push(self, repository: str, digest: Digest) -> Live | None:
        """The latest push of a manifest that nobody has deleted."""
        return rows.presence(self, "manifests", repository, digest).latest

    def tag_history(self, repository: str, tag: str) -> list[Written]:
        prefix = keys.join(repository, tag)
        found = self._scan("history", prefix, keys.after(prefix))
        return [history.read(key, value) for key, value in found]

    def conflicts(
        self, repository: str | None, last: TagName | None, limit: int
    ) -> tuple[list[TagName], bool]:
        prefix = b"" if repository is None else keys.join(repository)
        start = prefix if last is None else keys.after(keys.join(*last))
        stop = keys.after(prefix) if prefix else END
        page = list(islice(self._scan("conflicts", max(start, prefix), stop), limit + 1))
        return [TagName(*keys.split(key)) for key, _ in page[:limit]], len(page) > limit

    def setting(self, kind: str, name: str) -> SettingRecord | None:
        winner = rows.register(self, "settings", kind, name).winner
        if winner is None or winner.value is None:
            return None
        return SettingRecord(winner.value, winner.dot, winner.who)

    def setting_heads(self, kind: str, name: str) -> tuple[Version, ...]:
        """The versions of a setting that no other replaces."""
        return rows.register(self, "settings", kind, name).heads

    def settings(self, kind: str, last: str, limit: int) -> Page:
        prefix = keys.join(kind)
        start = keys.after(keys.join(kind, last)) if last else prefix
        found = (
            (keys.split(key)[1], rows.decode(Register, row).winner is not None)
            for key, row in self._scan("settings", start, keys.after(prefix))
        )
        return _page(found, last, limit, SETTINGS_SCAN_MAX)

    def repository_exists(self, repository: str) -> bool:
        return self.get("repositories", keys.join(repository)) is not None

    def tags(self, repository: str, last: str, limit: int) -> Page:
        prefix = keys.join(repository)
        start = keys.after(keys.join(repository, last)) if last else prefix
        found = (
            (keys.split(key)[1], self._served(repository, rows.decode(Register, row)) is not None)
            for key, row in self._scan("tags", start, keys.after(prefix))
        )
        return _page(found, last, limit, TAGS_SCAN_MAX)

    def repositories(self, last: str, limit: int) -> Page:
        start = keys.after(keys.join(last)) if last else b""
        found = (
            (keys.split(key)[0], rows.decode(RepositoryRow, row).manifests > 0)
            for key, row in self._scan("repositories", start, END)
        )
        return _page(found, last, limit, REPOSITORIES_SCAN_MAX)

    def referrers(
        self,
        repository: str,
        subject: Digest,
        artifact_types: frozenset[str],
        last: str,
        limit: int,
    ) -> tuple[list[bytes], str | None]:
        prefix = keys.join(repository, subject)
        start = keys.after(keys.join(repository, subject, last)) if last else prefix
        wanted = {artifact_type.encode() for artifact_type in artifact_types}
        found: list[bytes] = []
        size, shown = 0, last
        # The types first: they are short, while a descriptor may have megabytes of annotations.
        entries = self._scan("referrer_types", start, keys.after(prefix))
        for looked_at, (key, found_type) in enumerate(entries):
            if found and (len(found) == limit or size > REFERRERS_PAGE_BYTES):
                return found, shown
            if looked_at == REFERRERS_SCAN_MAX:
                return found, shown
            shown = keys.split(key)[2]
            if wanted and found_type not in wanted:
                continue
            descriptor = self.get("referrers", key)
            if descriptor is not None:
                size += len(descriptor)
                found.append(descriptor)
        return found, None

    def has_manifest(self, repository: str, digest: Digest) -> bool:
        if self._is_listed(repository, digest):
            return True
        return references.kept_body(self, repository, digest) is not None

    def _is_listed(self, repository: str, digest: Digest) -> bool:
        """Whether somebody pushed the manifest and nobody deleted it."""
        return rows.presence(self, "manifests", repository, digest).present

    def get(self, family: str, key: bytes) -> bytes | None:
        found = self._store.get(family, key)
        self._check(family)
        return found

    def scan(self, family: str, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Every row under *prefix*, in order."""
        return self._scan(family, prefix, keys.after(prefix))

    def first(self, family: str, prefix: bytes) -> tuple[bytes, bytes] | None:
        """The first row under *prefix*."""
        return next(self.scan(family, prefix), None)

    def page(self, family: str, start: bytes, stop: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """The first *limit* rows with *start* <= key < *stop*, in order."""
        return list(islice(self._scan(family, start, stop), limit))

    def _scan(self, family: str, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        for row in self._store.scan(family, start, stop):
            self._check(family)
            yield row
        self._check(family)

    def _check(self, family: str) -> None:
        # After reading: had the replacement begun before, it would show now.
        if family in SENT_FAMILIES:
            self._check_serving()

    def of_this_node(
        self, family: str, after: Digest | None, limit: int
    ) -> list[tuple[Digest, bytes]]:
        """The rows of the next blobs behind *after* in "own" or "cached", *limit* at most."""
        start = b"" if after is None else keys.after(keys.join(after))
        page = islice(self._scan(family, start, END), limit)
        return [(Digest(keys.split(key)[0]), row) for key, row in page]

    def held_by_after(
        self, node: str | None, after: Digest | None, looked_at_max: int
    ) -> tuple[list[tuple[Digest, int]], Digest | None]:
        """See `node.copies.stakes.Holders`."""
        start = b"" if after is None else keys.after(keys.join(after))
        found: list[tuple[Digest, int]] = []
        last: str | None = None
        for looked_at, (key, row) in enumerate(self._scan("holders", start, END)):
            digest, holder = keys.split(key)
            if looked_at >= looked_at_max and digest != last:
                return found, None if last is None else Digest(last)
            last = digest
            if node is None and found and found[-1][0] == digest:
                continue
            if node in (None, holder) and (holding := rows.decode(HolderRow, row)).held:
                found.append((Digest(digest), holding.size))
        return found, None

    def uploads(self) -> list[UploadRecord]:
        found = (
            (keys.split(key)[0], rows.decode(UploadRow, row))
            for key, row in self._scan("uploads", b"", END)
        )
        return [
            UploadRecord(id_, row.repository, row.offset, row.started_at, row.owner)
            for id_, row in found
        ]

    def held_since(self, digest: Digest) -> dict[NodeId, int]:
        """Who said to hold the blob, each with the stamp of that."""
        found = (
            (NodeId(keys.split(key)[1]), rows.decode(HolderRow, row))
            for key, row in self.scan("holders", keys.join(digest))
        )
        return {node: row.stamp for node, row in found if row.held}

    def holders(self, digest: Digest) -> dict[NodeId, Dot]:
        prefix = keys.join(digest)
        found = (
            (NodeId(keys.split(key)[1]), rows.decode(HolderRow, row))
            for key, row in self._scan("holders", prefix, keys.after(prefix))
        )
        return {node: Dot(node, row.epoch, row.seq) for node, row in found if row.held}


def _page(names: Iterator[tuple[str, bool]], last: str, limit: int, looked_at_max: int) -> Page:
    """
    The first *limit* of the *names* that are to be shown, behind *last*.

    After *looked_at_max* of them it leads on from the last one that was looked at: so even an empty
    page gets further.
    """
    found: list[str] = []
    for looked_at, (name, is_shown) in enumerate(names):
        if looked_at == looked_at_max:
            return Page(found, last)
        if is_shown and len(found) == limit:
            return Page(found, found[-1] if found else None)
        last = name
        if is_shown:
            found.append(name)
    return Page(found, None)
