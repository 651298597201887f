"""How `atoll serve` hands over to the node, and how it reports what stops it."""

import sys
import types
from pathlib import Path

import pytest
from typer.testing import CliRunner

from node.cli import app
from node.errors.startup import StartupError
from node.recovery.repair import Repair
from node.settings import Address


@pytest.fixture
def fake_main(monkeypatch):
    """Stand in for `node.main`; set *outcome* to a status or an exception."""
    module = types.ModuleType("node.main")
    module.outcome = 0
    module.received = []

    def serve(settings, *, rejoin, repair):
        module.received.append(settings)
        module.repair = repair
        module.rejoin = rejoin
        if isinstance(module.outcome, Exception):
            raise module.outcome
        return module.outcome

    module.serve = serve
    monkeypatch.setitem(sys.modules, "node.main", module)
    return module


def run(*arguments, **environ):
    return CliRunner().invoke(app, ["serve", *arguments], env=environ)


@pytest.mark.parametrize(
    ("flags", "repair"),
    [
        ([], Repair()),
        (["--rebuild-index"], Repair(rebuild=True)),
        (["--accept-data-loss"], Repair(accept_data_loss=True)),
    ],
)
def test_nothing_is_rebuilt_or_given_up_unasked(fake_main, flags, repair):
    """An index would be set aside that nobody wanted to lose."""
    assert run("--data-dir", "d", *flags).exit_code == 0
    assert fake_main.repair == repair


def test_flags_reach_the_node(fake_main):
    """A documented flag would have no effect."""
    result = run(
        *("--data-dir", "d", "--http", "127.0.0.1:1", "--rpc", "127.0.0.1:2"),
        *("--region", "eu", "--node", "eu-1", "--join", "127.0.0.1:3", "--join", "127.0.0.1:4"),
        *("--initial", "eu-1", "--initial", "eu-2"),
        ATOLL_COPIES="1",
    )
    assert result.exit_code == 0
    (settings,) = fake_main.received
    assert settings.data_dir == Path("d")
    assert settings.http == Address("127.0.0.1", 1)
    assert settings.rpc == Address("127.0.0.1", 2)
    assert (settings.region, settings.node, settings.copies) == ("eu", "eu-1", 1)
    assert settings.join == (Address("127.0.0.1", 3), Address("127.0.0.1", 4))
    assert settings.initial == ("eu-1", "eu-2")


@pytest.mark.parametrize(
    ("flags", "auth"),
    [
        ([], "on"),
        (["--open"], "open"),
        (["--auth", "open"], "open"),
        (["--open", "--auth", "on"], "on"),
    ],
)
def test_open_is_a_flag(fake_main, flags, auth):
    assert run("--data-dir", "d", *flags).exit_code == 0
    assert fake_main.received[0].auth == auth


@pytest.mark.parametrize("status", [0, 1, 3])
def test_exit_status_is_the_nodes(fake_main, status):
    """A supervisor could not tell a clean stop from a failure."""
    fake_main.outcome = status
    assert run("--data-dir", "d").exit_code == status


def test_startup_error_is_one_line(fake_main):
    """An operator would have to read a traceback to learn that a port is taken."""
    fake_main.outcome = StartupError("cannot listen on 127.0.0.1:1:\n  address in use")
    result = run("--data-dir", "d")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == "atoll: cannot listen on 127.0.0.1:1: address in use\n"


def test_bad_settings_never_reach_the_node(fake_main):
    result = run("--copies", "9")
    assert result.exit_code == 2
    required, copies = result.stderr.splitlines()
    assert required.startswith("atoll: data_dir is required")
    assert copies == "atoll: --copies must be 1 to 7, not 9"
    assert fake_main.received == []
