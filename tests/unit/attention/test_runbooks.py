"""docs/runbooks: a page for each code, which says what holds, and commands that there are."""

import re
from pathlib import Path

import pytest
import yaml

from node.attention.codes import GRADES, Code, Severity
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
    assert {path.stem for path in PAGES.glob("*.md")} == {*map(str, Code), "README"}
    assert all((ROOT / code.runbook).is_file() for code in Code)


@pytest.mark.parametrize("code", Code)
def test_a_page_says_all_that_is_asked_at_night(code: Code):
    page = (ROOT / code.runbook).read_text()
    severity, harm = GRADES[code]
    assert page.startswith(f"# {code}\n\n*{severity}, hurts {harm}*\n")
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


def test_the_alarms_of_the_documentation_are_about_this_metric():
    """Broken: a label is renamed, and the alarms that people copied are silent for ever."""
    page = (ROOT / "docs" / "operations.md").read_text()
    [block] = re.findall(r"```yaml\n(groups:.*?)```", page, re.DOTALL)
    [group] = yaml.safe_load(block)["groups"]
    named = [
        re.fullmatch(r'max by \(code\) \((\w+)\{severity="(\w+)"\}\) > 0', rule["expr"])
        for rule in group["rules"]
    ]
    assert all(named)
    assert {match[1] for match in named if match} == {"atoll_attention"}
    assert {match[2] for match in named if match} == {Severity.CRITICAL, Severity.WARNING}


def test_a_command_that_is_none_is_noticed():
    assert misused("atoll node forget eu-1") is not None
    assert misused("atoll node remove eu-1 --gone") == "there is no --gone"
    assert misused("atoll node remove eu-1 --lost") is None
