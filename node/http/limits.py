"""Bounds at the HTTP edge that operators or tests set."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiLimits:
    """Bounds on requests and their bodies."""

    manifest_bytes: int = 4 << 20
    """Largest manifest. The specification asks for 4 MiB at least."""

    document_bytes: int = 16 << 10
    """Longest JSON body of the admin API."""

    body_idle_s: float = 60.0
    """Seconds without a byte after which a body is given up. Longer holds uploads of dead
    clients; shorter cuts off stalled links that would have recovered."""

    whole_body_s: float = 300.0
    """Longest time for a body that is gathered first: 14 KB/s for the largest manifest. It is in
    memory for so long."""

    streamed_body_s: float = 24 * 3600.0
    """The same for a chunk of a blob: as long as an upload lives by default."""

    chunk_min_bytes: int = 0
    """Advised as OCI-Chunk-Min-Length when not 0. Larger chunks mean fewer requests."""
