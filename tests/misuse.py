"""Whether a command line is one that there is, without running it."""

import importlib.util
import re
import shlex
from pathlib import Path
from typing import Final

from typer.main import get_group

from node.cli import app
from node.cli.reference import Leaf, leaves

ROOT: Final = Path(__file__).parents[1]
LEAVES: Final = {leaf.words: leaf for leaf in leaves(get_group(app))}
GROUPS: Final = {words.partition(" ")[0] for words in LEAVES if " " in words}

_TARGETS: Final = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
_OF_THE_SHELL: Final = {
    "export",
    "cd",
    "mkdir",
    "rm",
    "echo",
    "printf",
    "kill",
    "until",
    "useradd",
    "systemctl",
}
_OF_OTHERS: Final = {"docker"}


def misused(command: str) -> str | None:
    """What is wrong with a command line of `atoll`, if anything is."""
    words = shlex.split(command)
    assert words[0] == "atoll"
    leaf: Leaf | None = LEAVES.get(" ".join(words[1:3])) or LEAVES.get(words[1])
    if leaf is None:
        return "there is no such command"
    options = {"--help", *(option for each in leaf.command.params for option in each.opts)}
    given = [word.partition("=")[0] for word in words if word.startswith("--")]
    unknown = [word for word in given if word not in options]
    return f"there is no {', '.join(unknown)}" if unknown else None


def unusable(line: str) -> str | None:
    """What is wrong with a line that a page says to type, as far as that is told by looking."""
    words = shlex.split(line, comments=True)
    match words:
        case ["atoll", *_]:
            return misused(shlex.join(words))
        case ["make", target, *_]:
            return None if target in _TARGETS else f"there is no target {target}"
        case [("python" | "python3"), "-m", module, *_]:
            return None if importlib.util.find_spec(module) else f"there is no module {module}"
        case [program, *_] if program in _OF_THE_SHELL | _OF_OTHERS:
            return None
    return f"nobody knows {words[0]}"
