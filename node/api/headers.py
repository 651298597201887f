"""Header values that several endpoints share, and reading the conditional ones."""

import re
from typing import Final

from cluster.model import Digest, Dot
from node.errors import RangeNotSatisfiable
from node.registry.writing import Receipt

API_VERSION: Final = {"Docker-Distribution-Api-Version": "registry/2.0", "Server": "atoll"}
"""On every answer. Without a Server field aiohttp tells its version and Python's to everyone."""

IMMUTABLE: Final = "max-age=31536000, immutable"
"""Content under a digest never changes: a year, the most that RFC 9111 caches honour."""

_RANGE: Final = re.compile(r"(\d{0,18})-(\d{0,18})", re.ASCII)


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
    }


def event_of(event: Dot | None) -> dict[str, str]:
    """The event behind what is being answered."""
    return {} if event is None else {"Atoll-Event": str(event)}


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


def byte_range(field: str | None, size: int) -> tuple[int, int] | None:
    """
    The one range that a Range field asks for, as (offset, length) in bytes.

    None means the whole content: no field, another unit, or several ranges (a server may answer
    those with everything, RFC 9110 §14.2).

    Raises:
        RangeNotSatisfiable: malformed, or outside the content.
    """
    if field is None:
        return None
    unit, _, spec = field.partition("=")
    if unit.strip().lower() != "bytes" or "," in spec:
        return None
    match = _RANGE.fullmatch(spec.strip())
    if match is None or match.group() == "-":
        raise RangeNotSatisfiable(size)
    first, last = match.groups()
    if not first:
        length = min(int(last), size)
        offset = size - length
    else:
        offset = int(first)
        end = min(int(last), size - 1) if last else size - 1
        length = end - offset + 1
    if length <= 0 or offset >= size:
        raise RangeNotSatisfiable(size)
    return offset, length


def progress(offset: int) -> str:
    """The Range field of an upload with *offset* bytes; 0-0 also stands for none, as it must."""
    return f"0-{max(offset - 1, 0)}"
