"""
How secrets come into a command and out of it: never as an argument, which every process of the
machine can see, and never through the environment, which every child inherits.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from node.cli.errors import CommandError
from node.cli.outcome import Outcome

_BYTES_MAX: Final = 4096


def read_secret(what: str, *, from_stdin: bool, file: Path | None, is_new: bool = False) -> str:
    """
    The secret that somebody types, unseen; or what is on standard input, or in *file*, but for the
    end of the line. One that *is_new* is typed twice.

    Raises:
        CommandError: there is none, or nobody could type it.
    """
    if from_stdin and file is not None:
        raise CommandError(f"the {what} comes from standard input or from a file, not from both")
    if from_stdin:
        return _line(what, sys.stdin.buffer.read(_BYTES_MAX + 1))
    if file is not None:
        try:
            with file.open("rb") as opened:
                return _line(what, opened.read(_BYTES_MAX + 1))
        except OSError as exc:
            raise CommandError(f"cannot read {file}: {exc.strerror}") from exc
    if not sys.stdin.isatty():
        raise CommandError(
            f"nobody is there to type the {what}: give --password-stdin or --password-file"
        )
    return _typed(what, is_new=is_new)


def hand_out(make: Callable[[], dict[str, object]], into: Path | None, name: str) -> Outcome:
    """
    Have a secret made, and say what to print of its document: the secret itself, this once; or
    where it is, if it is to go *into* a new file, which nobody else may read. *name* is what it is
    good for.

    Raises:
        CommandError: the file cannot be made, or is there; or what *make* raises.
    """
    if into is None:
        made = make()
        return Outcome(str(made["secret"]), made)
    try:
        # Before anything is made: nobody else could tell the secret again.
        descriptor = os.open(into, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise CommandError(f"cannot make {into}: {exc.strerror}") from exc
    with os.fdopen(descriptor, "w") as file:
        try:
            made = make()
        except CommandError:
            into.unlink()
            raise
        file.write(f"{made['secret']}\n")
    rest = {field: value for field, value in made.items() if field != "secret"}
    return Outcome(f"secret {made['id']} of {name} is in {into}", {**rest, "file": str(into)})


def _typed(what: str, *, is_new: bool) -> str:
    import typer

    return str(
        typer.prompt(what.capitalize(), hide_input=True, confirmation_prompt=is_new, err=True)
    )


def _line(what: str, data: bytes) -> str:
    if len(data) > _BYTES_MAX:
        raise CommandError(f"that is no {what}: it is longer than {_BYTES_MAX} bytes")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise CommandError(f"that is no {what}: it is no UTF-8") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text or not text.isprintable():
        raise CommandError(f"that is no {what}: it is not one line of printable characters")
    return text
