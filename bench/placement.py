"""
What does it cost to say where a blob belongs, and what does a change move?

Hypothesis: a few microseconds for each store of the regions that keep it, so a plan over a million
blobs is made in seconds; and a change moves the share of the store that changes.

Method: one process places digests by layouts of one region, and of three; nothing else is done, and
only this process's time is counted. The ideal share of a store is its weight by the weight of all.
`python -m bench.placement` prints it.
"""

import time
from collections import Counter
from collections.abc import Sequence

from cluster.layout.changes import Add, Change, SetAvailability, SetWeight
from cluster.layout.document import Availability, Layout, LayoutMember, Settings
from cluster.layout.placement import Placement
from cluster.layout.plan import plan
from cluster.layout.proposal import changed, genesis
from cluster.layout.rows import Row
from cluster.model import Digest, NodeId, Region

_BLOBS = 50_000
_TIMED = 20_000
_MIB = 1 << 20


def store(node: str, zone: str = "", region: str = "eu") -> LayoutMember:
    return LayoutMember(NodeId(node), f"{node}-disk", Region(region), zone)


def region(count: int, zones: int, copies: int) -> Layout:
    """Equal stores, dealt out to the zones."""
    members = [store(f"n{n}", f"z{n % zones}") for n in range(count)]
    return genesis(members, Settings(copies=copies))


def costs() -> list[str]:
    lines = ["| stores | zones | copies | µs for a blob |", "|---|---|---|---|"]
    digests = [Digest.of(str(n).encode()) for n in range(_TIMED)]
    for count, zones, copies in ((3, 1, 2), (5, 1, 2), (9, 3, 3), (20, 4, 2), (100, 5, 2)):
        placement = Placement(region(count, zones, copies))
        begun = time.process_time()
        for digest in digests:
            placement.targets(digest, home=Region("eu"))
        cost = (time.process_time() - begun) / _TIMED * 1e6
        lines.append(f"| {count} | {zones} | {copies} | {cost:.1f} |")
    members = [store(f"{r}{n}", region=r) for r in ("ap", "eu", "us") for n in range(3)]
    three = Placement(genesis(members, Settings(regions_min=2)))
    begun = time.process_time()
    for digest in digests:
        three.targets(digest, home=Region("eu"))
    cost = (time.process_time() - begun) / _TIMED * 1e6
    return [*lines, f"| 9 in 3 regions, 2 of them keep a blob | 1 | 2 in each | {cost:.1f} |"]


def moves() -> list[str]:
    lines = [
        "| nine equal stores | zones | copies | copies moved | the store's share | others moved |",
        "|---|---|---|---|---|---|",
    ]
    node = NodeId("n0")
    changes: Sequence[tuple[str, Change, float]] = (
        ("one more", Add(store("more", "z0")), 1 / 10),
        ("one less", SetAvailability(node, Availability.DRAINING), 1 / 9),
        ("one at half its weight", SetWeight(node, 50), 1 / 9 - 50 / 850),
    )
    for name, change, share in changes:
        for zones, copies in ((1, 1), (1, 2), (3, 2), (3, 3)):
            before = region(9, zones, copies)
            old, new = Placement(before), Placement(changed(before, change))
            moved, others = 0, 0
            for n in range(_BLOBS):
                digest = Digest.of(str(n).encode())
                was = set(old.targets(digest, home=Region("eu")))
                now = set(new.targets(digest, home=Region("eu")))
                moved += len(now - was)
                others += bool(now - was) and not {node, NodeId("more")} & (now ^ was)
            part = moved / (copies * _BLOBS)
            lines.append(f"| {name} | {zones} | {copies} | {part:.2%} | {share:.2%} | {others} |")
    return lines


def balance() -> list[str]:
    lines = ["| stores | zones | copies | least, by the mean | most |", "|---|---|---|---|---|"]
    for count, zones, copies in ((5, 1, 2), (9, 1, 2), (9, 3, 2), (10, 3, 2), (10, 3, 3)):
        placement = Placement(region(count, zones, copies))
        loads: Counter[NodeId] = Counter()
        for n in range(_BLOBS):
            loads.update(placement.targets(Digest.of(str(n).encode()), home=Region("eu")))
        mean = copies * _BLOBS / count
        least, most = min(loads.values()) / mean, max(loads.values()) / mean
        lines.append(f"| {count} | {zones} | {copies} | {least:.3f} | {most:.3f} |")
    return lines


def planning() -> list[str]:
    before = region(5, 1, 2)
    after = changed(before, Add(store("more", "z0")))
    placement = Placement(before)
    digests = [Digest.of(str(n).encode()) for n in range(_BLOBS)]
    rows = [Row(d, 10 * _MIB, placement.targets(d, home=Region("eu"))) for d in digests]
    begun = time.process_time()
    made = plan(before, after, rows)
    cost = (time.process_time() - begun) / _BLOBS * 1e6
    return [
        f"A sixth store for {_BLOBS:,} blobs of 10 MiB: {made.copies:,} copies, "
        f"{made.bytes / 2**30:.0f} GiB, {made.seconds(100 * _MIB):.0f} s at 100 MiB/s; "
        f"planned with {cost:.1f} µs for a blob."
    ]


if __name__ == "__main__":
    for part in (costs, moves, balance, planning):
        print("\n".join(part()), end="\n\n", flush=True)
