"""The commands about who may do what. Each imports what it needs when it runs."""

import time
from functools import partial
from typing import Annotated

import typer

from node.cli.accounts.commands import (
    AtMost,
    Days,
    FromFile,
    FromStdin,
    Into,
    Label,
    Patterns,
    SecretId,
    secret_asked,
    show_secret,
)
from node.cli.options import Json, asks_node, command_group, told

_Project = Annotated[str, typer.Argument(help="First component of the repository names.")]
_Subject = Annotated[str, typer.Argument(help="A user, a robot PROJECT+NAME, or @GROUP.")]
_Robot = Annotated[str, typer.Argument(metavar="ROBOT", help="PROJECT+NAME.")]
_Where = Annotated[str | None, typer.Option("--project", metavar="NAME", help="The project.")]
_Everywhere = Annotated[
    bool, typer.Option("--everywhere", help="All projects, and the cluster itself.")
]
_Denials = Annotated[
    list[str] | None,
    typer.Option(metavar="SUBJECT:VERB:PATTERN", help="pull, push or delete; * is everybody."),
]

access = command_group("Say who may reach a project, beside who has a role in it.")
role = command_group("Give roles, and take them away.")
robot = command_group("Accounts of programs, each in one project, and their secrets.")
auth = command_group("Tell what somebody may do, and why; the keys of tokens.")
admin = command_group("Begin: make the first admin.")


@access.command("list")
@asks_node
def access_list(url: str, as_json: Json = False) -> None:
    """List the projects that somebody has made."""
    from node.cli.access.access import projects

    with told():
        typer.echo(projects(url).shown(as_json))


@access.command("show")
@asks_node
def access_show(project: _Project, url: str, as_json: Json = False) -> None:
    """Show who may reach a project."""
    from node.cli.access.access import show

    with told():
        typer.echo(show(url, project).shown(as_json))


@access.command("set")
@asks_node
def access_set(
    project: _Project,
    url: str,
    public: Annotated[
        bool | None, typer.Option("--public/--private", help="Whether strangers may pull.")
    ] = None,
    deny: _Denials = None,
    no_deny: _Denials = None,
    as_json: Json = False,
) -> None:
    """Make a project, or change who may reach it; what is left out stays."""
    from node.cli.access.access import change

    with told():
        done = change(url, project, public=public, deny=deny or (), allow=no_deny or ())
        typer.echo(done.shown(as_json))


@access.command("delete")
@asks_node
def access_delete(project: _Project, url: str, as_json: Json = False) -> None:
    """End all roles in a project; made again it is another one. What is stored stays."""
    from node.cli.access.access import delete

    with told():
        typer.echo(delete(url, project).shown(as_json))


@role.command("list")
@asks_node
def role_list(url: str, project: _Where = None, as_json: Json = False) -> None:
    """List the roles in a project; without one, those in all projects and in the cluster."""
    from node.cli.access.access import roles

    with told():
        typer.echo(roles(url, project).shown(as_json))


@role.command("grant")
@asks_node
def role_grant(
    subject: _Subject,
    role: Annotated[str, typer.Argument(help="watcher, puller, pusher, maintainer or admin.")],
    url: str,
    project: _Where = None,
    everywhere: _Everywhere = False,
    patterns: Patterns = None,
    days: Days = None,
    as_json: Json = False,
) -> None:
    """Give somebody a role, in the place of the one that they had there."""
    from node.cli.access.access import grant
    from node.cli.words import days_from_now

    _check_one(project, everywhere=everywhere)
    asked = {
        "subject": subject,
        "role": role,
        "patterns": patterns or [],
        "expires": days_from_now(days, time.time()),
    }
    with told():
        typer.echo(grant(url, project, asked).shown(as_json))


@role.command("revoke")
@asks_node
def role_revoke(
    subject: _Subject,
    url: str,
    project: _Where = None,
    everywhere: _Everywhere = False,
    as_json: Json = False,
) -> None:
    """Take a role away."""
    from node.cli.access.access import revoke

    _check_one(project, everywhere=everywhere)
    with told():
        typer.echo(revoke(url, project, subject).shown(as_json))


def _check_one(project: str | None, *, everywhere: bool) -> None:
    if everywhere == (project is not None):
        raise typer.BadParameter("one of both says where", param_hint="--project or --everywhere")


@robot.command("list")
@asks_node
def robot_list(project: _Project, url: str, as_json: Json = False) -> None:
    """List the robots of a project."""
    from node.cli.access.robots import robots

    with told():
        typer.echo(robots(url, project).shown(as_json))


@robot.command("add")
@asks_node
def robot_add(name: _Robot, url: str, days: Days = None, as_json: Json = False) -> None:
    """Make a robot, with no role and no secret."""
    from node.cli.access.robots import add_robot
    from node.cli.words import days_from_now

    with told():
        typer.echo(add_robot(url, name, days_from_now(days, time.time())).shown(as_json))


@robot.command("disable")
@asks_node
def robot_disable(name: _Robot, url: str, as_json: Json = False) -> None:
    """Let a robot do nothing any more."""
    from node.cli.access.robots import set_robot

    with told():
        typer.echo(set_robot(url, name, disabled=True).shown(as_json))


@robot.command("enable")
@asks_node
def robot_enable(name: _Robot, url: str, as_json: Json = False) -> None:
    """Let a robot log in again."""
    from node.cli.access.robots import set_robot

    with told():
        typer.echo(set_robot(url, name, disabled=False).shown(as_json))


@robot.command("delete")
@asks_node
def robot_delete(name: _Robot, url: str, as_json: Json = False) -> None:
    """Delete a robot."""
    from node.cli.access.robots import delete_robot

    with told():
        typer.echo(delete_robot(url, name).shown(as_json))


@robot.command("secrets")
@asks_node
def robot_secrets(name: _Robot, url: str, as_json: Json = False) -> None:
    """List the secrets of a robot, short of what they are."""
    from node.cli.access.robots import secrets

    with told():
        typer.echo(secrets(url, name).shown(as_json))


@robot.command("add-secret")
@asks_node
def robot_add_secret(
    name: _Robot,
    label: Label,
    url: str,
    role: AtMost = "admin",
    patterns: Patterns = None,
    days: Days = None,
    into: Into = None,
    as_json: Json = False,
) -> None:
    """Make a secret for a robot beside those that it has, and print it, this once."""
    from node.cli.access.robots import add_secret

    with told():
        made = add_secret(url, name, secret_asked(label, role, patterns, days), into)
    show_secret(made.shown(as_json), into)


@robot.command("revoke-secret")
@asks_node
def robot_revoke_secret(name: _Robot, secret: SecretId, url: str, as_json: Json = False) -> None:
    """Take a secret of a robot back."""
    from node.cli.access.robots import revoke_secret

    with told():
        typer.echo(revoke_secret(url, name, secret).shown(as_json))


@auth.command("why")
@partial(asks_node, unknown=2)
def auth_why(
    user: Annotated[str, typer.Argument(help="A user or a robot; - is a stranger.")],
    action: Annotated[str, typer.Argument(help="manifest.write, say: docs/security.md has all.")],
    url: str,
    repository: Annotated[
        str, typer.Argument(help="A repository, or a project; none for what is of the cluster.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Tell whether somebody may do something, and why. Exit status: 0 yes, 1 no, 2 unknown."""
    from node.cli.access.access import why

    with told(2):
        allowed, outcome = why(url, user, action, repository)
    typer.echo(outcome.shown(as_json))
    raise typer.Exit(0 if allowed else 1)


@auth.command("keys")
@asks_node
def auth_keys(url: str, as_json: Json = False) -> None:
    """List the keys that tokens are signed with, each that of a node."""
    from node.cli.access.access import keys

    with told():
        typer.echo(keys(url).shown(as_json))


@auth.command("revoke-key")
@asks_node
def auth_revoke_key(
    key: Annotated[str, typer.Argument(help="As `atoll auth keys` names it.")],
    url: str,
    as_json: Json = False,
) -> None:
    """Void all tokens that a key has signed: its disk was stolen, say."""
    from node.cli.access.access import revoke_key

    with told():
        typer.echo(revoke_key(url, key).shown(as_json))


@admin.command("init")
@asks_node
def admin_init(
    name: Annotated[str, typer.Argument(help="Log-in name of the admin.")],
    url: str,
    password_stdin: FromStdin = False,
    password_file: FromFile = None,
    as_json: Json = False,
) -> None:
    """Make the first admin, as who may read the data directory of a node."""
    from node.cli.access.first_admin import init
    from node.cli.secrets import read_secret

    with told():
        password = read_secret(
            "password", from_stdin=password_stdin, file=password_file, is_new=True
        )
        typer.echo(init(url, name, password).shown(as_json))
