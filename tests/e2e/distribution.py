"""The reference registry, CNCF Distribution, as a process on a directory of its own."""

import os
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.e2e.ports import free_port
from tests.e2e.processes import stop_process, wait_until_up

VERSION_3: Final = "registry"
"""The program of version 3, which `.ci/tools` builds."""

_TOOLS: Final = Path(__file__).parents[2] / ".tools" / "bin"

# What the project's own example configuration has: a file system, an in-memory descriptor
# cache. Logs as quiet as ours.
_CONFIG: Final = """\
version: 0.1
log:
  level: error
  accesslog:
    disabled: true
storage:
  filesystem:
    rootdirectory: {directory}
  cache:
    blobdescriptor: inmemory
  delete:
    enabled: true
http:
  addr: {address}
"""


def find_program(name: str) -> str | None:
    """Where a program is, in .tools/bin or on the PATH."""
    return shutil.which(name, path=os.pathsep.join([str(_TOOLS), os.environ.get("PATH", "")]))


@contextmanager
def distribution(executable: str, directory: Path) -> Iterator[str]:
    """
    Run a registry on a new *directory*; gives its address.

    Raises:
        ProcessFailed: it does not answer.
    """
    directory.mkdir()
    address = f"127.0.0.1:{free_port()}"
    config, log = directory / "config.yml", directory / "log"
    config.write_text(_CONFIG.format(directory=directory / "data", address=address))
    with log.open("wb") as output:
        process = subprocess.Popen(
            [executable, "serve", str(config)],
            stdout=output,
            stderr=output,
            # Version 3 sends traces to a collector by default; there is none here.
            env={**os.environ, "OTEL_TRACES_EXPORTER": "none"},
        )
    try:
        wait_until_up(process, log, lambda: answers(address), executable)
        yield address
    finally:
        stop_process(process, log)


def answers(address: str) -> bool:
    """Whether a registry that lets everybody in serves at *address*."""
    try:
        urllib.request.urlopen(f"http://{address}/v2/", timeout=5).close()
    except urllib.error.URLError:
        return False
    return True
