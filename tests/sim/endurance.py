"""
One cluster for hours of virtual time under an even load: what grows that should not?

    python -m tests.sim.endurance --hours 3

What each node keeps in memory is counted when a tenth of the time is over, and at the end. Tags
and the bounds of the engine are few, so what is more by then grows with the work that was done.
"""

import argparse
import random
import sys
from collections import Counter
from typing import TYPE_CHECKING, Final
from unittest.mock import patch

from cluster.objects.comparison import PARTITIONS
from tests.sim import faults
from tests.sim.plan import Plan, Step
from tests.sim.repeatable import with_fixed_hashes
from tests.sim.simulation import Result, simulate
from tests.sim.sizes import sizes

if TYPE_CHECKING:
    from tests.sim.world import World

Counted = dict[str, Counter[str]]
"""What each node keeps, by path."""

NODES: Final = [("a", "eu"), ("b", "eu"), ("c", "us")]
KINDS: Final = (
    "push", "pull_tag", "push", "pull_digest", "delete_tag", "push", "list_tags", "delete_manifest",
    "retag",
)  # fmt: skip
PAUSE_S: Final = 20.0
"""Without load before each count."""

TUNING: Final = {"confirmed_max": 8, "trim_interval_s": 1.0, "log_settled_s": 1.5, "log_away_s": 60}

LIMITS: Final = {
    "cluster._durability._confirmed": 8,
    # What was here in the last second, for the readers of two regions.
    "cluster._freshness._machine._grants[][]._kept[]": 2 * 2 * 22,
    "cluster._freshness._machine._grants[][]._kept[][]": 2 * 22 * len(NODES),
    "cluster._durability._confirmed[]": 8 * len(NODES),
    "index.metadata._journal.sums.partitions[]": 2 * PARTITIONS,
}
"""What may grow for a while, and how far: with blobs, to its bound, and with rows."""

SLACK: Final = 2 * len(NODES)
"""What one count may have more than the other: whom a node has just been busy with."""


def endurance_plan(minutes: float) -> Plan:
    """An operation each second, and a pause before each count."""
    rng, end_s = random.Random("endurance"), minutes * 60
    steps: list[Step] = []
    counts_at = [end_s / 10, end_s - 1.0]
    for number in range(int(end_s - 6.0)):
        at = 6.0 + number
        if any(count_at - PAUSE_S < at <= count_at for count_at in counts_at):
            continue
        steps.append(
            {
                "at": at,
                "do": KINDS[number % len(KINDS)],
                "region": rng.choice(("eu", "us")),
                "repo": "lib/app",
                "tag": f"v{rng.randrange(3)}",
                "salt": rng.randrange(1 << 16),
                "layers": ["base"],
            }
        )
    steps += [{"at": at, "do": "count", "salt": 0} for at in counts_at]
    steps.sort(key=lambda step: step["at"])
    return Plan("endurance", NODES, steps, work_s=end_s, tuning=dict(TUNING))


def endure(minutes: float) -> tuple[Result, dict[str, tuple[int, int]]]:
    """Run for so long; what came of it, and what grew, by node and path."""
    counts: list[Counted] = []

    async def count(world: "World", step: Step) -> None:
        counts.append({m.name: sizes(m.running) for m in world.machines if m.running is not None})

    with patch.dict(faults.FAULTS_BY_NAME, {"count": count}):
        result = simulate(endurance_plan(minutes))
    early, late = counts
    return result, {
        f"{node}: {path}": (early[node][path], many)
        for node, counted in late.items()
        for path, many in counted.items()
        if many > max(early[node][path] + SLACK, LIMITS.get(path, 0))
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim.endurance")
    parser.add_argument("--hours", type=float, default=3.0)
    args = parser.parse_args()
    result, grown = endure(args.hours * 60)
    print(f"{result.simulated_s / 3600:.1f} h, {result.acknowledged} operations acknowledged")
    print(*result.violations, *(f"{path} grew: {sizes}" for path, sizes in grown.items()), sep="\n")
    return 1 if grown or result.violations else 0


if __name__ == "__main__":
    with_fixed_hashes("tests.sim.endurance")
    sys.exit(main())
