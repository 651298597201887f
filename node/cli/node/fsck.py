"""`atoll fsck`: the offline check, with a progress bar. Works on the files of a stopped node."""

import json
from pathlib import Path

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from cluster.errors import StorageFailure
from node.disk.datadir import shared
from node.errors.startup import StartupError
from node.fsck.check import CheckProgress, check_data_dir
from node.fsck.report import Report

CLEAN, DAMAGED, UNUSABLE = 0, 1, 2

_PROBLEMS_SHOWN = 1000
"""Lines of problems; the count in the last line is always the whole."""


def fsck(data_dir: Path, *, as_json: bool = False) -> int:
    """Check a data directory, print what was found, and return the exit status."""
    console = Console(stderr=True, highlight=False)
    try:
        with shared(data_dir) as held:
            if not held:
                console.print("no lock file: make sure that no node uses this directory")
            report = _check(data_dir, console)
    except (StartupError, StorageFailure, OSError) as exc:
        console.print(f"atoll: {exc}", markup=False, soft_wrap=True)
        return UNUSABLE
    if as_json:
        _print_json(report)
    else:
        _print(report)
    return DAMAGED if report.problems else CLEAN


def _check(data_dir: Path, console: Console) -> Report:
    columns = (TextColumn("{task.description}"), BarColumn(), _Done(), TimeRemainingColumn())
    # Drawn again and again, it is nothing for a pipe or a log.
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        index = bar.add_task("index", total=None, unit="rows")
        blobs = bar.add_task("blobs", total=None, unit="bytes")
        return check_data_dir(
            data_dir,
            CheckProgress(
                rows=lambda count: bar.advance(index, count),
                expect_bytes=lambda count: bar.update(blobs, total=count),
                bytes=lambda count: bar.advance(blobs, count),
            ),
        )


class _Done(ProgressColumn):
    """How much of a task is done, in its own unit: rows of the index are no bytes."""

    def render(self, task: Task) -> Text:
        if task.fields["unit"] != "bytes":
            return Text(f"{int(task.completed)} {task.fields['unit']}")
        total = "" if task.total is None else f" of {decimal(int(task.total))}"
        return Text(f"{decimal(int(task.completed))}{total}")


def _print_json(report: Report) -> None:
    document = {
        "problems": [problem._asdict() for problem in report.problems[:_PROBLEMS_SHOWN]],
        "problem_count": len(report.problems),
        "notes": dict(report.notes),
        "checked": dict(report.checked),
    }
    print(json.dumps(document))


def _print(report: Report) -> None:
    out = Console(highlight=False, markup=False, soft_wrap=True)
    for problem in report.problems[:_PROBLEMS_SHOWN]:
        out.print(f"problem: {problem.where} {problem.what}")
    for note, count in sorted(report.notes.items()):
        out.print(f"note: {count} {note}")
    checked = ", ".join(f"{count} {what}" for what, count in sorted(report.checked.items()))
    out.print(f"checked: {checked or 'nothing stored'}")
    out.print(f"{len(report.problems)} problems")
