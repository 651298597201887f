"""
Is this version slower than an earlier one?

Method: a commit is checked out beside this one, with an environment of its own, and both run at
once: a single node and a region of three of each. Every question is asked of all in turn, round by
round (`bench.rounds`), and what counts is the ratio within a round. A ratio whose whole range is
below 1 is slower by more than the rounds differ: the exit status is 1 then.
"""

import argparse
import hashlib
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from bench import blob_get, blob_push, manifest_get
from bench.machine import describe_machine
from bench.manifests import IMAGE, image_manifest
from bench.peers import Server
from bench.raw_http import Connection, push_blob, push_manifest
from bench.rounds import ROUNDS, Figure, Probe, measure
from bench.scratch import scratch
from tests.e2e.processes import OPEN, atoll_command
from tests.e2e.serve_cluster import ServeCluster
from tests.mixed import base

_REPOSITORY: Final = "bench/earlier"
_PUTS: Final = 200
_SIZES: Final = {"one node": 1, "a region of 3": 3}
_NOW, _BEFORE = "now", "before"


class Version(NamedTuple):
    """A version of Atoll, and how its nodes let everybody in."""

    command: Sequence[str]
    doors: Sequence[str]


def _doors_of(command: Sequence[str]) -> Sequence[str]:
    """None are needed before there were accounts."""
    done = subprocess.run(
        [*command, "serve", "--help"], capture_output=True, text=True, check=True, timeout=60
    )
    return OPEN if "--open-to" in done.stdout else ()


def main() -> int:
    """Carry out the command; the exit status is 1 where this version is slower."""
    parser = argparse.ArgumentParser(description="Compare this version with an earlier commit.")
    parser.add_argument("commit", nargs="?", help="by default that of `make mixed`")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--manifests", action="store_true", help="ask of manifests only")
    arguments = parser.parse_args()
    commit = base.commit_of(arguments.commit)
    earlier = base.command_of(commit)
    versions = {_NOW: Version(atoll_command(), OPEN), _BEFORE: Version(earlier, _doors_of(earlier))}
    print(f"- before: {commit[:12]}")
    for name, value in describe_machine().items():
        print(f"- {name}: {value}")
    print("\n".join(_HEADER), flush=True)
    slower = False
    of_blobs = () if arguments.manifests else (blob_get.run, blob_push.run)
    for benchmark in (manifest_get.run, _puts, *of_blobs):
        # Fresh servers for each question: no benchmark runs on what another left behind.
        with _servers(versions) as servers:
            for figure in benchmark(servers, arguments.rounds):
                for size in _SIZES:
                    slower |= _tell(figure, size)
    return int(slower)


_HEADER: Final = (
    "",
    "| question | of | before | now | now : before |",
    "|---|---|---:|---:|---:|",
)


@contextmanager
def _servers(versions: dict[str, Version]) -> Iterator[list[Server]]:
    with ExitStack() as stack:
        directory = stack.enter_context(scratch("earlier"))
        yield [
            stack.enter_context(_server(directory, name, size, version))
            for size in _SIZES
            for name, version in versions.items()
        ]


@contextmanager
def _server(parent: Path, name: str, size: str, version: Version) -> Iterator[Server]:
    directory = parent / f"{name}-{_SIZES[size]}"
    directory.mkdir()
    with ServeCluster(
        directory=directory,
        size=_SIZES[size],
        regions=("eu",),
        options=("--log-level", "error"),
        doors=version.doors,
        command=version.command,
    ) as cluster:
        yield Server(_name(name, size), cluster.nodes[0].http)


def _name(version: str, size: str) -> str:
    return f"{version}, {size}"


def _puts(servers: Sequence[Server], rounds: int) -> list[Figure]:
    """Manifests that one client puts one after the other."""
    blob = b"earlier"
    digest = "sha256:" + hashlib.sha256(blob).hexdigest()

    def per_s(server: Server, number: int) -> float:
        with Connection(server.address) as connection:
            push_blob(connection, _REPOSITORY, digest, blob)
            bodies = [image_manifest(digest, len(blob), f"{number}-{n}") for n in range(_PUTS)]
            begun = time.perf_counter()
            for body in bodies:
                push_manifest(connection, _REPOSITORY, "latest", IMAGE, body)
            return _PUTS / (time.perf_counter() - begun)

    return measure(servers, [Probe("manifest PUT, 1 client", "manifests/s", per_s)], rounds)


def _tell(figure: Figure, size: str) -> bool:
    """Print a row; returns whether this version is slower in every round."""
    now, before = (figure.samples[_name(version, size)] for version in (_NOW, _BEFORE))
    ratios = [a / b for a, b in zip(now, before, strict=True)]
    rates = f"{median(before):,.0f} | {median(now):,.0f} {figure.unit}"
    ratio = f"**{median(ratios):.2f}** ({min(ratios):.2f} to {max(ratios):.2f})"
    print(f"| {figure.question} | {size} | {rates} | {ratio} |", flush=True)
    return max(ratios) < 1


if __name__ == "__main__":
    sys.exit(main())
