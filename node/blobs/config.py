"""Tuning of the blob store."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobStoreConfig:
    """How the filesystem blob store uses the machine."""

    threads: int = 8
    """Threads that hash, write and sync. More let more small blobs share one journal commit of the
    filesystem; beyond that they only contend for the cores. Each holds at most one buffer of
    1 MiB (when it hashes a file again), so memory is not the limit."""

    reserve_bytes: int = 0
    """Free bytes that no new blob may take from the disk. They are for what must go on when it is
    full: the index, deleting, recovering. More refuses pushes sooner."""

    inline_read_max_bytes: int = 256 * 1024
    """Reads up to this size that the page cache can answer are done in the event loop. Higher
    saves more hops to a thread (about 0.1 ms each) and holds the loop longer (about 0.05 ms at
    256 KiB)."""

    verify_interval_s: float = 6 * 3600.0
    """How long a file that was hashed is served without being hashed again. Shorter finds rot
    sooner and takes more of the processor; 0 hashes at every read."""

    verify_first_max_bytes: int = 8 << 20
    """Up to this size a file is hashed before anything of it is sent, so that a client gets another
    node's copy in place of a damaged one. Higher makes the first read of a file slower."""
