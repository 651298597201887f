"""
What does a dead node cost those of its region that survive it?

Hypothesis: routing only. Leases of a majority cover the reads of the survivors (decision 28), so
tag reads and pushes go on at 0.9 times of before at least, and no read crosses to another region.

Method: `bench.two_regions`, 80 ms between them. In each round all five are looked at twice, c is
killed (SIGKILL), from 2 s after it a and b are looked at again, and c is started again on its disk.
A ratio is of one round: with c dead, to the mean of the two looks before; the ratio of those two
tells how far looks at the same thing differ. A look is one figure at a time: `wrk`, 8 connections,
one tag, for a second at a, then at b, five times, of which the median counts; then 4 lanes at a,
each of which pushes a new blob of 4 KiB and a manifest of it; then such pushes one after the other.
With c dead, manifests are pushed through a, and the tag is read at b right after each 201; then the
other way round. At last c comes back on an empty disk.

Who is dead leaves its part of the processor to the others. That flatters pushes, for c applies each
of them too.
"""

import argparse
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from statistics import median
from typing import Final, NamedTuple

from bench.machine import describe_machine
from bench.scratch import scratch
from bench.two_regions import (
    ROUND_TRIP_MS,
    Watch,
    begin,
    crossings,
    current_reads,
    far_calls,
    five_nodes,
    how_read,
    is_covered,
    longest_s,
    metrics,
    push_ms,
    pushes_per_s,
    reads_per_s,
    settle,
    since,
    until,
)
from tests.e2e.processes import is_ready
from tests.e2e.serve_cluster import ServeProcess

_ROUNDS: Final = 5
_AFTER_S: Final = 2.0
"""From the kill to the first figure."""

_SLICES: Final = 5
"""Of reads, a second each, a and b in turn. The median counts: others use this machine too."""

_PUSH_S: Final = 3.0
_ALONE: Final = 60
"""Pushes one after the other."""

_WIPED: Final = 3
"""Times that c comes back on an empty disk."""

_WARM_UP_S: Final = 2
_IDLE_S: Final = 4.0
_CHECKED: Final = 100
"""Pushes whose tag is read at another node."""


class Look(NamedTuple):
    """Rates of one moment, a second, and what the reads of a and b took."""

    reads_a: float
    reads_b: float
    pushes: float
    read_us: float
    """Processor time of a and b for one read, microseconds."""

    push_us: float
    """The same for one push."""

    push_ms: float
    """What one takes while there are no others."""

    how: Counter[str]
    """The reads by how they were answered."""

    wan: float
    """Bytes between the regions while there were reads."""

    idle_wan: float
    """The same just before, while nobody asked for anything."""

    calls: dict[str, int]
    """Calls between the regions while there were reads."""


class Round(NamedTuple):
    before: Look
    again: Look
    after: Look
    longest_s: float
    """Of reads at a and at b, one after the other, from the kill until the look."""

    at_b: int
    """Reads at b that had what was pushed through a."""

    at_a: int
    """The other way round."""

    ready_s: float
    covered_s: float
    """From when c was started again on its disk."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Figures of those who survive a dead node.")
    parser.add_argument("--rounds", type=int, default=_ROUNDS)
    rounds = parser.parse_args().rounds
    for name, value in describe_machine().items():
        print(f"- {name}: {value}")
    print("\n".join(run(rounds)))


def run(rounds: int = _ROUNDS) -> list[str]:
    """Return what was found, in lines of Markdown."""
    with scratch("dead-node") as directory:
        nodes = five_nodes(directory)
        try:
            begin(nodes)
            found = [_round(nodes, number) for number in range(rounds)]
            wiped = _empty_disk(nodes)
        finally:
            for node in nodes:
                node.stop()
    return [*_lines(found), wiped]


def _round(nodes: Sequence[ServeProcess], number: int) -> Round:
    a, b, c = nodes[:3]
    settle(nodes)
    for node in (a, b):
        reads_per_s(node, _WARM_UP_S)
    pushes_per_s(a, _WARM_UP_S)
    before, again = _look(nodes), _look(nodes)
    with Watch(a) as seen_a, Watch(b) as seen_b:
        c.kill()
        time.sleep(_AFTER_S)
    found = Round(
        before,
        again,
        _look(nodes),
        longest_s([*seen_a.seen, *seen_b.seen]),
        current_reads(a, b, _CHECKED),
        current_reads(b, a, _CHECKED),
        *_back(c),
    )
    print(f"round {number}: {found}", file=sys.stderr, flush=True)
    return found


def _look(nodes: Sequence[ServeProcess]) -> Look:
    a, b = nodes[:2]
    wan = crossings(nodes)
    begun, begun_s = wan.look(), time.perf_counter()
    time.sleep(_IDLE_S)
    how, cpu_s, calls = how_read([a, b]), _cpu_s([a, b]), far_calls(nodes)
    idle, idle_s = wan.look(), time.perf_counter()
    pairs = [(reads_per_s(a, 1), reads_per_s(b, 1)) for _ in range(_SLICES)]
    crossed, took_s = wan.look() - idle, time.perf_counter() - idle_s
    called, cpu_s = since(calls, far_calls(nodes)), _cpu_s([a, b]) - cpu_s
    read = how_read([a, b])
    read.subtract(how)
    push_cpu_s = _cpu_s([a, b])
    pushes, pushed = pushes_per_s(a, _PUSH_S)
    push_cpu_s = _cpu_s([a, b]) - push_cpu_s
    return Look(
        median(at_a for at_a, _ in pairs),
        median(at_b for _, at_b in pairs),
        pushes,
        1e6 * cpu_s / read.total(),
        1e6 * push_cpu_s / pushed,
        push_ms(a, _ALONE),
        read,
        crossed / took_s,
        (idle - begun) / (idle_s - begun_s),
        called,
    )


def _cpu_s(nodes: Sequence[ServeProcess]) -> float:
    return sum(metrics(node)["process_cpu_seconds_total"] for node in nodes)


def _back(node: ServeProcess) -> tuple[float, float]:
    """Start a node; seconds until it is ready, and until leases cover its reads."""
    begun = time.perf_counter()
    node.start()
    until(lambda: is_ready(node.http), f"{node.name} does not get ready")
    ready_s = time.perf_counter() - begun
    until(lambda: is_covered(node), f"{node.name} is not covered")
    return ready_s, time.perf_counter() - begun


def _empty_disk(nodes: Sequence[ServeProcess]) -> str:
    """Have c come back without its disk, some times; returns what was found."""
    a, _, c = nodes[:3]
    found: list[tuple[float, float]] = []
    current = 0
    for _ in range(_WIPED):
        settle(nodes)
        c.kill()
        time.sleep(_AFTER_S)
        shutil.rmtree(c.data_dir)
        found.append(_back(c))
        print(f"empty disk: {found[-1]}", file=sys.stderr, flush=True)
        current += current_reads(a, c, _CHECKED) + current_reads(c, a, _CHECKED)
    return (
        f"- c comes back on an empty disk, {_WIPED} times: ready after "
        f"{_spread([ready for ready, _ in found])}, covered after "
        f"{_spread([covered for _, covered in found])}; then the tag is new after {current} of "
        f"{2 * _CHECKED * _WIPED} pushes, at c through a and the other way round"
    )


def _lines(rounds: Sequence[Round]) -> list[str]:
    rates: dict[str, Callable[[Look], float]] = {
        "tag reads at a": lambda look: look.reads_a,
        "tag reads at b": lambda look: look.reads_b,
        "pushes of 4 KiB at a": lambda look: look.pushes,
        "one push alone at a, ms": lambda look: look.push_ms,
        "processor time of a and b for a push, µs": lambda look: look.push_us,
        "processor time of a or b for a read, µs": lambda look: look.read_us,
    }
    lines = [
        f"- round trip between regions: {ROUND_TRIP_MS} ms; medians of {len(rounds)} rounds",
        "",
        "| a second, or as said | before | c dead | ratio | its range | two looks before |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, rate in rates.items():
        befores = [(rate(each.before) + rate(each.again)) / 2 for each in rounds]
        afters = [rate(each.after) for each in rounds]
        ratios = [after / before for before, after in zip(befores, afters, strict=True)]
        same = [rate(each.again) / rate(each.before) for each in rounds]
        before, after = median(befores), median(afters)
        lines.append(
            f"| {name} | {before:,.0f} | {after:,.0f} | {median(ratios):.2f} | "
            f"{min(ratios):.2f} to {max(ratios):.2f} | {min(same):.2f} to {max(same):.2f} |"
        )
    lines += [
        "",
        "| during reads at a and b | before | c dead |",
        "|---|---:|---:|",
        *_shown([r.before for r in rounds] + [r.again for r in rounds], [r.after for r in rounds]),
        "",
        f"- longest read at a or b, from the kill until the figures: "
        f"{1000 * max(each.longest_s for each in rounds):.0f} ms",
        f"- c dead, {_CHECKED * len(rounds)} pushes through a: the tag is new at b right after the "
        f"201 of {sum(each.at_b for each in rounds)}; and the other way round of "
        f"{sum(each.at_a for each in rounds)}",
        f"- c comes back on its disk: ready after {_spread([r.ready_s for r in rounds])}, covered "
        f"after {_spread([r.covered_s for r in rounds])}",
    ]
    return lines


def _shown(before: Sequence[Look], after: Sequence[Look]) -> list[str]:
    """What the reads took, with the dead and without."""
    both = (before, after)
    how = [sum((each.how for each in looks), Counter[str]()) for looks in both]
    calls = [sum((Counter(each.calls) for each in looks), Counter[str]()) for looks in both]
    rest = ("asked", "unconfirmed", "refused")
    rows = {
        "reads by leases": [f"{each['covered']:,}" for each in how],
        "asked, unconfirmed, refused": [
            ", ".join(f"{each[name]}" for name in rest) for each in how
        ],
        "bytes a second between the regions": [
            f"{median(look.wan for look in looks):,.0f}" for looks in both
        ],
        "the same while nobody reads": [
            f"{median(look.idle_wan for look in looks):,.0f}" for looks in both
        ],
        "pulls between the regions": [f"{each['pull']}" for each in calls],
        "all calls between the regions": [
            ", ".join(f"{name} {count}" for name, count in sorted(each.items())) for each in calls
        ],
    }
    return [f"| {name} | {' | '.join(values)} |" for name, values in rows.items()]


def _spread(values: Sequence[float]) -> str:
    return f"{median(values):.1f} s ({min(values):.1f} to {max(values):.1f})"


if __name__ == "__main__":
    main()
