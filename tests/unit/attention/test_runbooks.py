"""docs/runbooks: a page for each code, which says what holds, and commands that there are."""

import re
from pathlib import Path

import pytest

from node.attention.alarms import alarms
from node.attention.codes import GRADES, Code
from node.attention.rules import findings
from tests.misuse import misused
from tests.unit.attention.snapshots import LEAST

ROOT = Path(__file__).parents[3]
PAGES = ROOT / "docs" / "runbooks"
CHAPTERS = [
    "What it means", "Who is hurt", "What to look at", "What to do", "When it ends",
]  # fmt: skip


def test_each_code_has_a_page_and_each_page_a_code():
    """Broken: somebody is sent to a page that is not there; or reads one that nobody names."""
    found = {alarm.runbook for alarm in alarms() if alarm.code is None}
    assert len(found) == 2, "what whoever watches finds"
    assert {path.stem for path in PAGES.glob("*.md")} == {*map(str, Code), *found, "README"}
    assert all((ROOT / code.runbook).is_file() for code in Code)


@pytest.mark.parametrize("code", Code)
def test_a_page_says_how_bad_it_is(code: Code):
    severity, harm = GRADES[code]
    page = (ROOT / code.runbook).read_text()
    assert page.startswith(f"# {code}\n\n*{severity}, hurts {harm}*\n")


@pytest.mark.parametrize("path", sorted({*PAGES.glob("*.md")} - {PAGES / "README.md"}))
def test_a_page_says_all_that_is_asked_at_night(path: Path):
    page = path.read_text()
    assert re.findall(r"^## (.+)$", page, re.MULTILINE) == CHAPTERS
    assert all(part.strip() for part in re.split(r"^## .+$", page, flags=re.MULTILINE)[1:])


def test_the_index_has_every_code_as_it_is():
    rows = re.findall(
        r"^\| \[([\w-]+)\]\(\1\.md\) \| (\w+) \| (\w+) \|", (PAGES / "README.md").read_text(),
        re.MULTILINE,
    )  # fmt: skip
    assert rows == [(str(code), *map(str, GRADES[code])) for code in Code]


@pytest.mark.parametrize("path", sorted(PAGES.glob("*.md")), ids=lambda path: path.stem)
def test_the_commands_of_a_page_exist(path: Path):
    """Broken: at three in the morning a command is typed that was renamed."""
    page = path.read_text()
    for command in re.findall(r"`(atoll [^`]+)`", page):
        assert (wrong := misused(command)) is None, f"{path.name}: {command}: {wrong}"
    for target in re.findall(r"\]\(([^)#]+)(?:#[\w-]+)?\)", page):
        assert (PAGES / target).resolve().is_file(), f"{path.name} leads to {target}"


def test_the_commands_of_next_steps_exist():
    told = {
        step.command
        for facts in LEAST.values()
        for finding in findings(facts)
        for step in finding.next
        if step.command
    }
    assert len(told) > 8
    assert {command: misused(command) for command in told if misused(command)} == {}


def test_a_command_that_is_none_is_noticed():
    assert misused("atoll node forget eu-1") is not None
    assert misused("atoll node remove eu-1 --gone") == "there is no --gone"
    assert misused("atoll node remove eu-1 --lost") is None
