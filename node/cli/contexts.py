"""
The clusters that somebody has logged in to: a file that nobody else may read.

It has no password, but what tokens are got for: worth nothing any more once the password is
changed, or the account disabled.
"""

import fcntl
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from node.cli.errors import CommandError
from node.disk.durable import write_durably

_FILE: Final = "contexts.json"


class LoginContext(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster, and who somebody is there."""

    url: str
    """Where it serves the admin API, with the scheme."""

    user: str
    refresh: str
    """What tokens are got for."""


class Contexts(msgspec.Struct, frozen=True, kw_only=True):
    """All that somebody has."""

    current: str = ""
    """The name of the one that commands go by; empty: none."""

    contexts: Mapping[str, LoginContext] = {}

    def chosen(self) -> LoginContext | None:
        """The current one; None: there is none."""
        return self.contexts.get(self.current)

    def get(self, name: str) -> LoginContext:
        """
        The one of that name.

        Raises:
            CommandError: there is none.
        """
        try:
            return self.contexts[name]
        except KeyError:
            raise CommandError(f"there is no context {name!r}: see `atoll context list`") from None

    def at(self, url: str) -> LoginContext | None:
        """The one for the node at *url*: the current one, if it is."""
        current = self.chosen()
        if current is not None and current.url == url:
            return current
        return next((each for each in self.contexts.values() if each.url == url), None)

    def with_one(self, name: str, context: LoginContext) -> "Contexts":
        """With *context* under *name*, as the current one."""
        return Contexts(current=name, contexts={**self.contexts, name: context})

    def without(self, name: str) -> "Contexts":
        """Without the one of that name; raises `CommandError`: there is none."""
        self.get(name)
        rest = {other: each for other, each in self.contexts.items() if other != name}
        return Contexts(current="" if self.current == name else self.current, contexts=rest)


def load() -> Contexts:
    """
    What is in the file; nothing where there is none, or none that the process may read: a service's
    user has no home, or that of who became it.

    Raises:
        CommandError: it cannot be read, or others can read it, too.
    """
    path = _path()
    try:
        return Contexts() if path is None else _read(path)
    except PermissionError:
        return Contexts()


def save(contexts: Contexts) -> None:
    """
    Have the file hold *contexts*, within `changing`.

    Raises:
        CommandError: it cannot be written.
    """
    path = _path_at_home()
    try:
        write_durably(path, msgspec.json.encode(contexts), private=True)
    except OSError as exc:
        raise CommandError(f"cannot write {path}: {exc.strerror}") from exc


@contextmanager
def changing() -> Iterator[Contexts]:
    """
    What is in the file, which no other command changes meanwhile.

    Raises:
        CommandError: it cannot be read or made.
    """
    path = _path_at_home()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise CommandError(f"cannot use {path.parent}: {exc.strerror}") from exc
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            known = _read(path)
        except PermissionError as exc:
            raise CommandError(f"cannot read {path}: {exc.strerror}") from exc
        yield known
    finally:
        os.close(lock)


def _read(path: Path) -> Contexts:
    """See `load`; raises `PermissionError`, besides, where it may not be read."""
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise CommandError(f"others may read {path}: chmod 600 it, or log in anew")
            return msgspec.json.decode(file.read(), type=Contexts)
    except FileNotFoundError:
        return Contexts()
    except PermissionError:
        raise
    except OSError as exc:
        raise CommandError(f"cannot read {path}: {exc.strerror}") from exc
    except msgspec.DecodeError as exc:
        raise CommandError(f"{path} holds no contexts: remove it, and log in anew") from exc


def _path_at_home() -> Path:
    path = _path()
    if path is None:
        raise CommandError("there is no home to keep log-ins in: set XDG_CONFIG_HOME")
    return path


def _path() -> Path | None:
    """Where the file is; None: there is no home."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    # The specification of the directories has paths that are not absolute ignored.
    if base.startswith("/"):
        return Path(base) / "atoll" / _FILE
    try:
        return Path.home() / ".config" / "atoll" / _FILE
    except RuntimeError:  # a user who is but a number
        return None
