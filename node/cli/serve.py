"""`atoll serve`: run one node in the foreground."""

import os
import sys
from typing import Annotated

import typer

from node.cli.flags import print_problems, settings_or_exit, takes_settings
from node.cli.lifeline import stop_at_end_of

EXIT_STARTUP = 1

_LIFELINE_EXTRA_S = 5.0
"""What a node gets beyond its own shutdown grace before its lifeline ends it."""


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
    **flags: object,
) -> None:
    """Run a node until SIGINT or SIGTERM."""
    settings = settings_or_exit(flags)
    if stop_with_stdin:
        stop_at_end_of(sys.stdin.fileno(), settings.shutdown_grace_s + _LIFELINE_EXTRA_S)
    # gRPC's C core writes lines of its own to standard error, between ours and in no format of
    # ours; what matters of them reaches us as errors of its calls. Read when it is loaded.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    # Imported here because the server's libraries take long to load, and --help needs none.
    from node.main import serve as run
    from node.startup import StartupError

    try:
        status = run(settings)
    except StartupError as exc:
        print_problems([str(exc)])
        raise typer.Exit(EXIT_STARTUP) from None
    raise typer.Exit(status)
