"""`atoll serve`: run one node in the foreground."""

import os
import sys
from typing import Annotated

import typer

from node.cli.exits import FAILED, LEFT
from node.cli.flags import print_problems, settings_or_exit, takes_settings
from node.cli.node.lifeline import stop_at_end_of

_LIFELINE_EXTRA_S = 5.0
"""What a node gets beyond the time of its settings before its lifeline ends it."""


@takes_settings
def serve(
    *,
    stop_with_stdin: Annotated[
        bool,
        typer.Option(
            "--stop-with-stdin",
            help="Stop when standard input ends: for a parent that must not be outlived.",
        ),
    ] = False,
    rejoin: Annotated[
        bool,
        typer.Option("--rejoin", help="Start in a data directory that has left its cluster."),
    ] = False,
    rebuild_index: Annotated[
        bool,
        typer.Option(
            "--rebuild-index",
            help="If the index is damaged, set it aside, keep the blobs, and take over the index "
            "of the other nodes.",
        ),
    ] = False,
    accept_data_loss: Annotated[
        bool,
        typer.Option(
            "--accept-data-loss",
            help="Go on without the last changes, when the end of the index is gone. With "
            "--rebuild-index: begin with an empty one, when there is no other node.",
        ),
    ] = False,
    **flags: object,
) -> None:
    """Run a node until SIGINT or SIGTERM."""
    settings = settings_or_exit(flags)
    if stop_with_stdin:
        stop_at_end_of(sys.stdin.fileno(), settings.stop_s + _LIFELINE_EXTRA_S)
    # gRPC's C core writes lines of its own to standard error, between ours and in no format of
    # ours; what matters of them reaches us as errors of its calls. Read when it is loaded.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    # Imported here because the server's libraries take long to load, and --help needs none.
    from node.errors.startup import HasLeft, StartupError
    from node.main import serve as run
    from node.recovery.repair import Repair

    repair = Repair(rebuild=rebuild_index, accept_data_loss=accept_data_loss)

    try:
        status = run(settings, rejoin=rejoin, repair=repair)
    except StartupError as exc:
        print_problems([str(exc)])
        raise typer.Exit(LEFT if isinstance(exc, HasLeft) else FAILED) from None
    raise typer.Exit(status)
