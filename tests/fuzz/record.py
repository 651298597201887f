"""What came of a run with one target."""

from typing import Final

import msgspec

SETTLED_S: Final = 60.0
"""After so long what a node keeps in memory is what it keeps."""

GROWTH_MAX: Final = 0.10
"""By how much it may grow from there to the end."""

_JUDGED_S: Final = 3 * SETTLED_S
"""A shorter run says nothing of memory."""


class Fault(msgspec.Struct, frozen=True):
    says: str
    """What was wrong, and behind it what the node has logged as an error meanwhile."""

    given: str
    """The input as JSON, as short as Hypothesis could make it."""


class Slowest(msgspec.Struct):
    """The most that an input took, and which one."""

    seconds: float = 0.0
    given: str = ""


class Record(msgspec.Struct):
    target: str
    seed: int
    seconds: float = 0.0
    inputs: int = 0
    outcomes: dict[str, int] = {}
    lacking: list[str] = []
    """Outcomes that never occurred."""

    cpu: Slowest = msgspec.field(default_factory=Slowest)
    hold: Slowest = msgspec.field(default_factory=Slowest)
    settled_bytes: int = 0
    """Memory after the first minute; 0: the run was shorter."""

    end_bytes: int = 0
    faults: list[Fault] = []
    repeated: int = 0
    """Inputs that met a fault which had been seen before."""

    @property
    def growth(self) -> float | None:
        """Of memory after the first minute; None: the run was too short to tell."""
        if self.seconds < _JUDGED_S or not self.settled_bytes:
            return None
        return self.end_bytes / self.settled_bytes - 1

    def problems(self) -> list[str]:
        """Why the run has failed, each fault with its input; empty: it has not."""
        found = [f"{fault.says}\ninput: {fault.given}" for fault in self.faults]
        if self.lacking:
            found.append(f"never met: {', '.join(self.lacking)}")
        if self.growth is not None and abs(self.growth) > GROWTH_MAX:
            found.append(f"memory changed by {self.growth:+.0%} after the first minute")
        return [f"{self.target}: {each}" for each in found]
