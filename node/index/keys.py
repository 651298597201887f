"""
The key layout, drawn.

Every variable part ends in 0x00, so a scan of `lib/app` can never see `lib/app2`
(CVE-2026-110697 is what happens without). No part may contain 0x00: names, tags and digests
cannot, by their grammar.

    family           key                                    value (node.index.rows)
    ---------------  -------------------------------------  ---------------------------------
    meta             name 0                                 format, migrating, node, epoch, totals
                     "member" 0 node 0                      Rumour: a member as last known
                     "store" 0                              the name of this disk
                     "acceptor" 0                           AcceptorState of the control log
                     "slot" 0 slot(8)                       Batch: what was decided
                     "ended" 0 hash(32)                     a generation not to join again
                     "untagging" 0 repo 0 digest 0          Deletion that has tags left
                     "naming" 0 repo 0 digest 0             (8) where to go on with what it names
    manifests        repo 0 digest 0                        Presence, note = media type
    manifest_bytes   repo 0 digest 0                        the manifest, byte for byte
    blobs            repo 0 digest 0                        Presence, note = size in bytes
    linked           digest 0 repo 0                        (empty): blobs, the other way round
    tags             repo 0 tag 0                           Register, value = digest
    history          repo 0 tag 0 stamp(8) dot              HistoryRow: every write of the tag
    histories        repo 0 tag 0                           HistoryTotalsRow: what is in it
    conflicts        repo 0 tag 0                           (empty): tags with several values
    tagged           repo 0 digest 0 tag 0                  (empty): tags served, by digest
    referrers        repo 0 subject 0 digest 0              the descriptor, as JSON
    referrer_types   repo 0 subject 0 digest 0              its artifactType, to filter by
    repositories     repo 0                                 RepositoryRow: what is in it
    settings         type 0 name 0                          Register, value = JSON object
    deletions        collection 0 repo 0 name 0             Deletion: the last, until all are stable
    named            digest 0 repo 0 kind 0 parent 0        size(8) that the parent says it has
    kept_named       digest 0 repo 0 kind 0 parent 0        the same, of a parent that is only kept
    kept_bytes       repo 0 digest 0                        a deleted manifest, byte for byte
    holders          digest 0 node 0                        HolderRow
    own              digest 0                               those of this node that hold
    cached           digest 0                               size(8) of a copy that does not count
    log              node 0 epoch(8) seq(8)                 the event, as it came
    vector           node 0 epoch(8)                        seq(8): last applied, gap-free
                     node 0 0(8)                            epoch(8) hash(8): watermark of the node
    floor            node 0 epoch(8)                        seq(8): gone up to here from the log
    merkle           partition(1)                           sum(16) rows(8), see node.index.merkle
    quarantine       dot                                    QuarantineRow
    uploads          id 0                                   UploadRow

Numbers are big-endian, so that bytes sort as numbers do.
"""

import struct

from cluster import vectors
from cluster.model import Dot, Origin

_U64 = struct.Struct(">Q")


def join(*parts: str) -> bytes:
    """The key, or the prefix of keys, made of these parts."""
    return "\0".join((*parts, "")).encode()


def split(key: bytes) -> list[str]:
    """Inverse of `join`."""
    return key[:-1].decode().split("\0")


def split_first(key: bytes, count: int) -> list[str]:
    """The first *count* parts of a key that more follows, such as numbers."""
    return [part.decode() for part in key.split(b"\0", count)[:count]]


def after(prefix: bytes) -> bytes:
    """
    The first key behind every key that starts with *prefix*.

    *prefix* comes from `join` and so ends in 0x00; 0x01 in its place sorts right behind.
    """
    return prefix[:-1] + b"\1"


def u64(number: int) -> bytes:
    return _U64.pack(number)


def read_u64(data: bytes) -> int:
    number: int = _U64.unpack(data)[0]
    return number


def dot(value: Dot) -> bytes:
    return join(value.node) + u64(value.epoch) + u64(value.seq)


def origin(value: Origin) -> bytes:
    return join(value.node) + u64(value.epoch)


def read_origin(key: bytes) -> Origin:
    """Inverse of `origin`."""
    node = key[:-9].decode()
    return Origin(node, read_u64(key[-8:]))


def reach(value: Origin, seq: int) -> bytes:
    """The value of a row of `vector` or `floor`: a sequence, or a watermark (`cluster.vectors`)."""
    return seq.to_bytes(16 if vectors.is_mark(value) else 8, "big")


def read_reach(data: bytes) -> int:
    """Inverse of `reach`."""
    return int.from_bytes(data, "big")


def log(value: Origin, seq: int) -> bytes:
    return origin(value) + u64(seq)


def history(repository: str, tag: str, stamp: int, written_by: Dot) -> bytes:
    return join(repository, tag) + u64(stamp) + dot(written_by)


def read_history(key: bytes) -> tuple[int, Dot]:
    """The stamp and the dot in a key of `history`. No name holds 0x00, so the tag ends there."""
    start = key.index(b"\0", key.index(b"\0") + 1) + 1
    stamp, node = read_u64(key[start : start + 8]), key[start + 8 : -17].decode()
    return stamp, Dot(node, read_u64(key[-16:-8]), read_u64(key[-8:]))
