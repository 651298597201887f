"""`atoll up`: a whole cluster on this machine, for trying things out and for tests."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import typer

from node.cli.cluster.local_nodes import (
    BASE_PORT_MAX,
    NODES_MAX,
    parse_regions,
    plan,
    serve_command,
    shared_environment,
)
from node.cli.flags import EXIT_SETTINGS, print_problems
from node.cli.options import Json
from node.settings.sources import Given, gather

_STOP_EXTRA_S: Final = 5.0
"""What a child gets beyond the time of its settings before it is killed."""


def _shared_settings(environ: Mapping[str, str]) -> Given:
    """Judge what all nodes will read, once here rather than in as many logs as there are nodes."""
    found = gather({}, environ)
    if found.problems:
        print_problems(found.problems)
        raise typer.Exit(EXIT_SETTINGS)
    return found


def up(
    *,
    nodes: Annotated[int, typer.Option(min=1, max=NODES_MAX, metavar="N", help="How many.")] = 3,
    regions: Annotated[
        str, typer.Option(metavar="NAME,...", help="Regions, given to the nodes in turn.")
    ] = "eu,us,ap",
    base_port: Annotated[
        int,
        typer.Option(
            min=1,
            max=BASE_PORT_MAX,
            metavar="PORT",
            help="First HTTP port; the first RPC port is 1000 higher, that of the admin API 2000.",
        ),
    ] = 5001,
    data_dir: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Where data, logs and cluster.json go, and stay."),
    ] = Path("data"),
    is_open: Annotated[
        bool,
        typer.Option("--open", help="Whoever is on this machine may do anything: no log-in."),
    ] = False,
    browse: Annotated[
        bool, typer.Option("--browse", help="Show the first node in a browser once all are ready.")
    ] = False,
    as_json: Json = False,
) -> None:
    """
    Run a cluster on 127.0.0.1 until SIGINT or SIGTERM.

    Prints `ready` on a line of its own once every node may take traffic and the others know it;
    with --json each line is a document with a `state`: started, ready, stopping, stopped. Settings
    that the nodes share are read from the environment, as by `atoll serve`.
    """
    try:
        names = parse_regions(regions)
    except ValueError as exc:
        print_problems([str(exc)])
        raise typer.Exit(EXIT_SETTINGS) from None
    environ = shared_environment(os.environ, is_open=is_open)
    shared = _shared_settings(environ).values
    grace_s, drain_s = shared["shutdown_grace_s"], shared["shutdown_drain_s"] or 0.0
    assert isinstance(grace_s, float)
    assert isinstance(drain_s, float)
    directory = data_dir.absolute()
    cluster = plan(nodes, names, base_port, directory)
    # Imported here: asyncio and rich are of no use to the other commands' help.
    from node.cli.cluster.supervisor import Supervisor

    supervisor = Supervisor(
        {node: serve_command(node, cluster) for node in cluster},
        directory=directory,
        environ=environ,
        stop_grace_s=drain_s + grace_s + _STOP_EXTRA_S,
        is_open=shared["auth"] == "open",
        browse=browse,
        as_json=as_json,
    )
    raise typer.Exit(supervisor.run())
