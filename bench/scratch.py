"""Where benchmarks keep their files: on the repository's file system, until they end."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent


@contextmanager
def scratch(name: str) -> Iterator[Path]:
    """A new directory, which is removed with all that is in it."""
    parent = ROOT / "results"
    parent.mkdir(exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=parent))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
