"""
How long after a 201 do the other nodes answer the new tag?

Hypothesis: at once in the region, by leases; elsewhere after half a round trip and some.

Method: two nodes in one region and one in each of two others, with 80 ms between regions
(`bench.slow`). Each lane pushes a manifest under the same tag again and again to the first node.
From each 201 on it asks every other node for that tag, by kept-alive connections, until the new
digest is answered; the time of the first answer that has it counts, from the 201 to the end of
the answer. The tag exists everywhere all the time, so nobody gets it by a look-up that misses.
"""

import argparse
import hashlib
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import quantiles

from bench.far import far_nodes
from bench.machine import describe_machine
from bench.manifests import IMAGE, image_manifest
from bench.raw_http import Connection, push_blob, push_manifest
from bench.scratch import scratch
from tests.e2e.serve_cluster import ServeProcess

_REGIONS = ("eu", "eu", "us", "ap")
_PUSHES = 5_000
_ROUND_TRIP_MS = 80
_LANES = 4
_PAUSE_S = 0.004
"""Between two questions of one lane. Lower sees more exactly, and is itself what is measured."""

Samples = dict[str, list[float]]


def main() -> None:
    parser = argparse.ArgumentParser(description="Time from 201 to visible, over long links.")
    parser.add_argument("--pushes", type=int, default=_PUSHES)
    pushes = parser.parse_args().pushes
    for name, value in describe_machine().items():
        print(f"- {name}: {value}")
    print("\n".join(run(pushes)))


def run(pushes: int = _PUSHES) -> list[str]:
    """Return what was found, in lines of Markdown."""
    with scratch("visibility") as directory:
        nodes = far_nodes(directory, _REGIONS, _ROUND_TRIP_MS)
        try:
            for node in nodes:
                node.start()
            for node in nodes:
                node.wait_ready()
            _measure(nodes, pushes // _LANES // 10)  # warm-up
            samples = _measure(nodes, pushes // _LANES)
        finally:
            for node in nodes:
                node.stop()
    return _lines(samples, pushes)


def _measure(nodes: Sequence[ServeProcess], pushes: int) -> Samples:
    """Run the lanes, each with *pushes*; seconds by what was measured."""
    samples: Samples = {}
    lock = threading.Lock()

    def lane(number: int) -> None:
        found = _Lane(nodes, f"bench/lane-{number}").run(pushes)
        with lock:
            for name, values in found.items():
                samples.setdefault(name, []).extend(values)

    with ThreadPoolExecutor(_LANES) as threads:
        list(threads.map(lane, range(_LANES)))
    return samples


class _Lane:
    def __init__(self, nodes: Sequence[ServeProcess], repository: str) -> None:
        self._nodes = nodes
        self._repository = repository
        self._salt = time.monotonic_ns()

    def run(self, pushes: int) -> Samples:
        first, *others = (Connection(node.http) for node in self._nodes)
        blob = self._repository.encode()
        digest = "sha256:" + hashlib.sha256(blob).hexdigest()
        push_blob(first, self._repository, digest, blob)
        samples: Samples = {}
        for number in range(pushes):
            body = image_manifest(digest, len(blob), f"{self._salt}-{number}")
            begun = time.perf_counter()
            push_manifest(first, self._repository, "latest", IMAGE, body)
            accepted = time.perf_counter()
            samples.setdefault("PUT", []).append(accepted - begun)
            for region, seconds in self._until_visible(others, body, accepted):
                samples.setdefault(region, []).append(seconds)
        return samples

    def _until_visible(
        self, others: Sequence[Connection], body: bytes, accepted: float
    ) -> list[tuple[str, float]]:
        wanted = "sha256:" + hashlib.sha256(body).hexdigest()
        waiting = dict(zip((node.region for node in self._nodes[1:]), others, strict=True))
        seen: list[tuple[str, float]] = []
        while waiting:
            for region, connection in list(waiting.items()):
                target = f"/v2/{self._repository}/manifests/latest"
                answer = connection.request("GET", target, None)
                if answer.headers.get("docker-content-digest") == wanted:
                    seen.append((region, time.perf_counter() - accepted))
                    del waiting[region]
            if waiting:
                time.sleep(_PAUSE_S)
        return seen


def _lines(samples: Samples, pushes: int) -> list[str]:
    lines = [
        f"- round trip between regions: {_ROUND_TRIP_MS} ms; {pushes:,} pushes",
        "",
        "| from 201 to visible | n | p50 | p99 | longest |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, values in samples.items():
        what = "the PUT itself" if name == "PUT" else f"{name}, {_distance(name)}"
        cuts = quantiles(values, n=100)
        figures = (f"{1000 * value:.1f} ms" for value in (cuts[49], cuts[98], max(values)))
        lines.append(f"| {what} | {len(values):,} | {' | '.join(figures)} |")
    return lines


def _distance(region: str) -> str:
    return "same region" if region == _REGIONS[0] else "another region"


if __name__ == "__main__":
    main()
