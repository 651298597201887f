"""Bugs of retired logs (`cluster.gossip.retirement`, decision 29)."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from cluster import vectors
from cluster.driver.retirer import Retirer
from cluster.gossip import retirement
from cluster.model import Dot, NodeId, Origin, Vector
from cluster.objects import claims
from tests.sim.mutants.mutant import Mutant


def _members_that_are_there(self: Retirer) -> Any:
    return {member.node: member for member in self._env.roll.connected()}


def _agrees_on_the_last(node: NodeId, upto: int, said: Vector, evidence: Any) -> bool:
    last = Origin(node, upto)
    return vectors.reached(said, last) >= evidence.mine.get(last, 0)


def _meets_by_the_last(mine: Any, ends: Mapping[int, int], mark: Any) -> bool:
    return mine.epoch >= mark.epoch or bool(ends.get(mark.epoch))


async def _goes_on(_: Retirer) -> None:
    await asyncio.Event().wait()


def _stands_unless_named(dot: Dot, epoch: int, began: Vector) -> bool:
    return dot.epoch == epoch or dot.seq <= began.get(dot.origin, vectors.COMPLETE)


MUTANTS: Final = [
    Mutant(
        "retired-by-the-living",
        "logs are retired that those members have who are there",
        [(Retirer, "_members", _members_that_are_there)],
        frozenset({"trimmed"}),
    ),
    Mutant(
        "retired-by-the-last",
        "who has the latest retired log counts as one that has those before it, too",
        [
            (retirement, "_agrees", _agrees_on_the_last),
            (vectors, "_meets", _meets_by_the_last),
        ],
        frozenset({"trimmed"}),
    ),
    Mutant(
        "epoch-before-its-own",
        "a node on a new disk keeps an epoch that is before those of its earlier runs",
        [(Retirer, "run", _goes_on)],
        frozenset({"trimmed"}),
    ),
    Mutant(
        "rows-stand-unnamed",
        "a holder row of a log that its node's disk did not name at the start counts as a copy",
        [(claims, "stands", _stands_unless_named)],
        frozenset({"wipe"}),
    ),
]
