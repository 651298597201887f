"""What bounds uploads."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadConfig:
    """Bounds on uploads."""

    open_max: int = 1024
    """Open sessions on this node. More lets more clients push at once; each can stage a blob."""

    evict_idle_s: float = 60.0
    """Seconds without a request after which a session may make room for a new one. Longer is kinder
    to clients that pause; shorter frees the places of dead ones sooner."""

    expiry_s: float = 24 * 3600.0
    """Seconds from the start of a session until it is dropped. Longer keeps dead bytes longer;
    shorter cuts off slow pushes."""

    blob_max_bytes: int = 0
    """Largest blob, 0 for no limit."""

    account_open_max: int = 0
    """Open sessions of one account on this node, 0 for no limit but `open_max`."""

    account_bytes_max: int = 0
    """Bytes that one account has in them, 0 for no limit. Looked at when a request begins, and each
    time that something goes to the disk: a MiB more for each request at once."""
