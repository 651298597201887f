"""The figures of many runs, as a table."""

import math
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.machine import describe_atoll, describe_machine
from tests.netfaults import agreement, causes, marks, rules
from tests.netfaults.run import Result
from tests.netfaults.scenarios import SCENARIOS

_BEGIN: Final = "<!-- figures: written by make netfaults -->"
_END: Final = "<!-- end of figures -->"

_COUNTED: Final[dict[str, frozenset[str]]] = {
    "lost": frozenset({rules.LOST, rules.UNDONE, agreement.UNREADABLE}),
    "stale": frozenset({rules.STALE, rules.UNASKED, rules.UNLINKED, rules.INVENTED, rules.LISTED}),
    "back": frozenset({rules.BACK}),
    "wrong bytes": frozenset({rules.WRONG_BYTES}),
    "unexplained": frozenset(
        {causes.UNEXPLAINED, marks.NEEDLESS, agreement.IN_PART, agreement.SILENT}
    ),
}
"""Columns, and the rules whose violations they count. `other` has the rest."""

HEAD: Final = (
    *("scenario", "runs", "faults", "operations", "strict", "strict s", "not served"),
    *("pushes acknowledged", "manifests deleted", "bodies hashed", "blobs", "unknown"),
    *(
        *_COUNTED,
        "other",
        "unconfirmed",
        "stale, marked",
        "agreed p50",
        "p99",
        "identical p50",
        "p99",
    ),
)


def figures(results: Sequence[Result]) -> str:
    """The machine, the versions of the programs on it, and the `table`."""
    facts = {**describe_machine(), **_versions(), **_parameters(results)}
    lines = [f"- {name}: {value}" for name, value in facts.items()]
    return "\n".join([*lines, "", table(results)])


def table(results: Sequence[Result]) -> str:
    """One line per scenario and one for all of them. Asks no program for anything."""
    lines = [
        f"| {' | '.join(HEAD)} |",
        f"|---|{'---:|' * (len(HEAD) - 1)}",
    ]
    for name in SCENARIOS:
        of_scenario = [result for result in results if result.scenario == name]
        if of_scenario:
            lines.append(f"| {' | '.join(row(name, of_scenario))} |")
    lines.append(f"| {' | '.join(row('all', results))} |")
    return "\n".join(lines) + "\n"


def publish(path: Path, results: Sequence[Result]) -> None:
    """Put the table into a document, in place of the one between its marks."""
    before, _, rest = path.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    path.write_text(f"{before}{_BEGIN}\n\n{figures(results)}\n{_END}{after}")


def row(scenario: str, results: Sequence[Result]) -> list[str]:
    """The cells under `HEAD` for *results*, which are called *scenario*."""
    operations = sum(sum(result.operations.values()) for result in results)
    not_served = sum(sum(result.failures.values()) for result in results)
    unknown = sum(result.unknown for result in results)
    took_effect = sum(result.took_effect for result in results)
    agreed = [result.converged_s for result in results if result.converged_s is not None]
    same = [result.identical_s for result in results if result.identical_s is not None]
    return [
        scenario,
        str(len(results)),
        str(sum(result.faults for result in results)),
        f"{operations:,}",
        f"{sum(result.strict_operations for result in results):,}",
        f"{min(result.strict_s for result in results):.1f}",
        f"{not_served / max(1, operations):.1%}",
        f"{sum(result.acknowledged for result in results):,}",
        f"{sum(result.deleted for result in results):,}",
        f"{sum(result.bodies for result in results):,}",
        f"{sum(result.blobs for result in results):,}",
        f"{unknown} ({took_effect} done)",
        *(str(_count(results, counted)) for counted in _COUNTED.values()),
        str(_count(results, None)),
        f"{sum(sum(result.unconfirmed.values()) for result in results):,}",
        str(sum(result.stale_marked for result in results)),
        *(_seconds(agreed, share, len(results)) for share in (0.5, 0.99)),
        *(_seconds(same, share, len(results)) for share in (0.5, 0.99)),
    ]


def _count(results: Sequence[Result], counted: frozenset[str] | None) -> int:
    """Violations of the rules *counted*; None for all that no column counts."""
    named = frozenset().union(*_COUNTED.values())
    return sum(
        number
        for result in results
        for rule, number in result.violations.items()
        if (rule in counted if counted is not None else rule not in named)
    )


def _seconds(sorted_or_not: Sequence[float], share: float, runs: int) -> str:
    """The percentile by nearest rank; a run that never agreed counts as the slowest."""
    rank = math.ceil(share * runs)
    return "never" if rank > len(sorted_or_not) else f"{sorted(sorted_or_not)[rank - 1]:.2f} s"


def _parameters(results: Sequence[Result]) -> dict[str, str]:
    durations = sorted({result.duration_s for result in results})
    return {
        "load per run": " or ".join(f"{duration:g} s" for duration in durations),
        "runner's timers": f"up to {max(result.late_s for result in results):.2f} s late",
    }


def _versions() -> dict[str, str]:
    return {
        "Atoll": describe_atoll(),
        "iptables": _first_line("iptables", "--version"),
        "libfaketime": _first_line("faketime", "--version"),
    }


def _first_line(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).strip().partition("\n")[0]
