"""Clusters of real nodes whose regions are far from each other."""

import sys
from collections.abc import Sequence
from pathlib import Path

from tests.e2e.ports import RPC_OFFSET, free_base_port
from tests.e2e.serve_cluster import ServeProcess


def far_nodes(directory: Path, regions: Sequence[str], round_trip_ms: int) -> list[ServeProcess]:
    """
    One node for each of *regions*, which begin a cluster together; none is started.

    Links between regions take *round_trip_ms* longer (`bench.slow`).
    """
    base = free_base_port(len(regions))
    rpc = [f"127.0.0.1:{base + RPC_OFFSET + number}" for number in range(len(regions))]
    return [
        ServeProcess(
            name=f"{region}-{number}",
            region=region,
            http=f"127.0.0.1:{base + number}",
            rpc=rpc[number],
            data_dir=directory / f"node-{number}",
            join=[address for address in rpc if address != rpc[number]],
            initial=[f"{other}-{i}" for i, other in enumerate(regions)],
            options=("--log-level", "warning"),
            command=(
                *(sys.executable, "-m", "bench.slow", str(round_trip_ms), "0"),
                ",".join(a for a, other in zip(rpc, regions, strict=True) if other == region),
            ),
        )
        for number, region in enumerate(regions)
    ]
