"""Which faults met which operations, over many seeds; and the report of a run."""

from collections import Counter
from collections.abc import Sequence

from tests.sim.plan import FAULTS, OPERATIONS
from tests.sim.world import Result


def add(
    result: Result, total: Counter[str], met: Counter[tuple[str, str]], converged: list[float]
) -> None:
    total["seeds"] += 1
    for name in ("operations", "acknowledged", "degraded", "missing", "failed", "handles"):
        total[name] += getattr(result, name)
    total["simulated seconds"] += int(result.simulated_s)
    met.update(result.met)
    if result.converged_s is not None:
        converged.append(result.converged_s)


def lacking(met: Counter[tuple[str, str]]) -> list[tuple[str, str]]:
    """The pairs that never met: the run proves nothing about them."""
    return [(fault, kind) for fault in FAULTS for kind in OPERATIONS if not met[fault, kind]]


def report(
    seeds: str,
    total: Counter[str],
    met: Counter[tuple[str, str]],
    converged: Sequence[float],
    failed: Sequence[Result],
    wall_s: float,
) -> str:
    lines = [
        f"# Simulator: seeds {seeds}",
        "",
        f"{len(failed)} of {total['seeds']} seeds with violations; {wall_s:.0f} s of wall time, "
        f"{total['simulated seconds'] / max(wall_s, 0.001):.0f} times real time.",
        "",
        "| what | count |",
        "|---|---|",
        *(f"| {name} | {count:,} |" for name, count in total.items()),
        "",
    ]
    if converged:
        ordered = sorted(converged)
        p50, p99 = (ordered[int(len(ordered) * q)] for q in (0.5, 0.99))
        lines += [f"Identical after heal: p50 {p50:.2f} s, p99 {p99:.2f} s.", ""]
    lines += [
        "Operations that ran while a fault went on or within a second after it:",
        "",
        "| fault | " + " | ".join(OPERATIONS) + " |",
        "|---|" + "---|" * len(OPERATIONS),
        *(
            f"| {fault} | " + " | ".join(str(met[fault, kind]) for kind in OPERATIONS) + " |"
            for fault in FAULTS
        ),
        "",
    ]
    if failed:
        lines += ["Failing seeds: " + ", ".join(result.seed for result in failed), ""]
    return "\n".join(lines)
