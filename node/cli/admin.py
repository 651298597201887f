"""The commands that ask a running node. Each imports what it needs when it runs."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Annotated

import typer

from node.cli.errors import CommandError

_Url = Annotated[str, typer.Option("--url", metavar="HOST:PORT", help="A node of the cluster.")]
_Project = Annotated[str, typer.Argument(help="First component of the repository names.")]
_TagRef = Annotated[str, typer.Argument(metavar="REF", help="HOST:PORT/REPOSITORY:TAG.")]

_Json = Annotated[bool, typer.Option("--json", help="Print a JSON document instead of text.")]

_LOCAL = "127.0.0.1:5000"


def wait(
    ref: Annotated[
        str,
        typer.Argument(
            metavar="REF", help="HOST:PORT/REPOSITORY:TAG or @DIGEST; with --url, an event."
        ),
    ],
    regions: Annotated[
        str | None,
        typer.Option(metavar="NAME,NAME", help="Regions to wait for; every one without it."),
    ] = None,
    timeout: Annotated[float, typer.Option(metavar="SECONDS", min=0.0)] = 30.0,
    url: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="The node to ask about an event.")
    ] = None,
    as_json: _Json = False,
) -> None:
    """Wait until every live node of those regions durably has a push in its index."""
    from node.cli.wait import wait as until_there

    with _told():
        typer.echo(until_there(ref, url, regions, timeout).shown(as_json))


def history(ref: _TagRef, as_json: _Json = False) -> None:
    """Show every write of a tag, newest first."""
    from node.cli.tags import history as history_of

    with _told():
        typer.echo(history_of(ref).shown(as_json))


def rollback(
    ref: _TagRef,
    event: Annotated[str, typer.Argument(help="An event of the history, or a digest.")],
    create: Annotated[
        bool, typer.Option("--create", help="Make the tag where there never was one.")
    ] = False,
    as_json: _Json = False,
) -> None:
    """Point a tag at what it was before."""
    from node.cli.tags import rollback as go_back

    with _told():
        typer.echo(go_back(ref, event, create=create).shown(as_json))


def leave(
    url: _Url = _LOCAL,
    drain: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=0.0,
            help="Time for load balancers to send clients elsewhere; 5 s without it.",
        ),
    ] = None,
    timeout: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=0.0, help="Time for its peers to take note, then."),
    ] = 60.0,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask where blobs would have too few copies.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Leave with copies that no other node has: lose them.")
    ] = False,
    as_json: _Json = False,
) -> None:
    """Take a node out of its cluster for good: it drains, tells the others, and stops."""
    from node.cli.leave import leave as ask_to_leave

    with _told():
        left = ask_to_leave(url, drain, timeout, confirm=_confirm(), yes=yes, force=force)
        typer.echo(left.shown(as_json))


def remove(
    node: Annotated[str, typer.Argument(help="Name of a dead member.")],
    url: _Url = _LOCAL,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask where only that member had some blobs.")
    ] = False,
    as_json: _Json = False,
) -> None:
    """Count a dead member as gone for good, so that nobody waits for it any more."""
    from node.cli.leave import remove as count_out

    with _told():
        typer.echo(count_out(node, url, confirm=_confirm(), yes=yes).shown(as_json))


def _confirm() -> Callable[[str], bool] | None:
    """How to ask the one who typed the command; None in a script."""
    # On standard error: the output may be read by a program.
    return partial(typer.confirm, err=True) if sys.stdin.isatty() else None


project = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Show and change what holds for the repositories of a project.",
)


@project.command("get")
def project_get(name: _Project, url: _Url = _LOCAL, as_json: _Json = False) -> None:
    """Print a project's policy as JSON."""
    from node.cli.project import get

    with _told():
        typer.echo(get(name, url).shown(as_json))


@project.command("set")
def project_set(
    name: _Project,
    changes: Annotated[
        list[str],
        typer.Argument(
            metavar="FIELD=VALUE...", help="consistency, history_max, history_days, children."
        ),
    ],
    url: _Url = _LOCAL,
    as_json: _Json = False,
) -> None:
    """Change fields of a project's policy; the others stay."""
    from node.cli.project import change

    with _told():
        typer.echo(change(name, url, changes).shown(as_json))


@project.command("delete")
def project_delete(name: _Project, url: _Url = _LOCAL, as_json: _Json = False) -> None:
    """Give a project the default policy again."""
    from node.cli.project import delete

    with _told():
        typer.echo(delete(name, url).shown(as_json))


@contextmanager
def _told() -> Iterator[None]:
    """Print why a command could not do its work, and leave with status 1."""
    try:
        yield
    except CommandError as exc:
        typer.echo(f"atoll: {exc}", err=True)
        raise typer.Exit(1) from None
