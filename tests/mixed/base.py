"""The earlier commit: its files, and an environment of its own."""

import subprocess
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]

_TREES: Final = ROOT / ".tools" / "mixed"


class NoBase(Exception):
    """The earlier commit cannot be had."""


def commit_of(name: str | None) -> str:
    """
    The whole name of the commit *name*, or of the one that `BASE` names.

    Raises:
        NoBase: git does not have it.
    """
    wanted = name or (Path(__file__).parent / "BASE").read_text().strip()
    done = _git("rev-parse", "--verify", f"{wanted}^{{commit}}")
    if done.returncode != 0:
        raise NoBase(f"git has no commit {wanted}: a shallow clone needs `git fetch --unshallow`")
    return done.stdout.strip()


def command_of(commit: str) -> list[str]:
    """
    How `atoll` of that commit starts. The first time it is installed, which takes a minute.

    Raises:
        NoBase: that failed.
    """
    tree = _TREES / commit[:12]
    if not tree.exists():
        _git("worktree", "prune")
        _check(_git("worktree", "add", "--detach", str(tree), commit), f"git worktree of {commit}")
    install = ["make", ".venv/.installed"]
    _check(_run(install, tree), f"installing {commit}")
    return [str(tree / ".venv" / "bin" / "atoll")]


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return _run(["git", *arguments], ROOT)


def _run(command: list[str], directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def _check(done: subprocess.CompletedProcess[str], what: str) -> None:
    if done.returncode != 0:
        raise NoBase(f"{what} failed:\n{done.stdout[-2000:]}")
