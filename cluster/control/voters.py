"""Sets of voters: which are legal, what a majority of one is, and which one to propose."""

from collections.abc import Collection, Iterable, Sequence
from itertools import zip_longest
from typing import Final, NamedTuple

from cluster.control.values import Seat

VOTERS_MAX: Final = 5
"""More would survive more losses, and make each slot wait for more of them."""

_SIZES: Final = (1, 2, 3, 5)
"""Odd, as a fourth voter survives no more losses than a third. Two are for a cluster of two nodes:
both have everything, and neither decides alone."""


class VoterCandidate(NamedTuple):
    """A node that can be a voter."""

    node: str
    region: str


def majority(seats: Collection[object]) -> int:
    return len(seats) // 2 + 1


def others_needed(seats: Collection[object]) -> int:
    """How many of the others a voter has to hear to meet every majority that it was part of."""
    return min(len(seats) - majority(seats) + 1, len(seats) - 1)


def why_not_voters(seats: Sequence[Seat]) -> str | None:
    """What is wrong with a set of voters; None when it is legal."""
    if len(seats) not in _SIZES:
        return f"{len(seats)} voters: it has to be 1, 2, 3 or 5"
    if len({seat.node for seat in seats}) < len(seats):
        return "a node votes once"
    return None


def choose(candidates: Iterable[VoterCandidate], present: Collection[str] = ()) -> tuple[str, ...]:
    """
    The nodes to propose as voters: as many as is legal, spread over the regions.

    Regions take turns, the ones with the most candidates first: so no region has more than one
    voter more than another one that could have more. In a region those who are *present* voters
    come first: a change that is not needed is not made.
    """
    regions: dict[str, list[str]] = {}
    for node, region in sorted(candidates, key=lambda c: (c.node not in present, c.node)):
        regions.setdefault(region, []).append(node)
    order = sorted(regions, key=lambda region: (-len(regions[region]), region))
    turns = zip_longest(*(regions[region] for region in order))
    nodes = [node for turn in turns for node in turn if node is not None]
    size = max((size for size in _SIZES if size <= len(nodes)), default=0)
    return tuple(sorted(nodes[:size]))
