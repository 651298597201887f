"""
What does a second copy cost a manifest PUT?

Hypothesis: at most one local round trip and one sync of the disk more than on a single node, as the
event goes to all peers of the region at once, each of which syncs it before it answers.

Method: one client with one kept-alive connection puts small manifests, in turn to a single node
and to one of a region of three. That is done on this machine as it is, then with links that take
50 ms longer between the three, then with disks that take 50 ms longer to sync, everywhere. What a
region adds grows with the link by as many times 50 ms as there are round trips in it, and with the
disk by as many as there are syncs: the rest is work, of three nodes and a client on the same cores.
"""

import argparse
import hashlib
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.machine import describe_machine
from bench.manifests import IMAGE, image_manifest
from bench.raw_http import Connection, push_blob, push_manifest
from bench.scratch import scratch
from tests.e2e.serve_cluster import ServeCluster

_ROUNDS = 5
_EACH = 100
_SLOWER_MS = 50
_REPOSITORY = "bench/put-cost"


class Slower(NamedTuple):
    """Milliseconds added to each round trip between nodes, and to each sync of a disk."""

    round_trip: int = 0
    sync: int = 0


_HARDWARE = {
    "as it is": Slower(),
    f"links {_SLOWER_MS} ms slower": Slower(round_trip=_SLOWER_MS),
    f"disks {_SLOWER_MS} ms slower": Slower(sync=_SLOWER_MS),
}


class Found(NamedTuple):
    """Milliseconds of a PUT, one median for each round."""

    single: list[float]
    region: list[float]

    @property
    def added(self) -> float:
        """What the region adds, compared round by round."""
        return median(three - one for one, three in zip(self.single, self.region, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare a PUT to one node and to a region.")
    parser.add_argument("--rounds", type=int, default=_ROUNDS)
    rounds = parser.parse_args().rounds
    for name, value in describe_machine().items():
        print(f"- {name}: {value}")
    print()
    print("\n".join(run(rounds)))


def run(rounds: int = _ROUNDS) -> list[str]:
    """Return what was found, in lines of Markdown."""
    found = {name: _measure(name, slower, rounds) for name, slower in _HARDWARE.items()}
    return _lines(found, rounds)


def _measure(name: str, slower: Slower, rounds: int) -> Found:
    """The first round does not count."""
    found = Found([], [])
    with scratch("put-cost") as directory, ExitStack() as clusters:
        single = clusters.enter_context(_cluster(directory / "single", 1, slower))
        region = clusters.enter_context(_cluster(directory / "region", 3, slower))
        for number in range(rounds + 1):
            for cluster, values in ((single, found.single), (region, found.region)):
                value = _put_ms(cluster.nodes[0].http, number)
                if number:
                    values.append(value)
            print(f"{name}: round {number} done", file=sys.stderr, flush=True)
    return found


def _cluster(directory: Path, size: int, slower: Slower) -> ServeCluster:
    directory.mkdir()
    return ServeCluster(
        directory=directory,
        size=size,
        regions=("eu",),
        options=("--log-level", "warning"),
        command=(sys.executable, "-m", "bench.slow", *map(str, slower), ""),
    )


def _put_ms(address: str, number: int) -> float:
    """The median over manifests that are put one after the other."""
    blob = b"put cost"
    digest = "sha256:" + hashlib.sha256(blob).hexdigest()
    taken: list[float] = []
    with Connection(address) as connection:
        push_blob(connection, _REPOSITORY, digest, blob)
        for each in range(_EACH):
            body = image_manifest(digest, len(blob), f"{number}-{each}")
            begun = time.perf_counter()
            push_manifest(connection, _REPOSITORY, "latest", IMAGE, body)
            taken.append(time.perf_counter() - begun)
    return median(taken) * 1000


def _lines(found: dict[str, Found], rounds: int) -> list[str]:
    lines = [
        f"| medians of {rounds} rounds of {_EACH} | single node | one of three | the region adds |",
        "|---|---:|---:|---:|",
    ]
    for name, each in found.items():
        one, three = median(each.single), median(each.region)
        lines.append(f"| hardware {name} | {one:.2f} ms | {three:.2f} ms | {each.added:.2f} ms |")
    plain, links, disks = found.values()
    return [
        *lines,
        "",
        f"- round trips that a region adds: {(links.added - plain.added) / _SLOWER_MS:.2f}",
        f"- syncs that a region adds: {(disks.added - plain.added) / _SLOWER_MS:.2f}",
        f"- work that a region adds, on these cores: {plain.added:.2f} ms",
    ]


if __name__ == "__main__":
    main()
