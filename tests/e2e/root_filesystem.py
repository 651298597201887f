"""The smallest image that runs: one static program."""

import io
import tarfile
from pathlib import Path

from tests.e2e.clients import require, run


def busybox_tar(path: Path, *, hostname: str = "atoll") -> Path:
    """Write a root file system of one static program; *hostname* makes it another one."""
    program = Path(require("busybox")).read_bytes()
    with tarfile.open(path, "w") as archive:
        for name, content, mode in (
            ("bin/busybox", program, 0o755),
            ("etc/hostname", f"{hostname}\n".encode(), 0o644),
        ):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))
    return path


def busybox_image(name: str, scratch: Path, *, hostname: str) -> None:
    """Push an image of that file system, with crane, under *name*."""
    crane, layer = require("crane"), busybox_tar(scratch / "root.tar", hostname=hostname)
    run([crane, "append", "--new_layer", layer, "--new_tag", name])
    run([crane, "mutate", name, "--set-platform", "linux/amd64", "--tag", name])
