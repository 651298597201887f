"""
Which node a command asks: the one at an address, the one of a data directory on this machine, or
one of the cluster that somebody has logged in to.
"""

import os
from pathlib import Path
from typing import Final

from node.cli import contexts
from node.cli.credentials import found_in, go_by
from node.cli.errors import CommandError
from node.disk.datadir import admin_address
from node.errors.startup import StartupError
from node.settings.model import default_of
from node.settings.spec import env_of

_LOCAL: Final = str(default_of("admin"))


def node_address(url: str | None, data_dir: Path | None, context: str | None = None) -> str:
    """
    Where the admin API is: at *url*, where the node of *data_dir* serves it, or where *context*
    says; else that of `ATOLL_DATA_DIR`, that of the current context, or where a node on this
    machine has it if nobody said otherwise.

    Raises:
        CommandError: no node runs in that directory, or there is no such context.
    """
    return given_address(url, data_dir, context) or address_around() or _LOCAL


def given_address(url: str | None, data_dir: Path | None, context: str | None = None) -> str | None:
    """The same by what was given with the command alone; None: nothing was."""
    named = None if context is None else contexts.load().get(context)
    if named is not None:
        go_by(named)
    if url is not None:
        return url
    if data_dir is not None:
        return _address_in(data_dir)
    return None if named is None else named.url


def address_around() -> str | None:
    """
    The same by the environment: that of a container names the directory of its node; else by the
    current context.
    """
    text = os.environ.get(env_of("data_dir"))
    if text:
        return _address_in(Path(text))
    current = contexts.load().chosen()
    return None if current is None else current.url


def _address_in(data_dir: Path) -> str:
    try:
        address = admin_address(data_dir)
    except StartupError as exc:
        raise CommandError(str(exc)) from exc
    found_in(data_dir, f"http://{address}")
    return address
