"""`atoll config` and the reference page that comes from it."""

import json
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from node.cli import app
from node.cli.node.config import reference
from node.settings import load
from node.settings.model import NAMES, default_of, spec_of
from node.settings.spec import env_of, flag_of

ROOT = Path(__file__).parents[3]


def run(*arguments, **environ):
    """Run the command in this process; returns exit status, standard output and error."""
    result = CliRunner().invoke(app, list(arguments), env=environ)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout, result.stderr


def test_reference_page_is_current():
    """The documentation would tell of other settings than the node has."""
    page = (ROOT / "docs" / "configuration.md").read_text()
    assert page == reference(), "run: atoll config --markdown > docs/configuration.md"


@pytest.mark.parametrize("name", NAMES)
def test_reference_covers_every_setting(name):
    page = reference()
    section = page.partition(f"\n## `{name}`\n")[2].partition("\n## ")[0]
    flowing = " ".join(section.split())
    for part in (spec_of(name).doc, spec_of(name).why, f"`{flag_of(name)}`", f"`{env_of(name)}`"):
        assert part in flowing


def test_markdown_is_the_same_whatever_is_set():
    """The page would change with the machine that wrote it."""
    status, out, _ = run("config", "--markdown", "--copies", "5", ATOLL_REGION="eu")
    assert (status, out) == (0, reference())


def test_json_tells_value_and_source(tmp_path):
    """A script could not find out where a value came from."""
    path = tmp_path / "a.toml"
    path.write_text('region = "eu"\n')
    status, out, err = run(
        *("config", "--format", "json", "--config", str(path), "--copies", "3"),
        *("--join", "127.0.0.1:7000", "--join", "[::1]:7001"),
        ATOLL_LOG_LEVEL="debug",
    )
    assert (status, err) == (0, "")
    rows = {row["name"]: row for row in json.loads(out)}
    assert list(rows) == list(NAMES)
    told = {name: (row["value"], row["source"]) for name, row in rows.items()}
    assert told["region"] == ("eu", "file")
    assert told["log_level"] == ("debug", "env")
    assert told["copies"] == (3, "flag")
    assert told["join"] == (["127.0.0.1:7000", "[::1]:7001"], "flag")
    assert told["http"] == ("127.0.0.1:5000", "default")
    assert told["data_dir"] == (None, "default")
    assert rows["http"]["env"] == "ATOLL_HTTP"
    assert rows["http"]["flag"] == "--http"


def test_toml_gives_the_same_settings_again(tmp_path):
    """A file made from a running configuration would configure something else."""
    flags = {
        "data_dir": '/tmp/a "b"\\c\x7f',
        "http": "[::1]:5005",
        "join": ["127.0.0.1:7000", "127.0.0.1:7001"],
        "upload_expiry_s": "90.5",
    }
    arguments = []
    for name, value in flags.items():
        for each in value if isinstance(value, list) else [value]:
            arguments += [flag_of(name), each]
    status, out, _ = run("config", "--format", "toml", *arguments)
    assert status == 0
    path = tmp_path / "again.toml"
    path.write_text(out)
    assert load({"config": str(path)}, {}) == load(flags, {})


def test_toml_without_a_directory_is_valid():
    """The file to start from would not even be TOML."""
    status, out, _ = run("config", "--format", "toml")
    assert status == 0
    assert "data_dir" not in tomllib.loads(out)
    assert "# data_dir =" in out


def test_table_shows_every_setting():
    status, out, _ = run("config", "--region", "eu")
    assert status == 0
    for name in NAMES:
        assert f"{flag_of(name)}  {env_of(name)}" in out
    assert "(required)" in out
    assert str(default_of("http")) in out


def test_problems_are_one_line_each():
    """Only the first of several mistakes would be found."""
    status, out, err = run("config", "--copies", "9", "--http", "x", ATOLL_REGOIN="eu")
    assert (status, out) == (2, "")
    lines = err.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("atoll: ") for line in lines)
