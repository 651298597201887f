"""What a plan would move, kept beside the plan: to count it anew is to look at all blobs."""

from collections import Counter, OrderedDict
from collections.abc import Iterable
from typing import Final

from cluster.layout import Layout, Plan
from node.attention.facts import MemberFacts
from node.desk.disks import disks_after
from node.desk.values import PlanMoves, RegionMoves

BYTES_PER_S: Final = 100 << 20
"""What a node gets and gives at once, where nobody says otherwise."""

KEPT: Final = 16
"""Plans of which it is kept, the latest: as many as anybody compares."""


def plan_moves(
    now: float,
    plan: Plan,
    layouts: Iterable[Layout],
    members: Iterable[MemberFacts],
    bytes_per_s: float,
) -> PlanMoves:
    """In short. *layouts* are those that name who gets and gives."""
    region_of = {m.node: m.region for layout in layouts for m in layout.members}
    gets: Counter[str] = Counter()
    gives: Counter[str] = Counter()
    for node, traffic in plan.nodes.items():
        gets[region_of[node]] += traffic.bytes_in
        gives[region_of[node]] += traffic.bytes_out
    before, after = disks_after(members, plan.nodes)
    return PlanMoves(
        round(now, 3),
        plan.blobs,
        plan.copies,
        plan.bytes,
        plan.far_bytes,
        round(plan.seconds(bytes_per_s), 1),
        before,
        after,
        [RegionMoves(r, gets[r], gives[r]) for r in sorted(gets.keys() | gives.keys())],
    )


class PlanBook:
    """By the fingerprints of the plans that were made at this node since it started."""

    def __init__(self) -> None:
        self._moves: OrderedDict[str, PlanMoves] = OrderedDict()

    def keep(self, fingerprint: str, moves: PlanMoves) -> None:
        """In the place of what was kept of the same plan."""
        self._moves[fingerprint] = moves
        self._moves.move_to_end(fingerprint)
        while len(self._moves) > KEPT:
            self._moves.popitem(last=False)

    def of(self, fingerprint: str) -> PlanMoves | None:
        """None: it was not made here, or long ago."""
        return self._moves.get(fingerprint)
