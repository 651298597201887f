"""
What the documentation tells to type, by page and heading, and somebody who types it.

`tests/test_documented_commands.py` holds each block to being typed by a test (`types`) or being
listed with a reason (`untyped.py`).
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e.clients import require

ROOT: Final = Path(__file__).resolve().parents[2]
DOCS: Final = ROOT / "docs"

SHELL: Final = ("sh", "console")
"""Languages of blocks that are typed: a script; and a terminal, with `$` before commands."""

_FENCE: Final = re.compile(r"^( *)```(.*)$")
_HEADING: Final = re.compile(r"^#+ (.*)$")
_PROMPT: Final = "$ "
_TIMEOUT_S: Final = 120.0


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block of a page."""

    page: str
    """Its file, from `docs` on."""

    title: str
    """The heading that it is under."""

    language: str
    text: str
    line: int
    """That of its fence in the file, from 1."""

    @property
    def commands(self) -> str:
        """What is typed of it: all of a script, and of a terminal what follows its prompts."""
        if self.language != "console":
            return self.text
        typed, goes_on = "", False
        for line in self.text.splitlines(keepends=True):
            if goes_on or line.startswith(_PROMPT):
                typed += line if goes_on else line.removeprefix(_PROMPT)
                goes_on = line.rstrip().endswith("\\")
        return typed

    @property
    def first(self) -> str:
        """Its first command, by which `untyped.py` knows it."""
        return self.commands.partition("\n")[0].partition(" #")[0].rstrip("\\ ")


def blocks_of(page: Path, below: Path = DOCS) -> Iterator[Block]:
    """Every fenced block of *page*, in a list too."""
    title, opened, body = "", None, ""
    for number, line in enumerate(page.read_text().splitlines(keepends=True), 1):
        fence = _FENCE.match(line.rstrip("\n"))
        if opened is None:
            if fence:
                opened, body = (number, *fence.groups()), ""
            elif heading := _HEADING.match(line.rstrip("\n")):
                title = heading[1]
        elif fence and not fence[2].strip():
            at, _, language = opened
            yield Block(
                page=page.relative_to(below).as_posix(), title=title, language=language,
                text=body, line=at,
            )  # fmt: skip
            opened = None
        else:
            body += line.removeprefix(opened[1])
    assert opened is None, f"{page}: the block of line {opened} never ends"


def documented() -> list[Block]:
    """Every block of every page that the site has."""
    return [block for page in sorted(DOCS.rglob("*.md")) for block in blocks_of(page)]


def told(page: str, *titles: str) -> list[Block]:
    """What is typed of those sections of *page*, in their order."""
    found = [block for block in blocks_of(DOCS / page) if block.language in SHELL]
    return [block for title in titles for block in found if block.title == title]


_TYPED: Final[set[str]] = set()
"""What was typed in this process, as the pages have it."""


def types(page: str, *titles: str) -> Callable[[Any], Any]:
    """
    Say that a test, or what it stands on, types all commands of these sections.

    It fails when it has not (`missed`), and `test_documented_commands.py` where there is no such
    section.
    """
    return pytest.mark.types(page, *titles)


def missed(mark: pytest.Mark) -> list[str]:
    """What the sections of a mark have that nobody typed."""
    return [
        f"docs/{block.page}:{block.line} was not typed"
        for block in told(*mark.args)
        if block.commands not in _TYPED
    ]


def sections(page: Path) -> dict[str, str]:
    """The text under each heading of *page*, up to the next one of any level."""
    parts = re.split(r"^#+ (.*)$", page.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def blocks(text: str, language: str) -> list[str]:
    """The blocks of a language in *text*."""
    return [
        block
        for kind, block in re.findall(r"```(\w+)\n(.*?)```", text, re.DOTALL)
        if kind == language
    ]


def path_with(*programs: str) -> str:
    """A PATH with `atoll`, with *programs*, which have to be there, and what the machine has."""
    found = [str(Path(require(each)).parent) for each in programs]
    ours = str(Path(sys.executable).parent)
    return os.pathsep.join([ours, *found, "/usr/local/bin:/usr/bin:/bin:/usr/sbin"])


@dataclass(kw_only=True)
class Reader:
    """Somebody who types what a page says, at home in *home*, and then has what it made."""

    home: Path
    instead: Mapping[str, str]
    """What the page has, and what it is here."""

    path: str
    env: Mapping[str, str] = field(default_factory=dict)

    def type(self, commands: str, env: Mapping[str, str] | None = None) -> str:
        """Run a block as it stands; returns what it wrote. A command that fails fails the test."""
        _TYPED.add(commands)
        for documented, ours in self.instead.items():
            commands = commands.replace(documented, ours)
        done = subprocess.run(
            ["/bin/sh", "-eux", "-c", commands],
            cwd=self.home,
            env={"HOME": str(self.home), "PATH": self.path, **self.env, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        if done.returncode != 0:
            pytest.fail(f"exit {done.returncode}\n{done.stdout}")
        return done.stdout

    def type_all(self, page: str, *titles: str, env: Mapping[str, str] | None = None) -> str:
        """Type every block of those sections, one after the other; returns what they wrote."""
        return "".join(self.type(block.commands, env) for block in told(page, *titles))
