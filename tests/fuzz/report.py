"""A run as a table, for people and for docs/fuzzing.md."""

from collections.abc import Iterator, Sequence
from typing import Final

from bench.machine import describe_atoll, describe_machine
from tests.fuzz.record import GROWTH_MAX, Record
from tests.fuzz.trial import CPU_S, HOLD_S

TITLE: Final = "Record"

_COLUMNS: Final = ("target", "inputs", "a second", "slowest input", "longest step", "memory, 1 min",
                   "in the end")  # fmt: skip
_SHOWN: Final = 160


def lines(records: Sequence[Record], minutes: float, seed: int) -> list[str]:
    """The lines of the section."""
    problems = [each for record in records for each in record.problems()]
    return [
        f"`python -m tests.fuzz --target {_named(records)} --minutes {minutes:g} --seed {seed} "
        "--report docs/fuzzing.md`",
        "",
        f"**{len(problems)} problems in {sum(record.inputs for record in records):,} inputs.**",
        "",
        *(f"- {name}: {value}" for name, value in _facts()),
        "",
        f"The most that one input took of the processor (bound: {CPU_S:g} s), and one step of the "
        f"event loop in it (bound: {HOLD_S * 1000:g} ms); memory after the first minute and in the "
        f"end (bound: {GROWTH_MAX:.0%} apart).",
        "",
        f"| {' | '.join(_COLUMNS)} | |",
        f"|---|{'---:|' * len(_COLUMNS)}",
        *map(_row, records),
        "",
        "What came of them; each outcome has to occur that its target names as expected.",
        "",
        "| target | outcomes |",
        "|---|---|",
        *(f"| {record.target} | {', '.join(_outcomes(record))} |" for record in records),
        "",
        *(_slowest(records)),
        "",
        *([f"- {each.splitlines()[0][:600]}" for each in problems] or ["Nothing was wrong."]),
    ]


def _facts() -> Iterator[tuple[str, str]]:
    yield from describe_machine().items()
    yield "Atoll", describe_atoll()


def _named(records: Sequence[Record]) -> str:
    names = [record.target for record in records]
    return "all" if len(names) == 6 else " ".join(names)


def _row(record: Record) -> str:
    growth = "" if record.growth is None else f"{record.growth:+.1%}"
    cells = (
        record.target,
        f"{record.inputs:,}",
        f"{record.inputs / record.seconds:,.0f}" if record.seconds else "",
        f"{record.cpu.seconds * 1000:,.0f} ms",
        f"{record.hold.seconds * 1000:,.1f} ms",
        _mebibytes(record.settled_bytes),
        _mebibytes(record.end_bytes),
        growth,
    )
    return f"| {' | '.join(cells)} |"


def _mebibytes(count: int) -> str:
    return f"{count / (1 << 20):,.1f} MiB" if count else ""


def _outcomes(record: Record) -> Iterator[str]:
    for outcome, count in record.outcomes.items():
        yield f"{outcome}: {count:,}"


def _slowest(records: Sequence[Record]) -> Iterator[str]:
    yield "The slowest inputs, and those with the longest step:"
    yield ""
    for record in records:
        for kept in (record.cpu, record.hold):
            shown = kept.given if len(kept.given) <= _SHOWN else f"{kept.given[:_SHOWN]}..."
            yield f"- {record.target}, {kept.seconds * 1000:,.1f} ms: `{shown.replace('`', ' ')}`"
