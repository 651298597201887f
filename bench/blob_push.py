"""
How fast does one node take blobs, small and large, alone and at once?

Hypothesis: large blobs faster than Distribution, because hashing and writing run in a thread
while the next bytes arrive; small ones faster, because an upload session is one row in a log that
is synced for many at once, not several files.

Method: POST and PUT (the spec's two-request form) by plain blocking sockets, one thread and
connection per client; bodies and digests are made before the clock starts; every blob is new.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from bench.content import BlobMaker
from bench.peers import Server
from bench.raw_http import Connection, push_blob
from bench.report import main
from bench.rounds import Figure, Probe, measure

_REPOSITORY = "bench/blob-push"
_SMALL_BYTES = 4 << 10
_LARGE_BYTES = 64 << 20

Blobs = list[tuple[str, bytes]]


def run(servers: Sequence[Server], rounds: int) -> list[Figure]:
    """Measure on servers that are running."""
    small, large = BlobMaker(_SMALL_BYTES), BlobMaker(_LARGE_BYTES)

    def small_per_s(server: Server, _: int) -> float:
        clients, each = 4, 100
        return clients * each / _push_at_once(server, small, clients, each)

    def megabytes_per_s(clients: int) -> Probe:
        def push(server: Server, _: int) -> float:
            each = 2
            return clients * each * _LARGE_BYTES / _push_at_once(server, large, clients, each) / 1e6

        return Probe(f"blob push 64 MiB, {_clients(clients)}", "MB/s", push)

    probes = [
        Probe("blob push 4 KiB, 4 clients", "blobs/s", small_per_s),
        megabytes_per_s(1),
        megabytes_per_s(2),
    ]
    return measure(servers, probes, rounds)


def _clients(count: int) -> str:
    return "1 client" if count == 1 else f"{count} clients"


def _push_at_once(server: Server, maker: BlobMaker, clients: int, each: int) -> float:
    """Push *each* new blobs per client, all clients at once; return the seconds it took."""
    work = [[maker.make() for _ in range(each)] for _ in range(clients)]
    with ThreadPoolExecutor(clients) as threads:
        begun = time.perf_counter()
        for job in [threads.submit(_push_all, server, blobs) for blobs in work]:
            job.result()
        return time.perf_counter() - begun


def _push_all(server: Server, blobs: Blobs) -> None:
    with Connection(server.address) as connection:
        for digest, blob in blobs:
            push_blob(connection, _REPOSITORY, digest, blob)


if __name__ == "__main__":
    main([run])
