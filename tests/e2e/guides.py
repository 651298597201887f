"""The shell commands of a page of the documentation, by the heading that they are under."""

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

_FENCE: Final = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
_TIMEOUT_S: Final = 120.0


def sections(page: Path) -> dict[str, str]:
    """The text under each heading of *page*, up to the next one of any level."""
    parts = re.split(r"^#+ (.*)$", page.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def blocks(text: str, language: str) -> list[str]:
    """The blocks of a language in *text*."""
    return [block for kind, block in _FENCE.findall(text) if kind == language]


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
