"""A run as a table, for people and for docs/hostile.md."""

from collections import defaultdict
from pathlib import Path
from typing import Final

from bench.machine import describe_atoll, describe_machine
from tests.hostile.run import Run
from tests.hostile.stranger import CLOSED, SILENT
from tests.hostile.verdict import Evidence, delays, faults, percentile, slower_s

_BEGIN: Final = "<!-- figures: written by make hostile -->"
_END: Final = "<!-- end of figures -->"
_WORDS: Final = {CLOSED: "closed", SILENT: "silence"}


def text(run: Run, evidence: Evidence) -> str:
    """The machine, the figures, and what each kind of stranger was told."""
    facts = {**describe_machine(), "Atoll": describe_atoll()}
    calm, harassed = evidence.calm, evidence.harassed
    lines = [
        *(f"- {name}: {value}" for name, value in facts.items()),
        f"- strangers: {evidence.strangers.requests:,} requests, {run.at_once} at a time, "
        f"{evidence.strangers.refused:,} of them not let in; seed {run.seed}",
        f"- healthy load: {run.rate:g} operations a second on three nodes of one region",
        "",
        "| | beside well-behaved connections | beside strangers |",
        "|---|---:|---:|",
        f"| operations | {calm.operations:,} | {harassed.operations:,} |",
        f"| requests | {len(calm.seconds):,} | {len(harassed.seconds):,} |",
        f"| failed | {calm.failures.total()} | {harassed.failures.total()} |",
    ]
    for share in (0.5, 0.99, 0.999):
        cells = (f"{percentile(each.seconds, share) * 1000:.1f} ms" for each in (calm, harassed))
        lines.append(f"| p{share * 100:g} | {' | '.join(cells)} |")
    for number, (before, after) in enumerate(zip(evidence.before, evidence.after, strict=True)):
        lines.append(
            f"| node {number}: memory, descriptors afterwards "
            f"| {before.memory_bytes >> 20} MiB, {before.descriptors} "
            f"| {after.memory_bytes >> 20} MiB, {after.descriptors} |"
        )
    lines += ["", "| kind of stranger | told |", "|---|---|"]
    told: dict[str, list[str]] = defaultdict(list)
    for (name, status), count in sorted(evidence.strangers.answers.items()):
        told[name].append(f"{count} x {_WORDS.get(status, status)}")
    lines += [f"| {name} | {', '.join(answers)} |" for name, answers in told.items()]
    lines += ["", f"p99.9 is {slower_s(evidence) * 1000:+.0f} ms beside strangers.", ""]
    lines += [f"- {fault}" for fault in (*faults(evidence), *delays(evidence))] or [
        "No healthy request failed; no fault was found."
    ]
    return "\n".join(lines) + "\n"


def publish(path: Path, table: str) -> None:
    """Put the table into a document, in place of the one between its marks."""
    before, _, rest = path.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    path.write_text(f"{before}{_BEGIN}\n\n{table}\n{_END}{after}")
