"""
How fast does one node send blobs, large and small?

Hypothesis: large blobs as fast as Distribution, whose Go runtime uses `sendfile` as Atoll does
from its threads; small ones faster, because finding the file costs less.

Method: 256 MiB over four connections at once, each its own thread with a client that drops the
bytes in the kernel; 64 KiB and 1 MiB with `wrk` and 16 connections. The blob is in the page cache.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from bench.content import BlobMaker
from bench.peers import Server
from bench.raw_http import Connection, push_blob
from bench.report import main
from bench.rounds import Figure, Probe, measure
from bench.wrk import requests_per_s

_REPOSITORY = "bench/blob-get"
_LARGE_BYTES = 256 << 20
_LARGE_CONNECTIONS = 4
_LARGE_REPEATS = 3
_SMALL_BYTES = {"64 KiB": 64 << 10, "1 MiB": 1 << 20}
_SMALL_CONNECTIONS = 16
_SECONDS = 2


def run(servers: Sequence[Server], rounds: int) -> list[Figure]:
    """Measure on servers that are running."""
    large = _push(servers, _LARGE_BYTES)
    small = [_small(size, _push(servers, count)) for size, count in _SMALL_BYTES.items()]

    def megabytes_per_s(server: Server, _: int) -> float:
        target = f"/v2/{_REPOSITORY}/blobs/{large}"
        with ThreadPoolExecutor(_LARGE_CONNECTIONS) as threads:
            begun = time.perf_counter()
            jobs = [threads.submit(_download, server, target) for _ in range(_LARGE_CONNECTIONS)]
            total = sum(job.result() for job in jobs)
            return total / (time.perf_counter() - begun) / 1e6

    name = f"blob GET 256 MiB, {_LARGE_CONNECTIONS} connections"
    return measure(servers, [Probe(name, "MB/s", megabytes_per_s), *small], rounds)


def _push(servers: Sequence[Server], size_bytes: int) -> str:
    digest, blob = BlobMaker(size_bytes).make()
    for server in servers:
        with Connection(server.address) as connection:
            push_blob(connection, _REPOSITORY, digest, blob)
    return digest


def _download(server: Server, target: str) -> int:
    with Connection(server.address) as connection:
        return sum(connection.download(target) for _ in range(_LARGE_REPEATS))


def _small(size: str, digest: str) -> Probe:
    def load(server: Server, _: int) -> float:
        url = f"http://{server.address}/v2/{_REPOSITORY}/blobs/{digest}"
        return requests_per_s(url, connections=_SMALL_CONNECTIONS, seconds=_SECONDS)

    return Probe(f"blob GET {size}, {_SMALL_CONNECTIONS} connections", "requests/s", load)


if __name__ == "__main__":
    main([run])
