"""
Rounds: every server answers each question once per round, after one round that does not count.

The order of the servers turns around from round to round, and the comparison is the median of the
ratios within rounds, so that a machine that slows down or warms up does not favour a side.

Before each sample two debts are paid that would else fall on whoever comes next: pages of the last
server that wait to be written, and memory that a virtual machine gave back to its host. The first
touch of such memory costs about 2.5 ms per MiB here, five times what a push of that MiB takes, and
which server meets it is a matter of luck.
"""

import mmap
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from bench.peers import ATOLL, Server

ROUNDS: Final = 5

_TOUCHED_BYTES: Final = 1 << 30
"""More than the blobs, the page cache and the copies of one sample take together."""


@dataclass(frozen=True)
class Probe:
    """One question: *measure* returns a rate (more is better) for a server in a round."""

    name: str
    unit: str
    measure: Callable[[Server, int], float]


@dataclass
class Figure:
    """The answers to one question: for each server, one sample per round."""

    question: str
    unit: str
    samples: dict[str, list[float]] = field(default_factory=dict)

    def median_of(self, server: str) -> float:
        return median(self.samples[server])

    def ratios_to(self, peer: str) -> list[float]:
        """Return Atoll's rate over the peer's, round by round."""
        pairs = zip(self.samples[ATOLL], self.samples[peer], strict=True)
        return [ours / theirs for ours, theirs in pairs]

    def ratio_to(self, peer: str) -> float:
        """Return the median of the rounds' ratios."""
        return median(self.ratios_to(peer))


def measure(servers: Sequence[Server], probes: Sequence[Probe], rounds: int) -> list[Figure]:
    """Warm up, then run the rounds; each sample is also printed as it comes."""
    figures = [Figure(probe.name, probe.unit) for probe in probes]
    for number in range(rounds + 1):
        order = list(servers) if number % 2 else list(reversed(servers))
        for probe, figure in zip(probes, figures, strict=True):
            for server in order:
                # What the last one left to be written would be paid by the next.
                os.sync()
                _touch_free_memory()
                value = probe.measure(server, number)
                kind = f"round {number}" if number else "warm-up"
                progress = f"{probe.name:32} {kind:8} {server.name:18} {value:12,.1f} {probe.unit}"
                print(progress, file=sys.stderr, flush=True)
                if number:
                    figure.samples.setdefault(server.name, []).append(value)
    return figures


def _touch_free_memory() -> None:
    """Have the machine own enough free memory: what was touched last is what is handed out next."""
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE
    mmap.mmap(-1, _TOUCHED_BYTES, flags=flags).close()
