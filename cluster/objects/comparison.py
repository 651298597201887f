"""
Comparing what the rows of two replicas add up to (decisions 8 and 15). Pure.

Only replicas with equal vectors can be compared: they must have equal rows then.
"""

from collections.abc import Mapping
from typing import Final

from cluster import vectors
from cluster.messages import CompareReply, CompareRequest, Difference
from cluster.model import NodeId, Summed, Vector

PARTITIONS: Final = 256
HASH_BYTES: Final = 16
COUNT_BYTES: Final = 8
SUMS_BYTES: Final = PARTITIONS * (HASH_BYTES + COUNT_BYTES)
"""All partitions in a row, each its sum and its number of rows."""


def next_to_ask(
    vector: Vector, haves: Mapping[NodeId, Vector], last_asked: Mapping[NodeId, int]
) -> NodeId | None:
    """
    The member to compare with: of those that have the same events, as far as they said, the one
    that was asked longest ago.

    *last_asked* has the number of the round in which each was asked last.
    """
    alike = [node for node, have in haves.items() if vectors.same(vector, have)]
    return min(alike, key=lambda node: (last_asked.get(node, 0), node), default=None)


def answer(mine: Summed, asked: CompareRequest, *, sound: bool) -> CompareReply:
    """What the node with *mine* answers to one that *asked*."""
    if mine.form != asked.form or not vectors.same(mine.vector, asked.vector):
        return CompareReply(same_vector=False, sound=sound)
    return CompareReply(True, sound, tuple(differences(mine, asked)))


def differences(mine: Summed, other: CompareRequest) -> list[Difference]:
    """
    The partitions whose sums differ, with the number of rows in *mine*.

    Where the two keep different events in quarantine, one has applied what the other has not.
    """
    width = HASH_BYTES + COUNT_BYTES
    return [
        Difference(number, rows(mine.sums, number))
        for number in range(PARTITIONS)
        if mine.quarantined.get(number) == other.quarantined.get(number)
        and mine.sums[number * width : (number + 1) * width]
        != other.sums[number * width : (number + 1) * width]
    ]


def rows(sums: bytes, partition: int) -> int:
    """The number of rows in one partition."""
    end = (partition + 1) * (HASH_BYTES + COUNT_BYTES)
    return int.from_bytes(sums[end - COUNT_BYTES : end], "big")
