"""What many seeds did together, and which faults met which operations."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.sim.excuses import Excused
from tests.sim.plan import FAULTS, OPERATIONS
from tests.sim.simulation import Result

COUNTED = ("operations", "acknowledged", "missing", "refused", "failed", "handles")


@dataclass
class Totals:
    """The sums over all seeds of one run."""

    seeds: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    """Of operations by outcome, and of the event loop's steps."""

    simulated_s: float = 0.0
    access: Counter[str] = field(default_factory=Counter)
    """What was asked of accounts, and of decisions that were compared."""

    met: Counter[tuple[str, str]] = field(default_factory=Counter)
    converged_s: list[float] = field(default_factory=list)
    """For each seed, how long after the faults all indexes were alike."""

    excused: Excused = field(default_factory=Excused)
    failed: list[Result] = field(default_factory=list)

    def add(self, result: Result) -> None:
        self.seeds += 1
        self.counts.update({name: getattr(result, name) for name in COUNTED})
        self.simulated_s += result.simulated_s
        self.access.update(result.access)
        self.met.update(result.met)
        self.excused.update(result.excused)
        if result.converged_s is not None:
            self.converged_s.append(result.converged_s)
        if result.violations:
            self.failed.append(result)

    def lacking(self, kinds: Sequence[str] = OPERATIONS) -> Sequence[tuple[str, str]]:
        """The pairs that never met: the run proves nothing about them."""
        return [(fault, kind) for fault in FAULTS for kind in kinds if not self.met[fault, kind]]
