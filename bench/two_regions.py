"""
Three nodes in one region and two in another, a long link between: to see what the dead cost.

Load and looks take turns, for all nodes and the clients share the machine. What crosses between the
regions is counted by the kernel (`bench.wan`), calls of peers by `bench.slow`.
"""

import hashlib
import json
import os
import random
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple, Self

from bench.far import far_nodes
from bench.manifests import IMAGE, image_manifest
from bench.raw_http import Answer, Connection, push_blob, push_manifest
from bench.slow import FAR_CALLS
from bench.wan import Crossings
from bench.wrk import requests_per_s
from tests.e2e.serve_cluster import ServeProcess

REGIONS: Final = ("eu", "eu", "eu", "us", "us")
ROUND_TRIP_MS: Final = 80
CONNECTIONS: Final = 8
LANES: Final = 4

UNCONFIRMED: Final = "unconfirmed"
"""What `Atoll-Consistency` says where no majority of the region is there."""

_REPOSITORY: Final = "bench/two-regions"
_TARGET: Final = f"/v2/{_REPOSITORY}/manifests/latest"
_BLOB: Final = b"two regions"
_DIGEST: Final = "sha256:" + hashlib.sha256(_BLOB).hexdigest()
_READS: Final = ("covered", "asked", "unconfirmed", "refused")
_SETTLE_S: Final = 2.0
_PATIENCE_S: Final = 60.0
_POLL_S: Final = 0.01
_LOOK_S: Final = 0.005
_SAMPLE: Final = re.compile(r"^(\w+) ([\d.e+]+)$", re.MULTILINE)


def five_nodes(directory: Path) -> list[ServeProcess]:
    """a, b and c in eu, two in us; all are voters. None is started."""
    return far_nodes(directory, REGIONS, ROUND_TRIP_MS)


def begin(nodes: Sequence[ServeProcess]) -> None:
    """Start *nodes*, and push what is read."""
    for node in nodes:
        node.start()
    for node in nodes:
        node.wait_ready()
    with Connection(nodes[0].http) as connection:
        push_blob(connection, _REPOSITORY, _DIGEST, _BLOB)
        push_tag(connection)


# Load.


def reads_per_s(node: ServeProcess, seconds: int) -> float:
    """Load *node* with reads of the tag."""
    return requests_per_s(f"http://{node.http}{_TARGET}", connections=CONNECTIONS, seconds=seconds)


def pushes_per_s(node: ServeProcess, seconds: float) -> tuple[float, int]:
    """
    Push blobs of 4 KiB, each new, and a manifest of each under a tag of the lane: the rate, and how
    many it were.
    """
    begun = time.perf_counter()

    def lane(number: int) -> int:
        count = 0
        with Connection(node.http) as connection:
            while time.perf_counter() < begun + seconds:
                _push_small(connection, f"lane-{number}")
                count += 1
        return count

    with ThreadPoolExecutor(LANES) as threads:
        count = sum(threads.map(lane, range(LANES)))
    return count / (time.perf_counter() - begun), count


def push_ms(node: ServeProcess, count: int) -> float:
    """The median of what such a push takes, of *count* that are made one after the other."""
    took: list[float] = []
    with Connection(node.http) as connection:
        for _ in range(count):
            begun = time.perf_counter()
            _push_small(connection, "alone")
            took.append(time.perf_counter() - begun)
    return 1000 * median(took)


def _push_small(connection: Connection, tag: str) -> None:
    blob = random.randbytes(4 << 10)
    digest = "sha256:" + hashlib.sha256(blob).hexdigest()
    push_blob(connection, _REPOSITORY, digest, blob)
    push_manifest(connection, _REPOSITORY, tag, IMAGE, image_manifest(digest, len(blob), ""))


def read_tag(connection: Connection) -> Answer:
    return connection.request("GET", _TARGET, None)


def push_tag(connection: Connection, expected: int | None = 201) -> tuple[str, Answer]:
    """Push a manifest that never was under the tag that is read; its digest and the answer."""
    body = image_manifest(_DIGEST, len(_BLOB), random.randbytes(16).hex())
    answer = connection.request(
        "PUT", _TARGET, expected, body=body, headers={"Content-Type": IMAGE}
    )
    return "sha256:" + hashlib.sha256(body).hexdigest(), answer


def current_reads(at: ServeProcess, reader: ServeProcess, pushes: int) -> int:
    """How many of *pushes* through *at* were what *reader* had, confirmed, right after the 201."""
    count = 0
    with Connection(at.http) as writer, Connection(reader.http) as other:
        for _ in range(pushes):
            digest, _ = push_tag(writer)
            headers = read_tag(other).headers
            count += (
                headers.get("docker-content-digest") == digest
                and "atoll-consistency" not in headers
            )
    return count


class Moment(NamedTuple):
    """What one reader got, and when, in seconds of `time.perf_counter`."""

    begun: float
    ended: float
    status: int
    marked: bool
    """Whether the answer says that it is unconfirmed."""


class Watch:
    """Reads the tag at a node again and again, while the block runs."""

    def __init__(self, node: ServeProcess) -> None:
        self._node = node
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.seen: list[Moment] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        with Connection(self._node.http) as connection:
            while not self._over.is_set():
                begun = time.perf_counter()
                answer = read_tag(connection)
                marked = answer.headers.get("atoll-consistency") == UNCONFIRMED
                self.seen.append(Moment(begun, time.perf_counter(), answer.status, marked))
                time.sleep(_LOOK_S)


def longest_s(seen: Sequence[Moment]) -> float:
    """
    The longest that one of those took.

    Raises:
        SystemExit: one was not answered with what it asked for.
    """
    if bad := sorted({each.status for each in seen} - {200}):
        raise SystemExit(f"reads were answered with {bad}")
    return max(each.ended - each.begun for each in seen)


# Looks.


def metrics(node: ServeProcess) -> dict[str, float]:
    """The figures that have no labels."""
    with Connection(node.http) as connection:
        text = connection.request("GET", "/metrics", 200).body.decode()
    return {name: float(value) for name, value in _SAMPLE.findall(text)}


def how_read(nodes: Sequence[ServeProcess]) -> Counter[str]:
    """The reads at *nodes* so far, by how they were answered."""
    total: Counter[str] = Counter()
    for node in nodes:
        found = metrics(node)
        total.update({name: int(found[f"atoll_reads_{name}_total"]) for name in _READS})
    return total


def crossings(nodes: Sequence[ServeProcess]) -> Crossings:
    """What goes between the regions of those that run now."""
    return Crossings({node.pid: node.region for node in nodes if node.is_running})


def far_calls(nodes: Sequence[ServeProcess]) -> Counter[str]:
    """Calls over the long link so far, by method, of all that run."""
    total: Counter[str] = Counter()
    for node in nodes:
        if node.is_running:
            total.update(_far_calls_of(node))
    return total


def since(then: Counter[str], now: Counter[str]) -> dict[str, int]:
    """What has come, by name; names of which nothing came are not in it."""
    return dict(now - then)


def _far_calls_of(node: ServeProcess) -> dict[str, int]:
    size = node.log.stat().st_size
    os.kill(node.pid, signal.SIGUSR1)

    def told() -> list[str]:
        with node.log.open() as log:
            log.seek(size)
            return [line for line in log if line.startswith(FAR_CALLS) and line.endswith("\n")]

    until(lambda: bool(told()), f"{node.name} tells no calls")
    found: dict[str, int] = json.loads(told()[-1].removeprefix(FAR_CALLS))
    return found


def is_covered(node: ServeProcess) -> bool:
    return metrics(node)["atoll_covered"] == 1


def settle(nodes: Sequence[ServeProcess]) -> None:
    """Wait until each of *nodes*, which all run, is covered and has a link to all others."""

    def are_settled() -> bool:
        found = [metrics(node) for node in nodes]
        links = len(nodes) - 1
        return all(
            each["atoll_covered"] == 1 and each["atoll_cluster_peers_connected"] == links
            for each in found
        )

    until(are_settled, "the cluster does not settle")
    time.sleep(_SETTLE_S)


def until(condition: Callable[[], bool], otherwise: str) -> None:
    """
    Wait for *condition*.

    Raises:
        SystemExit: it does not come to be.
    """
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(otherwise)
        time.sleep(_POLL_S)
