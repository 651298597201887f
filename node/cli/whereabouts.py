"""
Which node a command asks: the one at an address, or the one of a data directory on this machine.
"""

import os
from pathlib import Path
from typing import Final

from node.cli.client import log_in_at
from node.cli.errors import CommandError
from node.disk.datadir import admin_address, operator_secret
from node.errors.startup import StartupError
from node.settings.model import default_of, env_of

OPERATOR: Final = "operator"
"""As whom the node knows who may read its directory (`node.identity.login`)."""

_LOCAL: Final = str(default_of("admin"))


def node_address(url: str | None, data_dir: Path | None) -> str:
    """
    Where the admin API is: at *url*, or where the node of *data_dir* serves it; else that of
    `ATOLL_DATA_DIR`, or where a node on this machine has it if nobody said otherwise.

    Raises:
        CommandError: no node runs in that directory.
    """
    return given_address(url, data_dir) or address_around() or _LOCAL


def given_address(url: str | None, data_dir: Path | None) -> str | None:
    """The same by what was given with the command alone; None: nothing was."""
    if url is not None or data_dir is None:
        return url
    return _address_in(data_dir)


def address_around() -> str | None:
    """The same by the environment: that of a container names the directory of its node."""
    text = os.environ.get(env_of("data_dir"))
    return _address_in(Path(text)) if text else None


def _address_in(data_dir: Path) -> str:
    try:
        address = admin_address(data_dir)
    except StartupError as exc:
        raise CommandError(str(exc)) from exc
    # Who may read the directory runs its node.
    if (secret := operator_secret(data_dir)) is not None:
        log_in_at(address, OPERATOR, secret)
    return address
