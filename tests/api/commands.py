"""Running the `atoll` command beside a registry."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from node.disk.datadir import admin_told, locked, write_operator
from tests.fakes.identity import OPERATOR_SECRET


class Done(NamedTuple):
    exit_code: int
    output: str
    told: str


async def atoll(*arguments: str, typed: str = "") -> Done:
    """
    Run the command in a process of its own, as a script does: nobody can be asked. *typed* is on
    its standard input.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "node", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        output, told = await process.communicate(typed.encode())
    assert process.returncode is not None
    return Done(process.returncode, output.decode(), told.decode())


@contextmanager
def data_dir_of(address: str, directory: Path) -> Iterator[tuple[str, str]]:
    """
    Make *directory* the one of the node that serves the admin API at *address*; yields the option
    that names it.
    """
    with locked(directory), admin_told(directory, address):
        write_operator(directory, OPERATOR_SECRET)
        yield ("--data-dir", str(directory))
