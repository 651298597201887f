"""
How long does an empty node take to serve a registry of 100,000 manifests?

Hypothesis: below a minute, as it loads the rows of a checkpoint.

Method: one node is filled over HTTP, each manifest with a tag of its own; a second one joins. The
logs of both are trimmed, so that there are no events any more, and a third one joins. The clock
runs from the start of the process to `/readyz` 200. Then all nodes are stopped and every shared
row of their indexes is compared.
"""

import argparse
import asyncio
import hashlib
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from bench.machine import describe_machine
from bench.manifests import IMAGE, image_manifest
from bench.raw_http import Connection, push_blob, push_manifest
from bench.scratch import scratch
from cluster.clock import HybridClock, SystemClock
from cluster.model import NodeId
from node.index.index import Index, index_path, open_index
from node.index.rocks import RocksStore
from node.index.store import END, SHARED_FAMILIES
from tests.e2e.ports import RPC_OFFSET, free_base_port
from tests.e2e.serve_cluster import ServeProcess

_MANIFESTS = 100_000
_REPOSITORIES = 1_000
_CLIENTS = 8


def main() -> None:
    parser = argparse.ArgumentParser(description="Time an empty node's way into a cluster.")
    parser.add_argument("--manifests", type=int, default=_MANIFESTS)
    manifests = parser.parse_args().manifests
    for name, value in describe_machine().items():
        print(f"- {name}: {value}")
    print("\n".join(run(manifests)))


def run(manifests: int = _MANIFESTS) -> list[str]:
    """
    Return what was found, in lines of Markdown.

    Raises:
        SystemExit: the indexes are not the same.
    """
    with scratch("join") as directory:
        nodes = _nodes(directory)
        try:
            return _measure(nodes, manifests)
        finally:
            for node in nodes:
                node.stop()


def _nodes(directory: Path) -> list[ServeProcess]:
    base = free_base_port(3)
    rpc = [f"127.0.0.1:{base + RPC_OFFSET + number}" for number in range(3)]
    return [
        ServeProcess(
            name=f"eu-{number}",
            region="eu",
            http=f"127.0.0.1:{base + number}",
            rpc=rpc[number],
            data_dir=directory / f"node-{number}",
            join=[] if number == 0 else [rpc[0]],
            initial=["eu-0"] if number == 0 else [],
            options=("--log-level", "warning"),
        )
        for number in range(3)
    ]


def _measure(nodes: list[ServeProcess], manifests: int) -> list[str]:
    first, second, third = nodes
    first.start()
    first.wait_ready()
    filled = fill(first.http, manifests)
    print(f"filled in {filled:.0f} s", file=sys.stderr, flush=True)
    whole = _join(second)
    for node in (first, second):
        node.stop()
        asyncio.run(_trim(node))
        node.start()
    for node in (first, second):
        node.wait_ready()
    trimmed = _join(third)
    for node in nodes:
        node.stop()
    rows = asyncio.run(_compare(nodes))
    return [
        f"- filled with {manifests:,} manifests in {filled:.0f} s",
        f"- while the logs are whole: ready after {whole:.1f} s",
        f"- after they were trimmed: ready after {trimmed:.1f} s",
        f"- identical rows in all three indexes: {rows:,}",
    ]


def _join(node: ServeProcess) -> float:
    begun = time.perf_counter()
    node.start()
    node.wait_ready()
    return time.perf_counter() - begun


def fill(address: str, manifests: int) -> float:
    begun = time.perf_counter()
    blob = random.Random(1).randbytes(512)
    digest = "sha256:" + hashlib.sha256(blob).hexdigest()
    each = -(-manifests // _REPOSITORIES)

    def fill(client: int) -> None:
        with Connection(address) as connection:
            for number in range(client, _REPOSITORIES, _CLIENTS):
                repository = f"team-{number % 50}/app-{number}"
                push_blob(connection, repository, digest, blob)
                for version in range(min(each, manifests - number * each)):
                    body = image_manifest(digest, len(blob), f"{repository}:{version}")
                    push_manifest(connection, repository, f"v{version}", IMAGE, body)

    with ThreadPoolExecutor(_CLIENTS) as threads:
        list(threads.map(fill, range(_CLIENTS)))
    return time.perf_counter() - begun


def _open(node: ServeProcess) -> Index:
    wall = SystemClock()
    store = RocksStore(index_path(node.data_dir))
    return open_index(
        store, NodeId(node.name), HybridClock(wall), wall, random.Random(), lambda *_: None
    )


async def _trim(node: ServeProcess) -> None:
    """What the node would do itself, after an hour."""
    with closing(_open(node)) as index:
        await index.replica.trim(index.replica.vector())


async def _compare(nodes: list[ServeProcess]) -> int:
    """
    The number of shared rows, which all nodes have alike.

    Raises:
        SystemExit: they do not.
    """
    indexes = [_open(node) for node in nodes]
    rows = 0
    try:
        for family in SHARED_FAMILIES:
            scans = [index.journal.store.scan(family, b"", END) for index in indexes]
            for row, *copies in zip(*scans, strict=True):
                rows += 1
                if any(copy != row for copy in copies):
                    raise SystemExit(f"{family} {row[0]!r} differs")
    finally:
        for index in indexes:
            index.close()
    return rows


if __name__ == "__main__":
    main()
