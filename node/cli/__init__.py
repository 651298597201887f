"""
The `atoll` command. One module per sub-command; each imports what it needs when it runs.

Exit status: 0 for success, 1 when something went wrong, 2 when the command or the settings
cannot be used. `status`, `node safe-to-remove` and `salvage` have a meaning of their own for each.
"""

import importlib.metadata
from pathlib import Path
from typing import Annotated

import typer

from node.cli.admin import history, project, rollback, wait
from node.cli.api import api
from node.cli.config import config
from node.cli.operator import layout, leave, node, status
from node.cli.options import Json, tell, told
from node.cli.serve import serve
from node.cli.up import up

# Plain help and plain tracebacks: they end up in logs and issue reports, and rich takes long to
# import.
app = typer.Typer(
    name="atoll",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"atoll {_version()}")
        raise typer.Exit


def _version() -> str:
    try:
        return importlib.metadata.version("atoll")
    except importlib.metadata.PackageNotFoundError:
        return "(not installed, run from a source tree)"


@app.callback()
def atoll(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """One logical container registry spread over many regions."""


@app.command()
def fsck(
    data_dir: Annotated[Path, typer.Argument(help="Data directory of a node that is stopped.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON document instead of text.")
    ] = False,
) -> None:
    """Check a stopped node's index against its files (offline)."""
    from node.cli.fsck import fsck as check

    raise typer.Exit(check(data_dir, as_json=as_json))


@app.command()
def salvage(
    path: Annotated[
        Path, typer.Argument(help="An index.former-*, or a data directory for its newest.")
    ],
    url: Annotated[
        str | None,
        typer.Option("--url", metavar="HOST:PORT", help="A node of the cluster, to ask it."),
    ] = None,
    push: Annotated[
        bool, typer.Option("--push", help="Push to that node again what the cluster lacks.")
    ] = False,
    tag_suffix: Annotated[
        str,
        typer.Option(
            metavar="SUFFIX", help="Push tags that have moved on under their name with this behind."
        ),
    ] = "",
    as_json: Json = False,
) -> None:
    """
    Tell what only an index has that was left behind (offline). Exit status: 0 nothing is left to
    do, 1 something is, 2 it cannot be told.
    """
    from node.cli.salvage import UNKNOWN
    from node.cli.salvage import salvage as look

    if push and url is None:
        raise typer.BadParameter("needs the --url of a node to push to", param_hint="--push")
    if tag_suffix and not push:
        raise typer.BadParameter("is for what is pushed: give --push", param_hint="--tag-suffix")
    with told(UNKNOWN):
        status, outcome = look(path, url, push=push, tag_suffix=tag_suffix, tell=tell)
    typer.echo(outcome.shown(as_json))
    raise typer.Exit(status)


app.command()(serve)
app.command()(up)
app.command()(config)
app.command()(api)
app.command()(wait)
app.command()(history)
app.command()(rollback)
app.command()(status)
app.command()(leave)
app.add_typer(node, name="node")
app.add_typer(layout, name="layout")
app.add_typer(project, name="project")


def main() -> None:
    """Run the command line of this process."""
    app(prog_name="atoll")
