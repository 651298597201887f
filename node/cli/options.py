"""What the commands that ask a running node have in common."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Final

import typer

from node.cli.errors import CommandError
from node.cli.words import Ask

Url = Annotated[str, typer.Option("--url", metavar="HOST:PORT", help="A node of the cluster.")]
Json = Annotated[bool, typer.Option("--json", help="Print a JSON document instead of text.")]

LOCAL: Final = "127.0.0.1:5000"


@contextmanager
def told(status: int = 1) -> Iterator[None]:
    """Print why a command could not do its work, and leave with *status*."""
    try:
        yield
    except CommandError as exc:
        typer.echo(f"atoll: {exc}", err=True)
        raise typer.Exit(status) from None


def asking() -> Ask | None:
    """How to ask the one who typed the command; None in a script."""
    return _ask if sys.stdin.isatty() else None


def tell(text: str) -> None:
    """Say what is waited for, on standard error: the output may be read by a program."""
    typer.echo(text, err=True)


def _ask(question: str) -> str:
    return str(typer.prompt(question, err=True))


def for_people_alone(*, as_json: bool) -> None:
    """
    Say that `--markdown` is no form for programs.

    Raises:
        typer.BadParameter: it is to be *as_json*.
    """
    if as_json:
        raise typer.BadParameter("is for people: leave out --json", param_hint="--markdown")
