"""
The referrers tag schema, kept in step with the referrers API.

Clients of registries without the API keep the list of a subject's referrers in an image index
under a tag made of the subject's digest (distribution-spec, "Referrers Tag Schema"). Nobody needs
such a tag here; but where one was pushed, other old clients may read it, so it changes in the
same batch as the referrers do.

The list that was there before stays, under its digest: what a client pushed is for a client to
delete.
"""

from typing import Any, Final

import msgspec

from cluster.model import Digest, Dot, Key
from node.index import keys, local, objects, rows
from node.index.journal import Transaction
from node.index.rows import ManifestPayload
from node.registry.media_types import OCI_INDEX, served_type
from node.registry.structure import is_within_bounds

BODY_MAX_BYTES: Final = 4 << 20
"""Longest list kept: what clients accept as a manifest. A longer one stays as it was, as does one
that has more JSON than a manifest may; the API has the rest in pages. Without a bound one event
could outgrow what a message between nodes holds."""


def fallback_tag(subject: Digest) -> str:
    """The tag under which old clients look for the referrers of *subject*."""
    return f"{subject.algorithm}-{subject.encoded[:64]}"


def refresh(
    txn: Transaction,
    repository: str,
    subject: Digest,
    *,
    added: bytes | None = None,
    removed: Digest | None = None,
) -> Dot | None:
    """
    Bring the fallback index of *subject*, if there is one, up to date.

    Args:
        added: the descriptor, as JSON, of a referrer that this transaction adds.
        removed: the digest of one that it removes.

    Returns the last event that was written, or None when nothing had to change.
    """
    tag = fallback_tag(subject)
    winner = objects.register(txn, "tags", repository, tag).winner
    if winner is None or winner.value is None:
        return None
    document = _index(txn, repository, Digest(winner.value))
    if document is None:
        return None
    listed: list[dict[str, Any]] = document["manifests"]
    entries = {entry.get("digest"): entry for entry in listed}
    for _, descriptor in txn.scan("referrers", keys.join(repository, subject)):
        _enter(entries, descriptor)
    if added is not None:
        _enter(entries, added)
    entries.pop(removed, None)
    if list(entries.values()) == listed:
        return None
    document["manifests"] = list(entries.values())
    body = msgspec.json.encode(document)
    if len(body) > BODY_MAX_BYTES or not is_within_bounds(body):
        return None
    new = Digest.of(body)
    payload = rows.encode(ManifestPayload(OCI_INDEX, body))
    local.push(txn, Key(objects.MANIFEST, repository, new), payload)
    return local.write_tag(txn, repository, tag, new)


def _index(txn: Transaction, repository: str, digest: Digest) -> dict[str, Any] | None:
    """The image index under *digest*; None when it is something else, which is left alone."""
    latest = objects.presence(txn, "manifests", repository, digest).latest
    body = txn.get("manifest_bytes", keys.join(repository, digest))
    if latest is None or body is None or served_type(body, latest.note).lower() != OCI_INDEX:
        return None
    document: dict[str, Any] = msgspec.json.decode(body)
    return document if isinstance(document.get("manifests"), list) else None


def _enter(entries: dict[Any, dict[str, Any]], descriptor: bytes) -> None:
    entry = msgspec.json.decode(descriptor)
    entries.setdefault(entry["digest"], entry)
