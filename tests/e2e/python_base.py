"""
A stand-in for the image that ours is built on, made of Debian's packages.

No test depends on a registry of somebody else. Like the one it stands for, it has Python as
`python`, and no byte code of Python's own library.
"""

import shutil
from pathlib import Path
from typing import Final

from tests.e2e.clients import require, require_root, run
from tests.e2e.daemons import Dockerd

NAME: Final = "python:3.11-slim"
_PACKAGES: Final = ("python3", "python3-venv")
_TIMEOUT_S: Final = 600.0


def import_python_base(dockerd: Dockerd, directory: Path) -> None:
    """Make the image and give it to the daemon under the name that the Dockerfile asks for."""
    require_root("debootstrap")
    require("debootstrap")
    root = directory / "root"
    tool = str(Path(__file__).parents[2] / ".ci" / "root")
    run([tool, "make", root, *_PACKAGES], timeout_s=_TIMEOUT_S)
    (root / "usr/bin/python").symlink_to("python3")
    for byte_code in list((root / "usr/lib").rglob("__pycache__")):
        shutil.rmtree(byte_code)
    archive = directory / "root.tar"
    run(["tar", "--create", "--file", archive, "--directory", root, "."])
    # How package clients reach their registries from here is the machine's affair.
    settings = run([tool, "settings"]).splitlines()
    changes = [part for setting in settings for part in ("--change", f"ENV {setting}")]
    dockerd.run("import", *changes, archive, NAME)
