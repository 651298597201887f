"""The nodes of a cluster on this machine: where each of them is, and how it is started."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from node.settings import Address
from node.settings.kinds import Name
from node.settings.spec import env_of

NODES_MAX: Final = 64
_RPC_OFFSET: Final = 1000
_ADMIN_OFFSET: Final = 2000
BASE_PORT_MAX: Final = 65535 - _ADMIN_OFFSET - NODES_MAX
_LOOPBACK: Final = "127.0.0.1"

_PER_NODE: Final = (
    *("data_dir", "http", "rpc", "admin", "advertise_http", "advertise_rpc"),
    *("region", "node", "join", "initial", "joining"),
)
"""Settings that `atoll up` gives to its nodes, whatever the environment says."""

_QUIET_S: Final = 0.3
"""
How long the nodes listen for a cluster before they begin one. The wait is for members of an older
cluster to call a node whose disk was replaced. Here all of them are children of this process: who
could call starts at the same moment, and a node that has slots does not say that it is empty.
"""


class LocalNode(NamedTuple):
    """One node of a cluster on this machine."""

    id: str
    region: str
    http: Address
    rpc: Address
    admin: Address
    data_dir: Path
    log: Path


def plan(nodes: int, regions: Sequence[str], base_port: int, data_dir: Path) -> list[LocalNode]:
    """
    Lay out *nodes* nodes over *regions*, in turn; always the same for the same arguments.

    The i-th, from 0, takes the ports base_port + i (HTTP), base_port + 1000 + i (RPC) and
    base_port + 2000 + i (the admin API).
    """
    cluster = []
    for i in range(nodes):
        region = regions[i % len(regions)]
        name = f"{region}-{i // len(regions) + 1}"
        cluster.append(
            LocalNode(
                id=name,
                region=region,
                http=Address(_LOOPBACK, base_port + i),
                rpc=Address(_LOOPBACK, base_port + _RPC_OFFSET + i),
                admin=Address(_LOOPBACK, base_port + _ADMIN_OFFSET + i),
                data_dir=data_dir / name,
                log=data_dir / f"{name}.log",
            )
        )
    return cluster


def parse_regions(text: str) -> list[str]:
    """
    Read a comma-separated list of region names.

    Raises:
        ValueError: a name is malformed or there twice, or there is none.
    """
    regions = [part.strip() for part in text.split(",") if part.strip()]
    if not regions:
        raise ValueError("--regions names no region")
    for region in regions:
        try:
            Name().parse(f"{region}-{NODES_MAX}")  # Node names are made of it.
            Name().parse(region)
        except ValueError as exc:
            raise ValueError(f"--regions: {region!r} {exc}") from None
    if len(set(regions)) < len(regions):
        raise ValueError(f"--regions names a region twice: {text}")
    return regions


def serve_command(node: LocalNode, cluster: Sequence[LocalNode]) -> list[str]:
    """Build the command line of one node of *cluster*."""
    command = [sys.executable, "-m", "node", "serve", "--stop-with-stdin"]
    command += ["--data-dir", str(node.data_dir), "--http", str(node.http), "--rpc", str(node.rpc)]
    command += ["--admin", str(node.admin), "--region", node.region, "--node", node.id]
    command += ["--joining", "open", "--quiet-s", str(_QUIET_S)]
    for other in cluster:
        command += ["--initial", other.id]
        if other.id != node.id:
            command += ["--join", str(other.rpc)]
    return command


def shared_environment(environ: Mapping[str, str], *, is_open: bool = False) -> dict[str, str]:
    """The environment for every node: this one without the settings that differ."""
    own = {env_of(name) for name in _PER_NODE}
    shared = {name: value for name, value in environ.items() if name not in own}
    return shared | {env_of("auth"): "open"} if is_open else shared
