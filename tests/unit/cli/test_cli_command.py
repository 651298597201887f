"""The command as a whole."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_group
from typer.testing import CliRunner

from node.cli import app
from node.cli.exits import MEANINGS, ORDINARY
from node.cli.reference import leaves, reference

ROOT = Path(__file__).parents[3]

HEAVY = ("aiohttp", "grpc", "rocksdict", "uvloop", "google.protobuf", "asyncio", "rich")


@pytest.mark.parametrize("arguments", [["--help"], ["serve", "--help"], ["up", "--help"]])
def test_help_loads_no_server_library(arguments):
    """`atoll --help` would take seconds on a small machine."""
    program = (
        "import sys\n"
        "from node.cli import app\n"
        f"try: app({arguments!r}, prog_name='atoll')\n"
        "except SystemExit: pass\n"
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "sys.exit(f'loaded: {loaded}' if loaded else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "Usage: atoll" in done.stdout


HELP = {
    "Cluster": {"up", "status", "settings", "doctor", "top", "work", "leave", "node", "layout"},
    "Images": {
        "activity",
        "history",
        "image",
        "repos",
        "rollback",
        "search",
        "tags",
        "wait",
    },
    "Projects": {"project"},
    "Accounts": {"login", "logout", "context", "user", "group", "token"},
    "Access": {"access", "role", "robot", "auth", "admin"},
    "Node": {"alerts", "api", "config", "fsck", "salvage", "serve"},
}


def test_commands():
    """A command that other scripts rely on would be missing, or be no part of anything."""
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    sections = re.findall(r"^(\w+):\n((?:  .*\n)+)", result.stdout, re.MULTILINE)
    told = {name: set(re.findall(r"^  (\w+)", rows, re.MULTILINE)) for name, rows in sections}
    del told["Options"]
    assert told == HELP
    packages = {path.parent.name for path in (ROOT / "node/cli").glob("*/__init__.py")}
    assert packages == {name.lower() for name in HELP}


def test_version():
    result = CliRunner().invoke(app, ["--version"])
    assert result.exit_code == 0
    assert result.stdout.startswith("atoll ")


def test_runs_as_a_module():
    """`python -m node`, by which `atoll up` starts its children, would not work."""
    done = subprocess.run(
        [sys.executable, "-m", "node", "--version"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout[:6]) == (0, "atoll ")


def test_unknown_flag_is_a_usage_error():
    result = CliRunner().invoke(app, ["serve", "--dta-dir", "x"])
    assert result.exit_code == 2
    assert "--data-dir" in result.stderr


def test_reference_page_is_current():
    """The documentation would tell of other commands, or of other exit statuses."""
    page = (ROOT / "docs" / "commands.md").read_text()
    assert page == reference(get_group(app)), "run: atoll --markdown > docs/commands.md"


def test_each_meaning_is_some_commands():
    """A command was renamed, and its exit statuses would be told as those of most others."""
    words = {leaf.words for leaf in leaves(get_group(app))}
    assert MEANINGS.keys() <= words
    assert all(meanings.keys() >= ORDINARY.keys() for meanings in MEANINGS.values())
