"""
How far logs go: what one vector has and another lacks. Pure.

A vector has one entry for each log. Every start of a node begins a log, so entries would grow with
restarts for ever. But the logs of runs that are over may be *retired* (`cluster.gossip.retirement`,
decision 29): then one entry of their node stands for all of them, its *watermark*. That says up to
which epoch everything of the node is here, with a hash over how far each of those logs goes. It
stands under epoch 0, which no run has, so whatever copies, merges or keeps a vector by its entries
takes watermarks along. A later watermark is the larger number.

Example: node A ran in epochs 3, 5 and 8, and wrote 20, 7 and 2 events.

    {(A, 3): 20, (A, 5): 7, (A, 8): 2}        nothing is retired
    {(A, 0): 5 and its hash, (A, 8): 2}       epochs up to 5 are

The two are the same vector: the hash over "3: 20, 5: 7" is that of the watermark. Had the first one
(A, 5): 6, its hash would be another one, and nobody could tell what is missing: whoever has that
takes over a state (a checkpoint), as with any log that is gone.
"""

import struct
from collections.abc import Collection, Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Final, NamedTuple

from cluster.model import NodeId, Origin, Vector

COMPLETE: Final = 1 << 64
"""How far a retired log is had: further than any sequence."""

_CHAIN_BITS: Final = 64
_LINK: Final = struct.Struct(">QQQ")


class Watermark(NamedTuple):
    """All logs of a node of epochs up to *epoch* are complete."""

    epoch: int
    """That of the latest retired log; 0: none is retired."""

    chain: int = 0
    """The hash over epoch and last sequence of each of them, in their order; 64 bits."""

    @property
    def value(self) -> int:
        """What stands for it in a vector."""
        return self.epoch << _CHAIN_BITS | self.chain

    @classmethod
    def of(cls, value: int) -> "Watermark":
        """Inverse of `value`."""
        return cls(value >> _CHAIN_BITS, value & ((1 << _CHAIN_BITS) - 1))


def mark_of(node: str) -> Origin:
    """Under what the watermark of *node* stands."""
    return Origin(node, 0)


def is_mark(origin: Origin) -> bool:
    return origin.epoch == 0


def watermark(vector: Vector, node: str) -> Watermark:
    return Watermark.of(vector.get(mark_of(node), 0))


def is_retired(vector: Vector, origin: Origin) -> bool:
    """Whether *vector* has the log *origin* as one that is retired."""
    return 0 < origin.epoch <= watermark(vector, origin.node).epoch


def reached(vector: Vector, origin: Origin) -> int:
    """How far *vector* has one log; `COMPLETE` where that is retired."""
    seq = vector.get(origin, 0)
    return COMPLETE if not seq and is_retired(vector, origin) else seq


def logs(vector: Vector) -> Iterator[tuple[Origin, int]]:
    """The entries that are of one log each."""
    return ((origin, seq) for origin, seq in vector.items() if origin.epoch)


def marks(vector: Vector) -> dict[Origin, int]:
    """The watermarks alone."""
    return {origin: value for origin, value in vector.items() if is_mark(origin)}


def covers(have: Vector, wanted: Vector) -> bool:
    """Whether who has *have* has all of *wanted*."""
    # Nearly always the entry itself says so, and there may be thousands.
    rest = [origin for origin, seq in wanted.items() if have.get(origin, 0) < seq]
    return all(
        is_mark(origin) or reached(have, origin) >= wanted[origin] for origin in rest
    ) and not unmet(have, wanted)


def same(one: Vector, other: Vector) -> bool:
    """Whether the two have the same events; a log of which nothing is known is no difference."""
    return covers(one, other) and covers(other, one)


def unmet(have: Vector, wanted: Vector) -> list[str]:
    """
    The nodes of which *wanted* has retired logs that *have* does not have, as far as can be told.

    Entries of *have* that are as far as the watermark says have its hash. Others may be short of
    it, or go beyond it.
    """
    unequal = {
        origin.node: Watermark.of(value)
        for origin, value in wanted.items()
        if not origin.epoch and have.get(origin, 0) != value
    }
    if not unequal:
        return []
    ends = _ends(have, unequal)
    return [
        node
        for node, mark in sorted(unequal.items())
        if not _meets(watermark(have, node), ends[node], mark)
    ]


def _meets(mine: Watermark, ends: Mapping[int, int], mark: Watermark) -> bool:
    if mine.epoch >= mark.epoch:
        return mine.epoch > mark.epoch or mine.chain == mark.chain
    return chain(mine, ends, mark.epoch) == mark.chain


def _ends(vector: Vector, nodes: Collection[str]) -> dict[str, dict[int, int]]:
    ends: dict[str, dict[int, int]] = {node: {} for node in nodes}
    for origin, seq in logs(vector):
        if origin.node in ends:
            ends[origin.node][origin.epoch] = seq
    return ends


def chain(mark: Watermark, ends: Mapping[int, int], upto: int) -> int:
    """
    The hash over the logs up to the epoch *upto*: it goes on from *mark* with *ends*, the last
    sequence by epoch.
    """
    found = mark.chain
    for epoch in sorted(ends):
        if mark.epoch < epoch <= upto and ends[epoch]:
            link = _LINK.pack(found, epoch, ends[epoch])
            found = int.from_bytes(blake2b(link, digest_size=_CHAIN_BITS // 8).digest(), "big")
    return found


def retired(vector: Vector, upto: Mapping[NodeId, int]) -> dict[Origin, int]:
    """*vector* with the logs of each node retired up to an epoch."""
    new = {}
    for node, ends in _ends(vector, upto).items():
        last = upto[NodeId(node)]
        epoch = max((epoch for epoch, seq in ends.items() if seq and epoch <= last), default=0)
        mark = watermark(vector, node)
        if epoch > mark.epoch:
            new[mark_of(node)] = Watermark(epoch, chain(mark, ends, epoch)).value
    return raised(vector, new)


def raised(vector: Vector, new: Vector) -> dict[Origin, int]:
    """*vector* with the watermarks *new* where they are later, and without what they stand for."""
    found = dict(vector)
    for origin, value in new.items():
        found[origin] = max(value, found.get(origin, 0))
    for origin in stood_for(found, found):
        del found[origin]
    return found


def stood_for(origins: Iterable[Origin], vector: Vector) -> list[Origin]:
    """Those of *origins* for which a watermark of *vector* stands."""
    upto = {origin.node: Watermark.of(value).epoch for origin, value in marks(vector).items()}
    return [origin for origin in origins if 0 < origin.epoch <= upto.get(origin.node, 0)]


def merged(one: Vector, other: Vector) -> dict[Origin, int]:
    """All that is in either of the two, of whom each says what the same disk had."""
    later = {o: max(one.get(o, 0), other.get(o, 0)) for o in one.keys() | other.keys()}
    return raised(later, {})
