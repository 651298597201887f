"""
Merging events into the index's objects, and the rows derived from them.

Local and remote events take the same path. Whatever comes from a peer is checked again here:
names, digests and the bytes under them (P6).
"""

from collections.abc import Iterable
from itertools import islice
from typing import Final

import msgspec

from cluster import vectors
from cluster.errors import EventUndecodable
from cluster.model import WHO_MAX, Digest, Dot, Event, Key, Vector, is_who
from cluster.objects import (
    Add,
    Deletion,
    Hold,
    Live,
    Presence,
    Register,
    Remove,
    Version,
    Write,
    Written,
    decode_body,
    merge,
)
from node.errors import RegistryError
from node.index import history, keys, quarantine, references, rows
from node.index.journal import Journal, Transaction
from node.index.rows import (
    BlobPayload,
    HolderRow,
    ManifestPayload,
    RepositoryRow,
)
from node.index.store import END
from node.registry.manifests import parse_manifest, referrer_descriptor, stored_subject
from node.registry.media_types import is_media_type
from node.registry.names import REPOSITORY_MAX, RepositoryName, Tag, parse_digest

MANIFEST = "manifest"
BLOB = "blob"
TAG = "tag"
HOLDER = "holder"
SETTING = "setting"

SETTING_MAX_BYTES: Final = 64 << 10
"""Longest value of a setting, in UTF-8. Policies have a few hundred bytes."""

UNTAGGED_TOGETHER: Final = 256
"""Tags taken off a deleted manifest in one batch: a larger one holds the interpreter for longer
while it is written."""

FORGOTTEN_TOGETHER: Final = 256
"""Deletions looked at in one turn of the writer: about a millisecond."""

_UNTAGGING: Final = "untagging"
"""Rows of `meta`: manifests whose deletion has not reached all their tags yet."""

NOT_HELD: Final = HolderRow(False, 0, 0, 0, 0)


class _Unusable(Exception):
    """The event can be read but makes no sense here."""


def apply(txn: Transaction, event: Event) -> str | None:
    """
    Record *event* in the log and merge it into its object.

    Returns why it was quarantined instead, or None. A quarantined event stays in the log and
    travels on, and the loop goes on with the next; it is not `seen` until it is applied.
    """
    txn.record(event)
    return _merge_or_keep(txn, event)


def retry(journal: Journal) -> None:
    """
    Apply what is in quarantine and can be applied by now.

    The rest stays there for the reason that this version has. An earlier one, or the giver of a
    checkpoint, may have had another, and would have an operator look for the wrong thing.
    """
    for key, row in journal.store.scan(quarantine.FAMILY, b"", END):
        txn = Transaction(journal)
        txn.delete(quarantine.FAMILY, key)
        _merge_or_keep(txn, quarantine.event_of(row))
        if txn.get(quarantine.FAMILY, key) != row:
            txn.commit()


def _merge_or_keep(txn: Transaction, event: Event) -> str | None:
    """Merge *event* into its object, or put it in quarantine; returns why it is there."""
    try:
        _merge(txn, event)
    except (EventUndecodable, _Unusable, RegistryError, msgspec.MsgspecError) as exc:
        reason = str(exc)
        txn.put(quarantine.FAMILY, keys.dot(event.dot), quarantine.row_of(event, reason))
        return reason
    return None


def deletion(txn: Transaction, collection: str, repository: str, name: str) -> Deletion | None:
    """The last delete of an object, while something may come that it counts for."""
    row = txn.get("deletions", keys.join(collection, repository, name))
    return None if row is None else rows.decode(Deletion, row)


def _delete(txn: Transaction, event: Event) -> Deletion:
    """Note that *event* deletes its object; returns the last delete of it."""
    last = Deletion(event.stamp, event.dot).along_with(deletion(txn, *event.key))
    txn.put("deletions", keys.join(*event.key), rows.encode(last))
    return last


def forget_deletions(journal: Journal, stable: Vector, after: bytes) -> bytes | None:
    """
    Forget the next deletions behind the key *after* that are within *stable*, and what was kept for
    their sake.

    Returns where the next page begins; None at the end. On the writer thread.
    """
    txn = journal.begin()
    if journal.quarantine.events:
        return None  # an older push may be in there, and is not seen until it is applied
    page = list(islice(journal.store.scan("deletions", after, END), FORGOTTEN_TOGETHER))
    manifests: list[tuple[str, str]] = []
    for key, row in page:
        dots = rows.decode(Deletion, row).dots
        if all(dot.seq <= vectors.reached(stable, dot.origin) for dot in dots):
            txn.delete("deletions", key)
            collection, repository, name = keys.split(key)
            if collection == MANIFEST:
                manifests.append((repository, name))
    references.follow(txn, *manifests)
    txn.commit()
    return page[-1][0] + b"\0" if len(page) == FORGOTTEN_TOGETHER else None


def finish(journal: Journal) -> None:
    """Bring what was begun and is too large for one batch to its end. On the writer thread."""
    untag_rest(journal)
    references.follow_rest(journal)


def _merge(txn: Transaction, event: Event) -> None:
    body = decode_body(event)
    if not isinstance(body, Hold) and not is_who(body.who):
        raise _Unusable(f"who asked is told in at most {WHO_MAX} printable characters")
    match event.key.collection, body:
        case ("manifest", Add() | Remove()):
            _merge_manifest(txn, event, body)
        case ("blob", Add() | Remove()):
            _merge_blob(txn, event, body)
        case ("tag", Write()):
            _merge_tag(txn, event, body)
        case ("setting", Write()):
            _merge_setting(txn, event, body)
        case ("holder", Hold()):
            _merge_holder(txn, event, body)
        case (collection, _):
            raise _Unusable(f"{event.kind!r} does not apply to {collection!r}")


def _repository_and_digest(key: Key) -> tuple[RepositoryName, Digest]:
    return RepositoryName.parse(key.repository), parse_digest(key.name)


def _merge_manifest(txn: Transaction, event: Event, body: Add | Remove) -> None:
    repository, digest = _repository_and_digest(event.key)
    key = keys.join(repository, digest)
    before = rows.presence(txn, "manifests", repository, digest)
    if isinstance(body, Remove):
        deleted = None if body.seen_only else _delete(txn, event)
        after = merge.remove(before, body.dots, txn.seen, deleted)
        if deleted is not None:
            _untag(txn, repository, digest, deleted)
    else:
        payload = rows.decode(ManifestPayload, body.payload)
        if not digest.matches(payload.body):
            raise _Unusable(f"the manifest's bytes do not hash to {digest}")
        # Whether it can be stored is checked here too. What the pusher says it is, is not: every
        # node serves the type that the bytes say.
        parse_manifest(digest, payload.body)
        if not is_media_type(payload.media_type):
            raise _Unusable("the manifest is pushed as something that is not a media type")
        push = Live(event.dot, event.stamp, payload.media_type)
        after = merge.add(before, push, body.replaces, txn.seen, deletion(txn, *event.key))
        # One that was deleted before it came may be named by somebody all the same.
        txn.put("manifest_bytes" if after.present else references.KEPT_BYTES, key, payload.body)
    if after.present != before.present:
        _list_referrer(txn, repository, digest, listed=after.present)
    _put_presence(txn, "manifests", key, after)
    _count(txn, repository, manifests=after.present - before.present)
    references.follow(txn, (repository, digest))


def _list_referrer(txn: Transaction, repository: str, digest: Digest, *, listed: bool) -> None:
    """Enter the manifest in the list of its subject, if it has one, or take it off."""
    body = txn.get("manifest_bytes", keys.join(repository, digest))
    assert body is not None, "a present manifest has its bytes"
    # It may be taken off as what would not be taken any more; listed is what was just read.
    subject = parse_manifest(digest, body).subject if listed else stored_subject(body)
    if subject is None:
        return
    key = keys.join(repository, subject, digest)
    if not listed:
        txn.delete("referrers", key)
        txn.delete("referrer_types", key)
        return
    manifest = parse_manifest(digest, body)
    txn.put("referrers", key, referrer_descriptor(manifest, digest, len(body)))
    txn.put("referrer_types", key, (manifest.artifact_type or "").encode())


def _merge_blob(txn: Transaction, event: Event, body: Add | Remove) -> None:
    repository, digest = _repository_and_digest(event.key)
    before = rows.presence(txn, "blobs", repository, digest)
    if isinstance(body, Remove):
        deleted = None if body.seen_only else _delete(txn, event)
        after = merge.remove(before, body.dots, txn.seen, deleted)
    else:
        size = rows.decode(BlobPayload, body.payload).size
        if size < 0:
            raise _Unusable("a blob has a negative size")
        push = Live(event.dot, event.stamp, str(size))
        after = merge.add(before, push, body.replaces, txn.seen, deletion(txn, *event.key))
    _put_presence(txn, "blobs", keys.join(repository, digest), after)
    if after.present:
        txn.put("linked", keys.join(digest, repository), b"")
    elif before.present:
        txn.delete("linked", keys.join(digest, repository))
    _count(txn, repository, blobs=after.present - before.present)


def _put_presence(txn: Transaction, family: str, key: bytes, state: Presence) -> None:
    if state == Presence():
        txn.delete(family, key)
    else:
        txn.put(family, key, rows.encode(state))


def _count(txn: Transaction, repository: str, *, manifests: int = 0, blobs: int = 0) -> None:
    if not manifests and not blobs:
        return
    txn.count(manifests=manifests)
    key = keys.join(repository)
    row = txn.get("repositories", key)
    before = RepositoryRow() if row is None else rows.decode(RepositoryRow, row)
    after = RepositoryRow(before.manifests + manifests, before.blobs + blobs)
    if after == RepositoryRow():
        txn.delete("repositories", key)
    else:
        txn.put("repositories", key, rows.encode(after))


def _merge_tag(txn: Transaction, event: Event, body: Write) -> None:
    repository, tag = RepositoryName.parse(event.key.repository), Tag.parse(event.key.name)
    value = None if body.value is None else parse_digest(body.value)
    version = Version(event.dot, event.stamp, value, body.who)
    before = rows.register(txn, "tags", repository, tag)
    by_digest = None if value is None else deletion(txn, MANIFEST, repository, value)
    after = _written(txn, event, before, version, body.replaces, by_digest)
    history.enter(txn, repository, tag, Written(version, body.replaces))
    _put_tag(txn, repository, tag, before, after)


def _written(
    txn: Transaction,
    event: Event,
    before: Register,
    version: Version,
    replaces: Iterable[Dot],
    by_value: Deletion | None = None,
) -> Register:
    """The register after a write; *by_value* is the last delete of what it points to."""
    if version.value is None:
        after = merge.write(before, version, replaces, txn.seen, ())
        return merge.hide(after, _delete(txn, event))
    known = (deletion(txn, *event.key), by_value)
    return merge.write(before, version, replaces, txn.seen, filter(None, known))


def _untag(txn: Transaction, repository: str, digest: str, deleted: Deletion) -> None:
    """
    Take a manifest off its tags: its deletion is one of each of them.

    Nobody sees a tag whose manifest is not there, so a great many may go in batches of their own.
    """
    if _untag_some(txn, repository, digest, deleted, b"") is not None:
        txn.put("meta", keys.join(_UNTAGGING, repository, digest), rows.encode(deleted))
        txn.leaves_work = True


def untag_rest(journal: Journal) -> None:
    """Take deleted manifests off the tags that their deletion left. On the writer thread."""
    prefix = keys.join(_UNTAGGING)
    for key, row in list(journal.store.scan("meta", prefix, keys.after(prefix))):
        _, repository, digest = keys.split(key)
        after: bytes | None = b""
        while after is not None:
            txn = Transaction(journal)
            after = _untag_some(txn, repository, digest, rows.decode(Deletion, row), after)
            if after is None:
                txn.delete("meta", key)
            txn.commit()


def _untag_some(
    txn: Transaction, repository: str, digest: str, deleted: Deletion, after: bytes
) -> bytes | None:
    """Take a manifest off its tags from *after* on; returns where to go on, None at their end."""
    prefix = keys.join(repository, digest)
    page = txn.page("tagged", max(prefix, after), keys.after(prefix), UNTAGGED_TOGETHER)
    for key, _ in page:
        tag = keys.split(key)[2]
        before = rows.register(txn, "tags", repository, tag)
        _put_tag(txn, repository, tag, before, merge.hide(before, deleted, digest))
    return page[-1][0] + b"\0" if len(page) == UNTAGGED_TOGETHER else None


def _put_tag(
    txn: Transaction, repository: str, tag: str, before: Register, after: Register
) -> None:
    """Store a tag's register, and the rows that follow from it."""
    key = Key(TAG, repository, tag)
    _put_register(txn, "tags", key, after)
    was, now = _values(before), _values(after)
    for value in was - now:
        txn.delete("tagged", keys.join(repository, value, tag))
    for value in now - was:
        txn.put("tagged", keys.join(repository, value, tag), b"")
    if after.conflict and not before.conflict:
        txn.put("conflicts", keys.join(repository, tag), b"")
        txn.conflict(key)
    elif before.conflict and not after.conflict:
        txn.delete("conflicts", keys.join(repository, tag))


def _values(state: Register) -> set[str]:
    return {head.value for head in state.heads if head.value is not None}


def _merge_setting(txn: Transaction, event: Event, body: Write) -> None:
    """What is in the object is not looked at: it may come from a newer node."""
    _, kind, name = event.key
    if not all(part.isprintable() and 0 < len(part) <= REPOSITORY_MAX for part in (kind, name)):
        raise _Unusable("not the name of a setting")
    if body.value is not None:
        if len(body.value.encode()) > SETTING_MAX_BYTES:
            raise _Unusable(f"a setting may have at most {SETTING_MAX_BYTES} bytes")
        msgspec.json.decode(body.value, type=dict)
    before = rows.register(txn, "settings", kind, name)
    version = Version(event.dot, event.stamp, body.value, body.who)
    after = _written(txn, event, before, version, body.replaces)
    _put_register(txn, "settings", event.key, after)
    if after.conflict and not before.conflict:
        txn.conflict(event.key)


def _put_register(txn: Transaction, family: str, key: Key, state: Register) -> None:
    row = keys.join(key.repository, key.name)
    if state == Register():
        txn.delete(family, row)
    else:
        txn.put(family, row, rows.encode(state))


def _merge_holder(txn: Transaction, event: Event, body: Hold) -> None:
    digest = parse_digest(event.key.name)
    key = keys.join(digest, event.dot.node)
    row = txn.get("holders", key)
    before = NOT_HELD if row is None else rows.decode(HolderRow, row)
    if before.stamp > event.stamp:
        return  # an older epoch of the same node, heard of late
    size = body.size if body.held else 0
    after = HolderRow(body.held, size, event.stamp, event.dot.epoch, event.dot.seq)
    txn.put("holders", key, rows.encode(after))
    if event.dot.node == txn.origin.node:
        txn.put_own(digest, after)
