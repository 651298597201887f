"""`atoll up`: a whole cluster on this machine, for trying things out and for tests."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import typer

from node.cli.flags import EXIT_SETTINGS, print_problems
from node.settings import Address
from node.settings.kinds import Name
from node.settings.model import env_of
from node.settings.sources import Given, gather

_NODES_MAX: Final = 64
_RPC_OFFSET: Final = 1000
_BASE_PORT_MAX: Final = 65535 - _RPC_OFFSET - _NODES_MAX
_LOOPBACK: Final = "127.0.0.1"

_PER_NODE: Final = (
    *("data_dir", "http", "rpc", "advertise_http", "advertise_rpc"),
    *("region", "node", "join", "initial", "joining"),
)
"""Settings that this command gives to its nodes, whatever the environment says."""

_QUIET_S: Final = 0.3
"""
How long the nodes listen for a cluster before they begin one. The wait is for members of an older
cluster to call a node whose disk was replaced. Here all of them are children of this process: who
could call starts at the same moment, and a node that has slots does not say that it is empty.
"""

_STOP_EXTRA_S: Final = 5.0
"""What a child gets beyond the time of its settings before it is killed."""


class LocalNode(NamedTuple):
    """One node of a cluster on this machine."""

    id: str
    region: str
    http: Address
    rpc: Address
    data_dir: Path
    log: Path


def plan(nodes: int, regions: Sequence[str], base_port: int, data_dir: Path) -> list[LocalNode]:
    """
    Lay out *nodes* nodes over *regions*, in turn; always the same for the same arguments.

    The i-th, from 0, takes the ports base_port + i (HTTP) and base_port + 1000 + i (RPC).
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
            Name().parse(f"{region}-{_NODES_MAX}")  # Node names are made of it.
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
    command += ["--region", node.region, "--node", node.id]
    command += ["--joining", "open", "--quiet-s", str(_QUIET_S)]
    for other in cluster:
        command += ["--initial", other.id]
        if other.id != node.id:
            command += ["--join", str(other.rpc)]
    return command


def shared_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for every node: this one without the settings that differ."""
    own = {env_of(name) for name in _PER_NODE}
    return {name: value for name, value in environ.items() if name not in own}


def _shared_settings(environ: Mapping[str, str]) -> Given:
    """Judge what all nodes will read, once here rather than in as many logs as there are nodes."""
    found = gather({}, environ)
    if found.problems:
        print_problems(found.problems)
        raise typer.Exit(EXIT_SETTINGS)
    return found


def up(
    *,
    nodes: Annotated[int, typer.Option(min=1, max=_NODES_MAX, metavar="N", help="How many.")] = 3,
    regions: Annotated[
        str, typer.Option(metavar="NAME,...", help="Regions, given to the nodes in turn.")
    ] = "eu,us,ap",
    base_port: Annotated[
        int,
        typer.Option(
            min=1,
            max=_BASE_PORT_MAX,
            metavar="PORT",
            help="First HTTP port; the first RPC port is 1000 higher.",
        ),
    ] = 5001,
    data_dir: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Where data, logs and cluster.json go, and stay."),
    ] = Path("data"),
    open_browser: Annotated[
        bool, typer.Option("--open", help="Open the first node in a browser once all are ready.")
    ] = False,
) -> None:
    """
    Run a cluster on 127.0.0.1 until SIGINT or SIGTERM.

    Prints `ready` on a line of its own once every node may take traffic. Settings that the nodes
    share are read from the environment, as by `atoll serve`.
    """
    try:
        names = parse_regions(regions)
    except ValueError as exc:
        print_problems([str(exc)])
        raise typer.Exit(EXIT_SETTINGS) from None
    environ = shared_environment(os.environ)
    shared = _shared_settings(environ).values
    grace_s, drain_s = shared["shutdown_grace_s"], shared["shutdown_drain_s"] or 0.0
    assert isinstance(grace_s, float)
    assert isinstance(drain_s, float)
    directory = data_dir.absolute()
    cluster = plan(nodes, names, base_port, directory)
    # Imported here: asyncio and rich are of no use to the other commands' help.
    from node.cli.supervisor import Supervisor

    supervisor = Supervisor(
        {node: serve_command(node, cluster) for node in cluster},
        directory=directory,
        environ=environ,
        stop_grace_s=drain_s + grace_s + _STOP_EXTRA_S,
        open_browser=open_browser,
    )
    raise typer.Exit(supervisor.run())
