"""Running the `atoll` command beside a registry."""

import asyncio
import sys
from typing import NamedTuple


class Done(NamedTuple):
    exit_code: int
    output: str
    told: str


async def atoll(*arguments: str) -> Done:
    """Run the command in a process of its own, as a script does: nobody can be asked."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "node", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        output, told = await process.communicate()
    assert process.returncode is not None
    return Done(process.returncode, output.decode(), told.decode())
