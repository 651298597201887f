"""
How many manifests a second does one node serve, by tag and by digest?

Hypothesis: more than Distribution, which opens three files for a tag and two for a digest, where
Atoll reads one RocksDB row that is in memory.

Method: one small image; `wrk` with 32 connections from one thread reads the same manifest. The
rate of one URL is the best case for every side alike. Once more by tag with a caller's token and a
balancer's field that differ from request to request (`callers.lua`), when each token has been seen;
and once with another query each time, which nobody can remember (`misses.lua`).
"""

from collections.abc import Sequence
from pathlib import Path

from bench.content import BlobMaker
from bench.peers import Server
from bench.raw_http import Connection, push_blob, push_manifest
from bench.report import main
from bench.rounds import Figure, Probe, measure
from bench.wrk import requests_per_s
from tests.e2e.oci_layout import (
    CONFIG_TYPE,
    LAYER_TYPE,
    MANIFEST_TYPE,
    Descriptor,
    canonical_json,
    describe,
)

_REPOSITORY = "bench/manifest"
_CONNECTIONS = 32
_SECONDS = 2
_HERE = Path(__file__).parent
_ACCEPT = (f"Accept: {MANIFEST_TYPE}",)


def run(servers: Sequence[Server], rounds: int) -> list[Figure]:
    """Measure on servers that are running."""
    maker = BlobMaker(4096)
    layers = [maker.make() for _ in range(6)]
    config = canonical_json({"architecture": "amd64", "os": "linux"})
    manifest = canonical_json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": describe(CONFIG_TYPE, config).as_json(),
            "layers": [
                Descriptor(LAYER_TYPE, digest, len(layer)).as_json() for digest, layer in layers
            ],
        }
    )
    for server in servers:
        with Connection(server.address) as connection:
            push_blob(connection, _REPOSITORY, describe(CONFIG_TYPE, config).digest, config)
            for digest, layer in layers:
                push_blob(connection, _REPOSITORY, digest, layer)
            push_manifest(connection, _REPOSITORY, "v1", MANIFEST_TYPE, manifest)

    def rate_of(name: str, reference: str, script: Path | None = None) -> Probe:
        def load(server: Server, number: int) -> float:
            url = f"http://{server.address}/v2/{_REPOSITORY}/manifests/{reference}"
            # The first round does not count: by its end each caller has come often enough.
            seconds = _SECONDS * (1 if number or script is None else 5)
            return requests_per_s(
                url,
                connections=_CONNECTIONS,
                seconds=seconds,
                headers=_ACCEPT,
                script=script,
            )

        return Probe(f"manifest GET {name}", "requests/s", load)

    probes = [
        rate_of("by tag", "v1"),
        rate_of("by digest", describe(MANIFEST_TYPE, manifest).digest),
        rate_of("by tag, 10,000 callers", "v1", _HERE / "callers.lua"),
        rate_of("by tag, never the same", "v1", _HERE / "misses.lua"),
    ]
    return measure(servers, probes, rounds)


if __name__ == "__main__":
    main([run])
