"""
How many bytes does a heartbeat take?

Every node greets every other one, each second across regions and four times a second within one:
what a greeting says is paid as often as there are links. Hypothesis: at most 1 KiB when nothing
changes and 4 KiB at 100 writes a second, with 100 members in 10 regions that were started 100 times
each. And what does it save to retire the logs of all runs but the last (decision 29)? Hypothesis:
the first greeting takes twice of what it takes where nobody was ever started again: two entries of
the vector for each member in place of one.

Method: two engines in one process know all members, and have all their logs. One greets the other
through the codec, the first time and then again and again; no network and no other node is there.
Between two greetings comes what is written in the time between two heartbeats, by one writer after
the other, which is the most that a vector can change. The larger of question and answer counts.
Both ends' work, codec included, is timed as well; that of the first greeting for itself.
"""

import argparse
import asyncio
import time
from statistics import median
from typing import NamedTuple

from cluster.config import ClusterConfig
from tests.fakes.heartbeats import Pair, Shape

SHAPES = (Shape(10, 10), Shape(30, 10), Shape(100, 10), Shape(100, 1))
RESTARTED = (
    ("no restarts", Shape(100, 10, restarts=1)),
    ("100 restarts", Shape(100, 10)),
    ("100 restarts, retired", Shape(100, 10, retired=True)),
)
WRITES_S = 100
_BEATS = 5


class Found(NamedTuple):
    """Bytes of the larger message; milliseconds of both ends' work in the last case."""

    first: int
    unchanged: int
    written: int
    work_ms: float
    first_ms: float = 0.0
    """Both ends' work in the first greeting."""

    entries: int = 0
    """Of the vector."""


def interval_s(shape: Shape) -> float:
    config = ClusterConfig()
    within = config.heartbeat_interval_s
    return within if shape.regions == 1 else config.heartbeat_remote_interval_s


async def measure(shape: Shape, writes_s: int = WRITES_S) -> Found:
    pair = Pair(shape)
    began = time.perf_counter()
    first = max(await pair.beat())
    first_ms = 1000 * (time.perf_counter() - began)
    # Behind the first greeting in each direction both ends know what the other one has.
    unchanged = [max(await pair.beat()) for _ in range(1 + _BEATS)][1:]
    written, work_ms = [], []
    for _ in range(_BEATS):
        pair.write(round(writes_s * interval_s(shape)))
        began = time.perf_counter()
        written.append(max(await pair.beat()))
        work_ms.append(1000 * (time.perf_counter() - began))
    entries = len(pair.logs)
    return Found(first, max(unchanged), max(written), median(work_ms), first_ms, entries)


def run() -> list[str]:
    """The figures as lines of Markdown."""
    lines = [
        f"| members | regions | first greeting | nothing changes | {WRITES_S} writes/s | work |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    for shape in SHAPES:
        found = asyncio.run(measure(shape))
        sizes = " | ".join(f"{size:,} B" for size in found[:3])
        lines.append(f"| {shape.members} | {shape.regions} | {sizes} | {found.work_ms:.1f} ms |")
    lines += [
        "",
        "| 100 members, 10 regions | entries | first greeting | its work | nothing changes |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, shape in RESTARTED:
        each = [asyncio.run(measure(shape)) for _ in range(_BEATS)]
        first_ms = median(found.first_ms for found in each)
        found = each[0]
        lines.append(
            f"| {name} | {found.entries:,} | {found.first:,} B | {first_ms:.1f} ms "
            f"| {found.unchanged:,} B |"
        )
    return lines


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    print("\n".join(run()))


if __name__ == "__main__":
    main()
