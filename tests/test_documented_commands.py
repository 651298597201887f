"""Each command of the documentation is typed by a test, or listed with the reason why it is not."""

import importlib
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.e2e.guides import (
    DOCS,
    ROOT,
    SHELL,
    Block,
    blocks_of,
    documented,
    missed,
    told,
    types,
)
from tests.e2e.untyped import UNTYPED, Untyped
from tests.misuse import GROUPS, misused, unusable

SHOWN = {"text", "json", "yaml", "toml", "ini", "haproxy", "mermaid"}
"""Languages of what nobody types."""

NO_COMMANDS = {"atoll COMMAND --help", "atoll remove NODE"}
"""What stands for all commands, and what was one (docs/upgrading.md)."""

BLOCKS = [*blocks_of(ROOT / "README.md", ROOT), *documented()]
TYPED = [block for block in BLOCKS if block.language in SHELL]
LISTED = {(each.page, each.first): each for each in UNTYPED}


def marks() -> Iterator[pytest.Mark]:
    """The `types` of the tests of guides; each is held to it when it runs."""
    for module in sorted((ROOT / "tests" / "e2e").glob("test_guide*.py")):
        for test in vars(importlib.import_module(f"tests.e2e.{module.stem}")).values():
            for mark in getattr(test, "pytestmark", []):
                if mark.name == "types":
                    yield mark
                elif mark.name == "parametrize":
                    sets = [each for each in mark.args[1] if hasattr(each, "marks")]
                    given = [one.mark for each in sets for one in each.marks]
                    yield from (one for one in given if one.name == "types")


@cache
def typed() -> set[tuple[str, str]]:
    """Pages and headings whose commands a test types."""
    return {(mark.args[0], title) for mark in marks() for title in mark.args[1:]}


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"{block.page}:{block.line}")
def test_a_block_says_what_it_is(block: Block) -> None:
    """Broken: commands hide in a block without a language, which no test looks at."""
    assert block.language in {*SHELL, *SHOWN}


@pytest.mark.parametrize("block", TYPED, ids=lambda block: f"{block.page}:{block.line}")
def test_a_block_is_typed_or_listed(block: Block) -> None:
    """Broken: the documentation tells something that does not work (any more)."""
    assert block.commands, "nothing in it follows a prompt"
    listed = (block.page, block.first) in LISTED
    assert ((block.page, block.title) in typed()) is not listed, (
        f"both typed and listed: {block.first!r}"
        if listed
        else f"no test says `@types({block.page!r}, {block.title!r})`, and untyped.py has no "
        f"({block.page!r}, {block.first!r})"
    )


def test_what_is_listed_is_there() -> None:
    assert len(LISTED) == len(UNTYPED)
    assert LISTED.keys() - {(block.page, block.first) for block in TYPED} == set()
    for reason in UNTYPED:
        assert reason.why
        assert reason.instead
        assert [each for each in reason.instead if not (ROOT / each).exists()] == []


def test_what_tests_say_they_type_is_there() -> None:
    """Broken: a heading is renamed, and a test types nothing and passes."""
    for page, title in typed():
        assert told(page, title), f"{page} has no commands under {title!r}"


@pytest.mark.parametrize("listed", UNTYPED, ids=lambda each: f"{each.page}: {each.first[:40]}")
def test_what_nobody_types_is_at_least_there(listed: Untyped) -> None:
    """Broken: what is not typed names a command, an option or a target that was renamed."""
    [block] = [each for each in TYPED if (each.page, each.first) == listed[:2]]
    lines = block.commands.replace("\\\n", " ").splitlines()
    assert {line: unusable(line) for line in lines if unusable(line)} == {}


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))], ids=str)
def test_commands_in_sentences_are_there(page: Path) -> None:
    """Broken: a page names a command or an option that was renamed."""
    for text in re.findall(r"`(atoll [^`]+)`", page.read_text()):
        command = " ".join(text.split()).replace(" ...", "")
        words = shlex.split(command)
        if command in NO_COMMANDS or words[1].startswith("-"):
            continue
        if words[1] in GROUPS and len(words) == 2:
            continue
        assert misused(command) is None, f"{command}: {misused(command)}"


def test_a_command_that_nobody_typed_is_missed() -> None:
    """Broken: a test leaves the half of a section out, and says that it types it."""
    mark = types("quick-start.md", "Look at it", "Go back").mark
    assert len(missed(mark)) == 3, "here nobody types anything"
    assert all(line.startswith("docs/quick-start.md:") for line in missed(mark))


def test_what_is_wrong_is_noticed() -> None:
    assert unusable("make nothing") == "there is no target nothing"
    assert unusable("python -m tests.nothing") == "there is no module tests.nothing"
    assert unusable("atoll status --colour") == "there is no --colour"
    assert unusable("dance") == "nobody knows dance"
    assert unusable("atoll status --json    # of it all") is None


PAGE = """# One
- in a list:
  ```console
  $ atoll status \\
      --json
  {}
  $ true # it is
  ```
## Two
```sh
exit 3
```
"""


def test_a_terminal_is_read_by_its_prompts(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    one, two = blocks_of(page, tmp_path)
    assert (one.title, one.line, one.commands) == (
        "One",
        3,
        "atoll status \\\n    --json\ntrue # it is\n",
    )
    assert (one.first, two.first, two.title) == ("atoll status", "exit 3", "Two")
