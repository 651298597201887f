"""Header values that several endpoints share, and reading the conditional ones."""

from typing import Final
from urllib.parse import quote

from cluster.model import Digest, Dot
from node.registry.receipt import Receipt
from node.registry.usecase import unconfirmed

API_VERSION: Final = {"Docker-Distribution-Api-Version": "registry/2.0", "Server": "atoll"}
"""On every answer. Without a Server field aiohttp tells its version and Python's to everyone."""

IMMUTABLE: Final = "max-age=31536000, immutable"
"""Content under a digest never changes: a year, the most that RFC 9111 caches honour."""


_INERT: Final = ("+json", "/json", "/octet-stream")


def content(digest: Digest, media_type: str, *, immutable: bool) -> dict[str, str]:
    """Headers of an answer that carries content."""
    return {
        **API_VERSION,
        "Content-Type": media_type,
        "Docker-Content-Digest": digest,
        "ETag": f'"{digest}"',
        # A tag moves: caches may keep the bytes but must ask whether they are still the ones.
        "Cache-Control": IMMUTABLE if immutable else "no-cache",
        # Content comes from strangers: a browser must not take it for a page of ours.
        "X-Content-Type-Options": "nosniff",
        **({} if is_inert(media_type) else {"Content-Disposition": "attachment"}),
    }


def is_inert(media_type: str) -> bool:
    """
    Whether browsers make nothing of it that could run. A manifest has the type that it says of
    itself, `text/html` among them; then it is to be saved, and opened as nothing.
    """
    return media_type.lower().endswith(_INERT)


def consistency() -> dict[str, str]:
    """Whether what was read for this answer may not be the latest."""
    return {"Atoll-Consistency": "unconfirmed"} if unconfirmed.get() else {}


def manifest_path(repository: str, digest: Digest) -> str:
    """Where a manifest can be pulled from."""
    return f"/v2/{repository}/manifests/{quote(digest, safe=':')}"


def event_of(event: Dot | None) -> dict[str, str]:
    """The event behind what is being answered."""
    return {} if event is None else {"Atoll-Event": str(event)}


RECEIPT: Final = ("Atoll-Event", "Atoll-Degraded")
"""The fields of a `receipt`."""


def receipt(receipt: Receipt) -> dict[str, str]:
    """The event of a write, and on how few nodes it is when those are too few."""
    fields = event_of(receipt.event)
    if receipt.acknowledged.degraded:
        fields["Atoll-Degraded"] = str(receipt.acknowledged.nodes)
    return fields


def matches_etag(field: str | None, digest: Digest) -> bool:
    """Whether an If-None-Match field names this content (RFC 9110 §13.1.2, weak comparison)."""
    if field is None:
        return False
    tags = (tag.strip().removeprefix("W/").strip('"') for tag in field.split(","))
    return any(tag in ("*", digest) for tag in tags)


def progress(offset: int) -> str:
    """The Range field of an upload with *offset* bytes; 0-0 also stands for none, as it must."""
    return f"0-{max(offset - 1, 0)}"
