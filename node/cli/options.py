"""What the commands that ask a running node have in common."""

import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from node.cli.errors import CommandError
from node.cli.words import Ask

Url = Annotated[
    str | None,
    typer.Option("--url", metavar="HOST:PORT", help="Where a node serves the admin API."),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="DIR",
        help="The data directory of a node on this machine, to ask that one. Without it, --url and "
        "--context that of ATOLL_DATA_DIR, that of the current context, or who is at "
        "127.0.0.1:7000.",
    ),
]
ContextName = Annotated[
    str | None,
    typer.Option("--context", metavar="NAME", help="A cluster that you have logged in to."),
]
Json = Annotated[bool, typer.Option("--json", help="Print a JSON document instead of text.")]


def asks_node(command: Callable[..., None], *, unknown: int = 1) -> Callable[..., None]:
    """
    Give *command*, which takes the `url` of a node, `--url`, `--data-dir` and `--context` in its
    place.

    It leaves with *unknown* where they name no node.
    """
    signature = inspect.signature(command)
    ways = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        for name, annotation in (("url", Url), ("data_dir", DataDir), ("context", ContextName))
    ]
    own = (
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in signature.parameters.items()
        if name != "url"
    )

    @functools.wraps(command)
    def found(*, url: str | None, data_dir: Path | None, context: str | None, **given: Any) -> None:
        from node.cli.whereabouts import node_address

        with told(unknown):
            address = node_address(url, data_dir, context)
        command(url=address, **given)

    signature = signature.replace(parameters=[*own, *ways])
    # Typer asks the function for its parameters, and believes what it says.
    vars(found)["__signature__"] = signature
    found.__annotations__ = {
        name: parameter.annotation for name, parameter in signature.parameters.items()
    }
    return found


def command_group(help_text: str) -> typer.Typer:
    """A command that has commands."""
    return typer.Typer(
        no_args_is_help=True, add_completion=False, rich_markup_mode=None, help=help_text
    )


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
