"""Every excuse that the checker makes is in the table, and the table has no other."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from tests.sim.coverage import Totals
from tests.sim.excuses import EXCUSES, Excused
from tests.sim.report import excuses
from tests.sim.simulation import Result

SOURCES = [path for path in Path(__file__).parent.rglob("*.py") if path.name != "test_excuses.py"]


def test_what_is_excused_is_in_the_table():
    """Broken: the checker looks away, and no page says so."""
    text = "\n".join(path.read_text() for path in SOURCES)
    noted = set(re.findall(r'\.note\(\s*"([^"]+)"', text))
    assert noted == {name for name, excuse in EXCUSES.items() if excuse.counted}


@pytest.mark.parametrize("name", EXCUSES)
def test_an_excuse_says_where_it_is_made(name: str):
    module, *names = EXCUSES[name].where.split(".")
    there = import_module(f"tests.sim.{module}")
    for each in names:
        there = getattr(there, each, None) or getattr(there.World, each)  # type: ignore[assignment]


def test_a_run_tells_how_often_each_was_made():
    totals = Totals()
    for _ in range(2):
        result = Result("1", excused=Excused({"nobody to ask": 2}))
        totals.add(result)
    lines = excuses("1:3", totals)
    [row] = [line for line in lines if "**nobody to ask**" in line]
    assert row.endswith("| `order.must_be_seen` | 4 |")
    assert sum(line.startswith("| P") for line in lines) >= 20
