"""
The `atoll` command. One package for each section of its help; a command imports what it needs when
it runs. What they exit with is a table (`node.cli.exits`).
"""

import importlib.metadata
from collections.abc import Callable
from typing import Annotated

import typer

from node.cli.access import commands as access
from node.cli.accounts import commands as accounts
from node.cli.cluster import commands as cluster
from node.cli.cluster.up import up
from node.cli.images import commands as images
from node.cli.node import commands as files
from node.cli.node.alerts import alerts
from node.cli.node.api import api
from node.cli.node.config import config
from node.cli.node.serve import serve
from node.cli.projects import commands as projects
from node.cli.sections import Section, Sections

# Plain help and plain tracebacks: they end up in logs and issue reports, and rich takes long to
# import.
app = typer.Typer(
    name="atoll",
    cls=Sections,
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


def _print_reference(wanted: bool) -> None:
    if wanted:
        from typer.main import get_group

        from node.cli.reference import reference

        typer.echo(reference(get_group(app)), nl=False)
        raise typer.Exit


@app.callback()
def atoll(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
    markdown: Annotated[
        bool,
        typer.Option(
            "--markdown",
            help="Print the reference of all commands.",
            callback=_print_reference,
            is_eager=True,
        ),
    ] = False,
) -> None:
    """One logical container registry spread over many regions."""


def _add(section: Section, *commands: Callable[..., None]) -> None:
    for command in commands:
        app.command(rich_help_panel=section)(command)


_add(
    Section.CLUSTER,
    up,
    cluster.status,
    cluster.doctor,
    cluster.top,
    cluster.work,
    cluster.settings,
    cluster.leave,
)
app.add_typer(cluster.node, name="node", rich_help_panel=Section.CLUSTER)
app.add_typer(cluster.layout, name="layout", rich_help_panel=Section.CLUSTER)
_add(Section.IMAGES, images.repos, images.tags, images.image, images.search, images.activity)
_add(Section.IMAGES, images.wait, images.history, images.rollback)
app.add_typer(projects.project, name="project", rich_help_panel=Section.PROJECTS)
_add(Section.ACCOUNTS, accounts.login, accounts.logout)
app.add_typer(accounts.context, name="context", rich_help_panel=Section.ACCOUNTS)
app.add_typer(accounts.user, name="user", rich_help_panel=Section.ACCOUNTS)
app.add_typer(accounts.group, name="group", rich_help_panel=Section.ACCOUNTS)
app.add_typer(accounts.token, name="token", rich_help_panel=Section.ACCOUNTS)
app.add_typer(access.access, name="access", rich_help_panel=Section.ACCESS)
app.add_typer(access.role, name="role", rich_help_panel=Section.ACCESS)
app.add_typer(access.robot, name="robot", rich_help_panel=Section.ACCESS)
app.add_typer(access.auth, name="auth", rich_help_panel=Section.ACCESS)
app.add_typer(access.admin, name="admin", rich_help_panel=Section.ACCESS)
_add(Section.NODE, serve, config, api, alerts, files.fsck, files.salvage)


def main() -> None:
    """Run the command line of this process."""
    app(prog_name="atoll")
