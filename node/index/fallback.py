"""
The referrers tag schema, kept in step with the referrers API.

Clients of registries without the API keep the list of a subject's referrers in an image index
under a tag made of the subject's digest (distribution-spec, "Referrers Tag Schema"). Nobody needs
such a tag here; but where one was pushed, other old clients may read it, so it changes in the
same batch as the referrers do.

A list that this node wrote itself is pushed as a type that no client can push (`LIST_TYPE`), which
tells it from a client's. It goes when two others have come after it, or when its tag is deleted. So
the one before the current one stays: a client may just have read the tag and ask for its digest, or
have put a list of its own in its place and delete it, as some do. What a client pushed is for a
client to delete.
"""

import re
from collections.abc import Collection
from typing import Any, Final

import msgspec

from cluster.model import Digest, Dot, Key
from cluster.objects import Presence
from node.errors import ManifestInvalid
from node.index import history, keys, local, objects, rows
from node.index.journal import Transaction
from node.index.references import LIST_TYPE, PARTIAL_TYPE, is_anchor
from node.index.rows import ManifestPayload
from node.registry.manifests import parse_manifest
from node.registry.media_types import OCI_INDEX, media_type_of

BODY_MAX_BYTES: Final = 4 << 20
"""Longest list kept: what clients accept as a manifest. A longer one stays as it was, as does one
that would not be taken as a manifest; the API has the rest in pages. Without a bound one event
could outgrow what a message between nodes holds."""

_TAG: Final = re.compile(r"sha(256|512)-[0-9a-f]{64}")


def fallback_tag(subject: Digest) -> str:
    """The tag under which old clients look for the referrers of *subject*."""
    return f"{subject.algorithm}-{subject.encoded[:64]}"


def refresh(
    txn: Transaction, repository: str, subject: Digest, removed: Digest | None = None
) -> Dot | None:
    """
    Bring the fallback index of *subject*, if there is one, up to date: with all its referrers, also
    those that this transaction has added, but without *removed*.

    Returns the last event that was written, or None when nothing had to change.
    """
    tag = fallback_tag(subject)
    winner = rows.register(txn, "tags", repository, tag).winner
    if winner is None or winner.value is None:
        return None
    document = _index(txn, repository, Digest(winner.value))
    if document is None:
        return None
    listed: list[dict[str, Any]] = document["manifests"]
    entries = {entry.get("digest"): entry for entry in listed}
    for _, descriptor in txn.scan("referrers", keys.join(repository, subject)):
        entry = msgspec.json.decode(descriptor)
        entries.setdefault(entry["digest"], entry)
    entries.pop(removed, None)
    if list(entries.values()) == listed:
        return None
    document |= {"mediaType": OCI_INDEX, "manifests": list(entries.values())}
    body = msgspec.json.encode(document)
    new = Digest.of(body)
    if len(body) > BODY_MAX_BYTES or not _would_be_taken(new, body):
        return None
    drop_lists(txn, repository, tag, keep={new, winner.value})
    # The same bytes may be a client's: then they stay what they were.
    known = rows.presence(txn, "manifests", repository, new)
    pushed_as = OCI_INDEX if is_anchor(known) else PARTIAL_TYPE
    payload = ManifestPayload(LIST_TYPE if _is_written_here(known) else pushed_as, body)
    local.push(txn, Key(objects.MANIFEST, repository, new), rows.encode(payload))
    return local.write(txn, Key(objects.TAG, repository, tag), new)


def drop_lists(
    txn: Transaction, repository: str, tag: str, keep: Collection[str] = frozenset()
) -> None:
    """
    Remove the lists that nodes wrote under *tag*, if it is a referrers tag, but those to *keep* and
    those that another tag names. Other nodes' pushes of the same bytes stay, if unknown here.
    """
    if _TAG.fullmatch(tag) is None:
        return
    prefix = keys.join(repository, tag)
    written = (history.read(*row).version.value for row in txn.scan("history", prefix))
    for digest in sorted({value for value in written if value is not None} - {*keep}):
        known = rows.presence(txn, "manifests", repository, digest)
        if known.present and _is_written_here(known) and not _tags(txn, repository, digest) - {tag}:
            key = Key(objects.MANIFEST, repository, digest)
            local.remove(txn, key, known, seen_only=True)


def _is_written_here(known: Presence) -> bool:
    """Whether no client has pushed a list that is known as *known*."""
    return all(push.note == LIST_TYPE for push in known.live)


def tags_of(txn: Transaction, repository: str, digest: str) -> list[str]:
    """Referrers tags of which *digest* is a head: one, unless a client made more; 256 at most."""
    prefix = keys.join(repository, digest)
    found = txn.page("tagged", prefix + b"sha", prefix + b"shb", 256)
    return [keys.split(key)[2] for key, _ in found]


def _tags(txn: Transaction, repository: str, digest: str) -> set[str]:
    """The tags of which *digest* is a head."""
    return {keys.split(key)[2] for key, _ in txn.scan("tagged", keys.join(repository, digest))}


def _index(txn: Transaction, repository: str, digest: Digest) -> dict[str, Any] | None:
    """The image index under *digest*; None when it is something else, which is left alone."""
    known = rows.presence(txn, "manifests", repository, digest)
    body = txn.get("manifest_bytes", keys.join(repository, digest))
    if not known.present or body is None or media_type_of(body).lower() != OCI_INDEX:
        return None
    try:
        document: dict[str, Any] = msgspec.json.decode(body)
    except msgspec.MsgspecError:
        # What nobody reads of a manifest may be a number that is none here, such as 1e400.
        return None
    return document if isinstance(document.get("manifests"), list) else None


def _would_be_taken(digest: Digest, body: bytes) -> bool:
    """
    Whether a list can be stored. It cannot if it has more JSON than a manifest may, or if the one
    that it is made of was taken by an earlier version and would be refused today.
    """
    try:
        parse_manifest(digest, body)
    except ManifestInvalid:
        return False
    return True
