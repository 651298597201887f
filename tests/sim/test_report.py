"""The report of a run, and what makes a run fail."""

from pathlib import Path

import pytest

from tests.sim.coverage import Totals
from tests.sim.plan import FAULTS, OPERATIONS
from tests.sim.progress import OtherCode, Progress, code_of
from tests.sim.report import replace_section, report
from tests.sim.simulation import Result


def run_of(*results: Result) -> Totals:
    totals = Totals()
    for result in results:
        totals.add(result)
    return totals


def everything_met() -> Result:
    result = Result("1", operations=7, acknowledged=4, simulated_s=3600.0)
    result.met.update((fault, kind) for fault in FAULTS for kind in OPERATIONS)
    return result


def test_a_pair_that_never_met_is_told():
    """A run that no power cut met during a delete proves nothing about that."""
    result = everything_met()
    assert run_of(result).lacking() == []
    del result.met["power_cut", "delete_tag"]
    totals = run_of(result)
    assert totals.lacking() == [("power_cut", "delete_tag")]
    assert "1 pairs never met, such as power_cut x delete_tag." in report("0:1", totals, 1.0, 2)


def test_the_report_names_every_failing_seed():
    bad = [Result(seed, violations=[f"lost: {seed}", "more"]) for seed in ("8", "9")]
    lines = report("0:3", run_of(everything_met(), *bad), 6.0, 2)
    assert "**2 of 3 seeds with violations.**" in lines
    assert [line for line in lines if line.startswith("- ")] == [
        "- seed 8: 2 violations, `lost: 8`",
        "- seed 9: 2 violations, `lost: 9`",
    ]
    assert "| virtual time | 1.0 h |" in lines
    assert "| wall time | 6 s with 2 jobs, 2.00 s a seed |" in lines


def test_a_section_takes_the_place_of_the_old_one(tmp_path: Path):
    """Each command writes its own section, and must leave the others alone."""
    path = tmp_path / "simulation.md"
    replace_section(path, "Seeds", ["one", "one and a half"])
    replace_section(path, "Seeded bugs", ["bugs"])
    head = path.read_text().partition("## ")[0]
    replace_section(path, "Seeds", ["two"])
    replace_section(path, "Seeded bugs", ["more bugs"])
    assert path.read_text() == f"{head}## Seeds\n\ntwo\n\n## Seeded bugs\n\nmore bugs\n"


def test_a_long_run_goes_on_where_it_was(tmp_path: Path):
    """Twenty thousand seeds take hours: an interruption must not cost all of them."""
    progress = Progress.load(tmp_path / "kept", "0:4")
    progress.totals.add(everything_met())
    progress.done, progress.wall_s = 1, 2.5
    progress.save(tmp_path / "kept")
    again = Progress.load(tmp_path / "kept", "0:4")
    assert (again.done, again.wall_s, again.totals.counts) == (1, 2.5, progress.totals.counts)
    with pytest.raises(OtherCode):
        Progress.load(tmp_path / "kept", "0:5")
    again.code = "of yesterday"
    again.save(tmp_path / "kept")
    with pytest.raises(OtherCode):
        Progress.load(tmp_path / "kept", "0:4")


def test_code_that_decides_what_a_seed_does_is_told_apart(tmp_path: Path):
    """Seeds of two engines in one report would be a claim about neither."""
    for name in ("cluster/clock.py", "node/main.py", "tests/sim/world.py", "tests/sim/hunt.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    before = code_of(tmp_path)
    (tmp_path / "tests/sim/hunt.py").write_text("2")
    assert code_of(tmp_path) == before
    (tmp_path / "cluster/clock.py").write_text("2")
    assert code_of(tmp_path) != before
