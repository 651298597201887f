"""
The commands that ask a running node of tags and projects. Each imports what it needs when it runs.
"""

from typing import Annotated

import typer

from node.cli.options import LOCAL, Json, Url, told

_Project = Annotated[str, typer.Argument(help="First component of the repository names.")]
_TagRef = Annotated[str, typer.Argument(metavar="REF", help="HOST:PORT/REPOSITORY:TAG.")]


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
    as_json: Json = False,
) -> None:
    """Wait until every live node of those regions durably has a push in its index."""
    from node.cli.wait import wait as until_there

    with told():
        typer.echo(until_there(ref, url, regions, timeout).shown(as_json))


def history(ref: _TagRef, as_json: Json = False) -> None:
    """Show every write of a tag, newest first."""
    from node.cli.tags import history as history_of

    with told():
        typer.echo(history_of(ref).shown(as_json))


def rollback(
    ref: _TagRef,
    event: Annotated[str, typer.Argument(help="An event of the history, or a digest.")],
    create: Annotated[
        bool, typer.Option("--create", help="Make the tag where there never was one.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Point a tag at what it was before."""
    from node.cli.tags import rollback as go_back

    with told():
        typer.echo(go_back(ref, event, create=create).shown(as_json))


project = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Show and change what holds for the repositories of a project.",
)


@project.command("get")
def project_get(name: _Project, url: Url = LOCAL, as_json: Json = False) -> None:
    """Print a project's policy as JSON."""
    from node.cli.project import get

    with told():
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
    url: Url = LOCAL,
    as_json: Json = False,
) -> None:
    """Change fields of a project's policy; the others stay."""
    from node.cli.project import change

    with told():
        typer.echo(change(name, url, changes).shown(as_json))


@project.command("delete")
def project_delete(name: _Project, url: Url = LOCAL, as_json: Json = False) -> None:
    """Give a project the default policy again."""
    from node.cli.project import delete

    with told():
        typer.echo(delete(name, url).shown(as_json))
