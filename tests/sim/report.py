"""The report of a run, as a section of a Markdown file."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from tests.sim.coverage import Totals
from tests.sim.excuses import table
from tests.sim.identity.plan import ASKED
from tests.sim.plan import FAULTS, OPERATIONS

HEAD: Final = """\
# Simulation

Whole nodes of the real engine under seeded faults, and what came of it; `docs/testing.md` says how.
Each section is written by the command that it names.
"""


def report(seeds: str, totals: Totals, wall_s: float, jobs: int) -> list[str]:
    """The lines of a run's section."""
    counts, ordered = totals.counts, sorted(totals.converged_s)
    p50, p99 = (ordered[int(len(ordered) * q)] for q in (0.5, 0.99)) if ordered else (0.0, 0.0)
    lacking = totals.lacking()
    return [
        f"`python -m tests.sim --seeds {seeds} --report docs/simulation.md`",
        "",
        f"**{len(totals.failed)} of {totals.seeds:,} seeds with violations.**",
        "",
        "| what | how much |",
        "|---|---|",
        f"| seeds | {totals.seeds:,} |",
        f"| virtual time | {totals.simulated_s / 3600:.1f} h |",
        f"| operations | {counts['operations']:,} |",
        f"| acknowledged | {counts['acknowledged']:,} |",
        f'| answered "not found" | {counts["missing"]:,} |',
        f"| refused, and nothing changed | {counts['refused']:,} |",
        f"| failed or without an answer | {counts['failed']:,} |",
        f"| steps of the event loop | {counts['handles']:,} |",
        f"| all indexes alike after the faults | p50 {p50:.2f} s, p99 {p99:.2f} s |",
        f"| wall time | {wall_s:,.0f} s with {jobs} jobs, {wall_s / totals.seeds:.2f} s a seed |",
        "",
        "Operations that ran while a fault went on, or within a second after it. Every pair has to "
        "occur, else the run fails.",
        "",
        "| fault | " + " | ".join(OPERATIONS) + " |",
        "|---|" + "---|" * len(OPERATIONS),
        *_rows(totals),
        "",
        f"{len(lacking)} pairs never met, such as {' x '.join(lacking[0])}."
        if lacking
        else "Every fault met every kind of operation.",
        "",
        *_violations(totals),
    ]


def report_identity(seeds: str, totals: Totals, wall_s: float, jobs: int) -> list[str]:
    """The lines of the section on who may do what."""
    lacking = totals.lacking(ASKED)
    return [
        f"`python -m tests.sim --identity --seeds {seeds} --report docs/simulation.md`",
        "",
        f"**{len(totals.failed)} of {totals.seeds:,} seeds with violations.**",
        "",
        "| what | how much |",
        "|---|---|",
        f"| seeds | {totals.seeds:,} |",
        f"| virtual time | {totals.simulated_s / 3600:.1f} h |",
        *(f"| {what} | {times:,} |" for what, times in sorted(totals.access.items())),
        f"| a token taken after its life, as a clock was wrong | "
        f"{totals.excused['a clock was wrong']:,} |",
        f"| wall time | {wall_s:,.0f} s with {jobs} jobs, {wall_s / totals.seeds:.2f} s a seed |",
        "",
        f"{len(lacking)} pairs of a fault and one of these never met, such as "
        f"{' x '.join(lacking[0])}."
        if lacking
        else "Every fault met every kind of these.",
        "",
        *_violations(totals),
    ]


def excuses(seeds: str, totals: Totals) -> list[str]:
    """The lines of the section on what is not judged."""
    return [
        f"`python -m tests.sim --seeds {seeds} --report docs/simulation.md`",
        "",
        f"What the checker does not judge, or judges more mildly, in {totals.seeds:,} seeds. "
        "**0 tags are not judged**: which of its heads a tag serves follows from the logs. An "
        "excuse is counted where it was made; what has no count is a bound that all is judged by.",
        "",
        *table(totals.excused),
    ]


def _rows(totals: Totals) -> Iterable[str]:
    for fault in FAULTS:
        yield f"| {fault} | " + " | ".join(f"{totals.met[fault, k]:,}" for k in OPERATIONS) + " |"


def _violations(totals: Totals) -> Iterable[str]:
    for result in totals.failed:
        yield f"- seed {result.seed}: {len(result.violations)} violations, `{result.violations[0]}`"
    if not totals.failed:
        yield "No violations."


def replace_section(path: Path, title: str, lines: Sequence[str]) -> None:
    """Put *lines* under the heading *title*, in the place of what was there."""
    text = path.read_text() if path.exists() else HEAD
    section = "\n".join([f"## {title}", "", *lines]).rstrip() + "\n"
    old = re.compile(rf"^## {re.escape(title)}$.*?(?=^## |\Z)", re.DOTALL | re.MULTILINE)
    if old.search(text):
        text = old.sub(lambda _: section + "\n", text, count=1)
    else:
        text = text.rstrip() + "\n\n" + section
    path.write_text(text.rstrip() + "\n")
