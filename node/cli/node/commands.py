"""The commands about the files of a node. Each imports what it needs when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from node.cli.options import ContextName, DataDir, Json, Url, tell, told


def fsck(
    data_dir: Annotated[Path, typer.Argument(help="Data directory of a node that is stopped.")],
    as_json: Json = False,
) -> None:
    """Check a stopped node's index against its files (offline)."""
    from node.cli.node.fsck import fsck as check

    raise typer.Exit(check(data_dir, as_json=as_json))


def salvage(
    path: Annotated[
        Path, typer.Argument(help="An index.former-*, or a data directory for its newest.")
    ],
    url: Url = None,
    data_dir: DataDir = None,
    context: ContextName = None,
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
    from node.cli.node.salvage import UNKNOWN
    from node.cli.node.salvage import salvage as look
    from node.cli.whereabouts import given_address

    if push and url is None and data_dir is None and context is None:
        raise typer.BadParameter(
            "needs a node: --url, --data-dir or --context", param_hint="--push"
        )
    if tag_suffix and not push:
        raise typer.BadParameter("is for what is pushed: give --push", param_hint="--tag-suffix")
    with told(UNKNOWN):
        address = given_address(url, data_dir, context)
        status, outcome = look(path, address, push=push, tag_suffix=tag_suffix, tell=tell)
    typer.echo(outcome.shown(as_json))
    raise typer.Exit(status)
