"""What the figures were measured on."""

import os
import platform
import shutil
import subprocess
from pathlib import Path


def describe_machine() -> dict[str, str]:
    """Return cores, processor, memory, kernel and Python."""
    return {
        "cores": str(os.cpu_count()),
        "processor": _field("/proc/cpuinfo", "model name") or platform.processor(),
        "memory": _memory(),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def describe_atoll() -> str:
    """
    Return the commit, with `-dirty` where something differs from that.

    Outside a repository, and without git, it is unknown.
    """
    command = ["git", "describe", "--always", "--dirty"]
    if shutil.which(command[0]) is None:
        return "unknown"
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def _memory() -> str:
    total = _field("/proc/meminfo", "MemTotal")
    return f"{int(total.split()[0]) / (1 << 20):.1f} GiB" if total else "unknown"


def _field(path: str, name: str) -> str:
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""
