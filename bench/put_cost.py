"""
What does a second copy cost a manifest PUT?

Hypothesis: at most one local round trip and one sync of the disk more than on a single node, as the
event goes to all peers of the region at once, each of which syncs it before it answers.

Method: one client with one kept-alive connection puts small manifests, in turn to a single node
and to one of a region of three. Between them, in the same rounds: an append of 4 KiB to a file with
fdatasync, and a call between two nodes that does nothing (SWIM's probe) over gRPC. All share
two cores, so that a round trip here has the peer's work in it, and a rest of our own.
"""

import argparse
import asyncio
import hashlib
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from pathlib import Path
from statistics import median

from bench.machine import describe_machine
from bench.manifests import IMAGE, image_manifest
from bench.raw_http import Connection, push_blob, push_manifest
from bench.scratch import scratch
from cluster.model import NodeId, ProbeRequest
from cluster.rpc.client import GrpcTransport
from tests.e2e.serve_cluster import ServeCluster

_ROUNDS = 7
_EACH = 200
_REPOSITORY = "bench/put-cost"


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare a PUT to one node and to a region.")
    parser.add_argument("--rounds", type=int, default=_ROUNDS)
    rounds = parser.parse_args().rounds
    for name, value in describe_machine().items():
        print(f"- {name}: {value}")
    quiet = ("--log-level", "warning")
    with scratch("put-cost") as directory:
        for part in ("single", "region"):
            (directory / part).mkdir()
        with (
            ServeCluster(directory=directory / "single", size=1, options=quiet) as single,
            ServeCluster(
                directory=directory / "region", size=3, regions=("eu",), options=quiet
            ) as region,
        ):
            _print(_measure(directory, single, region, rounds), rounds)


def _measure(
    directory: Path, single: ServeCluster, region: ServeCluster, rounds: int
) -> dict[str, list[float]]:
    """For each question the medians of the rounds, in seconds; the first round does not count."""
    questions: dict[str, Callable[[int], Sequence[float]]] = {
        "PUT to a single node": lambda number: _puts(single.nodes[0].http, number),
        "PUT to one of three": lambda number: _puts(region.nodes[0].http, number),
        "sync of the disk": lambda _: _syncs(directory),
        "round trip between nodes": lambda _: asyncio.run(_round_trips(region.nodes[1].rpc)),
    }
    found: dict[str, list[float]] = {name: [] for name in questions}
    for number in range(rounds + 1):
        for name, question in questions.items():
            value = median(question(number))
            if number:
                found[name].append(value)
            print(f"{name:26} round {number} {value * 1000:8.2f} ms", file=sys.stderr, flush=True)
    return found


def _puts(address: str, number: int) -> list[float]:
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
    return taken


def _syncs(directory: Path) -> list[float]:
    taken: list[float] = []
    with (directory / "synced").open("ab", buffering=0) as file:
        for _ in range(_EACH):
            begun = time.perf_counter()
            file.write(b"x" * 4096)
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - begun)
    return taken


async def _round_trips(address: str) -> list[float]:
    request_id = ContextVar("request_id", default="")
    peer = GrpcTransport(NodeId("bench"), request_id).connect(address)
    request = ProbeRequest("atoll", NodeId("bench"), None, (), whole=False)
    taken: list[float] = []
    for _ in range(_EACH):
        begun = time.perf_counter()
        await peer.probe(request)
        taken.append(time.perf_counter() - begun)
    await peer.close()
    return taken


def _print(found: dict[str, list[float]], rounds: int) -> None:
    print()
    print(f"| medians of {rounds} rounds of {_EACH} | |")
    print("|---|---:|")
    for name, values in found.items():
        print(f"| {name} | {median(values) * 1000:.2f} ms |")
    rows = list(zip(*found.values(), strict=True))
    more = median(three - one for one, three, _, _ in rows)
    allowed = median(sync + trip for _, _, sync, trip in rows)
    print(f"| the region costs more, round by round | {more * 1000:.2f} ms |")
    print(f"| one sync and one round trip | {allowed * 1000:.2f} ms |")
    print(f"| ratio of the two, round by round | {_ratio(rows):.2f} |")


def _ratio(rows: Sequence[tuple[float, ...]]) -> float:
    return median((three - one) / (sync + trip) for one, three, sync, trip in rows)


if __name__ == "__main__":
    main()
