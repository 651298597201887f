"""The load generator `wrk`, as a function."""

import re
import subprocess
from pathlib import Path
from typing import Final

from bench.peers import program

_RATE: Final = re.compile(r"^Requests/sec:\s+([\d.]+)", re.MULTILINE)
_BAD: Final = re.compile(r"(Non-2xx or 3xx responses|Socket errors): .*")


def requests_per_s(
    url: str,
    *,
    connections: int,
    seconds: int,
    headers: tuple[str, ...] = (),
    script: Path | None = None,
    arguments: tuple[str, ...] = (),
) -> float:
    """
    Load one URL for some seconds from one thread and return the rate. A *script* in Lua may make
    each request another one, and gets the *arguments*.

    Raises:
        RuntimeError: any request failed; the rate would be of errors.
    """
    options = [part for header in headers for part in ("--header", header)]
    if script is not None:
        options += ["--script", str(script)]
    command = [
        program("wrk"),
        "-t1",
        f"-c{connections}",
        f"-d{seconds}s",
        *options,
        url,
        *arguments,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30, check=True)
    bad, rate = _BAD.search(done.stdout), _RATE.search(done.stdout)
    if bad is not None or rate is None:
        raise RuntimeError(f"{url}: {bad.group() if bad else 'no rate'}\n{done.stdout}")
    return float(rate.group(1))
