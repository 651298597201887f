"""Runs of many hours, that go on where they were interrupted."""

import hashlib
import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.sim.coverage import Totals

_ROOT: Final = Path(__file__).parents[2]
_SIMULATED: Final = ("cluster", "node", "tests/sim")
_BESIDE: Final = {
    "__main__",
    "hunt",
    "mutants",
    "progress",
    "replay",
    "report",
    "shrink",
    "stories",
}
"""Modules of the simulator that change nothing in a seed."""


class OtherCode(Exception):
    """What was kept is of other code, or of another run; adding to it would prove nothing."""


@dataclass
class Progress:
    """How far a run is. Only read where it was written: the file is a pickle."""

    seeds: str
    code: str
    done: int = 0
    wall_s: float = 0.0
    totals: Totals = field(default_factory=Totals)

    @classmethod
    def load(cls, path: Path | None, seeds: str) -> "Progress":
        """
        What *path* has of this run; a new one when there is no such file.

        Raises:
            OtherCode: it is of other seeds, or the code has changed since.
        """
        fresh = cls(seeds, code_of(_ROOT))
        if path is None or not path.exists():
            return fresh
        kept: Progress = pickle.loads(path.read_bytes())
        if (kept.seeds, kept.code) != (fresh.seeds, fresh.code):
            raise OtherCode(f"{path} is of seeds {kept.seeds} with other code: remove it")
        return kept

    def save(self, path: Path) -> None:
        part = path.with_suffix(".part")
        part.write_bytes(pickle.dumps(self))
        part.replace(path)


def code_of(root: Path) -> str:
    """A hash over everything that decides what a seed does."""
    digest = hashlib.sha256()
    for part in _SIMULATED:
        for path in sorted((root / part).rglob("*.py")):
            if {path.stem, path.parent.name} & _BESIDE or path.stem.startswith("test_"):
                continue
            digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return digest.hexdigest()
