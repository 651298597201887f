"""The commands about projects. Each imports what it needs when it runs."""

from typing import Annotated

import typer

from node.cli.options import Json, asks_node, command_group, told

_Project = Annotated[str, typer.Argument(help="First component of the repository names.")]

project = command_group("Show and change what holds for the repositories of a project.")


@project.command("get")
@asks_node
def project_get(name: _Project, url: str, as_json: Json = False) -> None:
    """Print a project's policy as JSON."""
    from node.cli.projects.project import get

    with told():
        typer.echo(get(name, url).shown(as_json))


@project.command("set")
@asks_node
def project_set(
    name: _Project,
    changes: Annotated[
        list[str],
        typer.Argument(
            metavar="FIELD=VALUE...",
            help="consistency, history_max, history_days, unconfirmed_reads, children, log_reads.",
        ),
    ],
    url: str,
    as_json: Json = False,
) -> None:
    """Change fields of a project's policy; the others stay."""
    from node.cli.projects.project import change

    with told():
        typer.echo(change(name, url, changes).shown(as_json))


@project.command("delete")
@asks_node
def project_delete(name: _Project, url: str, as_json: Json = False) -> None:
    """Give a project the default policy again."""
    from node.cli.projects.project import delete

    with told():
        typer.echo(delete(name, url).shown(as_json))
