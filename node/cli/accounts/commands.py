"""
The commands about who somebody is. Each imports what it needs when it runs; no secret is ever an
argument.
"""

import time
from pathlib import Path
from typing import Annotated, Final

import typer

from node.cli.options import DataDir, Json, Url, asks_node, command_group, tell, told

FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="The password is on standard input.")
]
FromFile = Annotated[
    Path | None,
    typer.Option("--password-file", metavar="FILE", help="The password is in a file."),
]
Into = Annotated[
    Path | None,
    typer.Option(
        "--into",
        metavar="FILE",
        help="Write the secret to a new file that nobody else may read, instead of showing it.",
    ),
]
Days = Annotated[
    float | None,
    typer.Option("--days", metavar="N", min=0.0, help="How long it holds; for ever without it."),
]
Patterns = Annotated[
    list[str] | None,
    typer.Option(
        "--pattern",
        metavar="PATTERN",
        help="Repositories that it is for, such as lib/app or lib/team/**; all without it.",
    ),
]
AtMost = Annotated[
    str,
    typer.Option("--role", metavar="ROLE", help="The most it is good for: puller, pusher, ..."),
]
Label = Annotated[str, typer.Argument(help="What it is called: where it is used, say.")]
SecretId = Annotated[str, typer.Argument(metavar="ID", help="As in the list.")]

_User = Annotated[str, typer.Argument(help="Log-in name of a user.")]
_Group = Annotated[str, typer.Argument(help="Name of a group.")]
_Users = Annotated[list[str], typer.Argument(metavar="USER...", help="Log-in names.")]
_Context = Annotated[str, typer.Argument(help="Name of a context.")]

_SHOWN_ONCE: Final = "the secret is shown this once, and nobody can show it again"


def login(
    url: Url = None,
    data_dir: DataDir = None,
    user: Annotated[
        str | None,
        typer.Option("--user", "-u", metavar="NAME", help="Log-in name; asked for without it."),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", help="What to call the context; host and port without it."),
    ] = None,
    password_stdin: FromStdin = False,
    password_file: FromFile = None,
    plain_http: Annotated[
        bool,
        typer.Option("--plain-http", help="Send the password to another machine in clear."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Log in to a cluster: the commands that ask its nodes say who asks, from then on."""
    from node.cli.accounts.logins import check_private, log_in
    from node.cli.references import parse_url
    from node.cli.secrets import read_secret
    from node.cli.whereabouts import node_address

    with told():
        address = node_address(url, data_dir)
        check_private(parse_url(address), plain_http=plain_http)
        who = user or _name_typed()
        password = read_secret("password", from_stdin=password_stdin, file=password_file)
        typer.echo(log_in(address, who, password, name).shown(as_json))


def _name_typed() -> str:
    from node.cli.errors import CommandError
    from node.cli.options import asking

    ask = asking()
    if ask is None:
        raise CommandError("nobody is there to type a log-in name: give --user")
    return ask("Log-in name")


def logout(
    context: Annotated[
        str | None, typer.Option("--context", metavar="NAME", help="The current one without it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Forget a cluster that you have logged in to, and what tokens are got for there."""
    from node.cli.accounts.logins import log_out

    with told():
        typer.echo(log_out(context).shown(as_json))


context = command_group("Show and choose among the clusters that you have logged in to.")
user = command_group("Make, change and delete users.")
group = command_group("Make groups, and say who is in them.")
token = command_group("Tokens of your own, to be used instead of your password.")


@context.command("list")
def context_list(as_json: Json = False) -> None:
    """List the clusters that you have logged in to."""
    from node.cli.accounts.logins import listed

    with told():
        typer.echo(listed().shown(as_json))


@context.command("use")
def context_use(name: _Context, as_json: Json = False) -> None:
    """Have commands go to a cluster, unless they say otherwise."""
    from node.cli.accounts.logins import use

    with told():
        typer.echo(use(name).shown(as_json))


@context.command("remove")
def context_remove(name: _Context, as_json: Json = False) -> None:
    """Forget a cluster, as atoll logout does."""
    from node.cli.accounts.logins import log_out

    with told():
        typer.echo(log_out(name).shown(as_json))


@user.command("list")
@asks_node
def user_list(url: str, as_json: Json = False) -> None:
    """List the users."""
    from node.cli.accounts.users import users

    with told():
        typer.echo(users(url).shown(as_json))


@user.command("add")
@asks_node
def user_add(
    name: _User,
    url: str,
    password_stdin: FromStdin = False,
    password_file: FromFile = None,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="Nobody logs in by one, until there is one.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make a user, with no role anywhere."""
    from node.cli.accounts.users import add_user
    from node.cli.secrets import read_secret

    with told():
        password = None
        if not no_password:
            password = read_secret(
                "password", from_stdin=password_stdin, file=password_file, is_new=True
            )
        typer.echo(add_user(url, name, password).shown(as_json))


@user.command("password")
@asks_node
def user_password(
    url: str,
    name: Annotated[
        str | None, typer.Argument(help="Log-in name of a user; your own without it.")
    ] = None,
    password_stdin: FromStdin = False,
    password_file: FromFile = None,
    as_json: Json = False,
) -> None:
    """Set a password; what was got with the one before ends."""
    from node.cli.accounts.users import set_own_password, set_password
    from node.cli.secrets import read_secret

    with told():
        given = read_secret(
            "new password", from_stdin=password_stdin, file=password_file, is_new=True
        )
        done = set_own_password(url, given) if name is None else set_password(url, name, given)
        typer.echo(done.shown(as_json))


@user.command("disable")
@asks_node
def user_disable(name: _User, url: str, as_json: Json = False) -> None:
    """Let a user do nothing any more, whatever they have logged in with."""
    from node.cli.accounts.users import set_user

    with told():
        typer.echo(set_user(url, name, disabled=True).shown(as_json))


@user.command("enable")
@asks_node
def user_enable(name: _User, url: str, as_json: Json = False) -> None:
    """Let a user log in again."""
    from node.cli.accounts.users import set_user

    with told():
        typer.echo(set_user(url, name, disabled=False).shown(as_json))


@user.command("delete")
@asks_node
def user_delete(name: _User, url: str, as_json: Json = False) -> None:
    """Delete a user. Who gets the name later has nothing of theirs."""
    from node.cli.accounts.users import delete_user

    with told():
        typer.echo(delete_user(url, name).shown(as_json))


@user.command("whoami")
@asks_node
def user_whoami(url: str, as_json: Json = False) -> None:
    """Tell who the node takes you for."""
    from node.cli.accounts.users import whoami

    with told():
        typer.echo(whoami(url).shown(as_json))


@group.command("list")
@asks_node
def group_list(url: str, as_json: Json = False) -> None:
    """List the groups."""
    from node.cli.accounts.users import groups

    with told():
        typer.echo(groups(url).shown(as_json))


@group.command("add")
@asks_node
def group_add(name: _Group, url: str, as_json: Json = False) -> None:
    """Make a group, with nobody in it."""
    from node.cli.accounts.users import add_group

    with told():
        typer.echo(add_group(url, name).shown(as_json))


@group.command("show")
@asks_node
def group_show(name: _Group, url: str, as_json: Json = False) -> None:
    """Show who is in a group."""
    from node.cli.accounts.users import show_group

    with told():
        typer.echo(show_group(url, name).shown(as_json))


@group.command("add-users")
@asks_node
def group_add_users(name: _Group, users: _Users, url: str, as_json: Json = False) -> None:
    """Put users into a group."""
    from node.cli.accounts.users import change_group

    with told():
        typer.echo(change_group(url, name, add=users, remove=()).shown(as_json))


@group.command("remove-users")
@asks_node
def group_remove_users(name: _Group, users: _Users, url: str, as_json: Json = False) -> None:
    """Take users out of a group."""
    from node.cli.accounts.users import change_group

    with told():
        typer.echo(change_group(url, name, add=(), remove=users).shown(as_json))


@group.command("delete")
@asks_node
def group_delete(name: _Group, url: str, as_json: Json = False) -> None:
    """Delete a group; what was granted to it is granted to nobody."""
    from node.cli.accounts.users import delete_group

    with told():
        typer.echo(delete_group(url, name).shown(as_json))


@token.command("list")
@asks_node
def token_list(url: str, as_json: Json = False) -> None:
    """List your own tokens, short of what they are."""
    from node.cli.accounts.users import tokens

    with told():
        typer.echo(tokens(url).shown(as_json))


@token.command("add")
@asks_node
def token_add(
    label: Label,
    url: str,
    role: AtMost = "admin",
    patterns: Patterns = None,
    days: Days = None,
    into: Into = None,
    as_json: Json = False,
) -> None:
    """Make a token of your own, and print it, this once."""
    from node.cli.accounts.users import add_token

    with told():
        made = add_token(url, secret_asked(label, role, patterns, days), into)
    show_secret(made.shown(as_json), into)


@token.command("revoke")
@asks_node
def token_revoke(secret: SecretId, url: str, as_json: Json = False) -> None:
    """Take a token of your own back."""
    from node.cli.accounts.users import revoke_token

    with told():
        typer.echo(revoke_token(url, secret).shown(as_json))


def secret_asked(
    label: str, role: str, patterns: list[str] | None, days: float | None
) -> dict[str, object]:
    """What the API is asked for."""
    from node.cli.words import days_from_now

    return {
        "label": label,
        "role": role,
        "patterns": patterns or [],
        "expires": days_from_now(days, time.time()),
    }


def show_secret(text: str, into: Path | None) -> None:
    """Print what was made; to a person, that they see it once."""
    typer.echo(text)
    if into is None:
        tell(_SHOWN_ONCE)
