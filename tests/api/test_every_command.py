"""What all commands have in common: `--json`, and an exit status that docs/commands.md explains."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from typer.main import get_group
from typer.testing import CliRunner

from cluster.errors import NotDecided
from node.cli import app
from node.cli.exits import DONE, FAILED, UNUSABLE, exits_of
from node.cli.reference import Leaf, leaves
from tests.api.commands import atoll, data_dir_of
from tests.api.conftest import Registry, StartRegistry
from tests.api.test_layout_api import known, settle
from tests.api.test_login import PASSWORD
from tests.fakes.layouts import member

LEAVES: Final = {leaf.words: leaf for leaf in leaves(get_group(app))}

LOGS_ONLY: Final = {"serve"}
"""A command that prints nothing but its logs, which have a form of their own."""

JSON_ELSEWHERE: Final = {
    "up": "test_cli_supervisor.py::test_programs_are_told_as_json",
    "fsck": "test_fsck.py::test_programs_are_told_as_json",
    "salvage": "test_salvage.py",
}
"""They need more than a node that answers."""

ON_ITS_OWN: Final = {
    "config": (),
    "api": (),
    "alerts": (),
}

ASKING: Final[dict[str, tuple[str, ...]]] = {
    "status": (),
    "doctor": (),
    "repos": (),
    "tags": ("lib/app",),
    "search": ("docker pull lib/app:v1",),
    "top": (),
    "work": (),
    "settings": (),
    "node list": (),
    "activity": (),
    "node safe-to-stop": ("b",),
    "node add": ("d",),
    "node pause": ("b",),
    "node resume": ("b",),
    "node drain": ("b",),
    "node safe-to-remove": ("b",),
    "node remove": ("b",),
    "node replace": ("b", "a"),
    "layout show": (),
    "layout history": (),
    "layout plan": ("--copies", "2"),
    "layout apply": ("--version", "6"),
    "layout force": ("--survivors", "a,b,d,solo"),
    "layout init": (),
    "project set": ("lib", "history_max=7"),
    "project get": ("lib",),
    "project delete": ("lib",),
    "leave": ("--drain", "0"),
}
"""What has to be given, `--url` apart, in an order in which each can be done."""

WITH_ACCOUNTS: Final[dict[str, tuple[str, ...]]] = {
    "user add": ("cid", "--no-password"),
    "user list": (),
    "user disable": ("cid",),
    "user enable": ("cid",),
    "user password": ("cid", "--password-file", "FILE"),
    "user whoami": (),
    "group add": ("team",),
    "group add-users": ("team", "cid"),
    "group remove-users": ("team", "cid"),
    "group show": ("team",),
    "group list": (),
    "access set": ("lib", "--public"),
    "access show": ("lib",),
    "access list": (),
    "robot add": ("lib+ci", "--days", "900"),
    "robot disable": ("lib+ci",),
    "robot enable": ("lib+ci",),
    "robot add-secret": ("lib+ci", "actions"),
    "robot secrets": ("lib+ci",),
    "robot revoke-secret": ("lib+ci", "SECRET"),
    "robot list": ("lib",),
    "role grant": ("lib+ci", "pusher", "--project", "lib"),
    "role list": ("--project", "lib"),
    "auth why": ("lib+ci", "manifest.write", "lib/app"),
    "auth keys": (),
    "auth revoke-key": ("KEY",),
    "role revoke": ("lib+ci", "--project", "lib"),
    "robot delete": ("lib+ci",),
    "access delete": ("lib",),
    "group delete": ("team",),
    "user delete": ("cid",),
    "admin init": ("ann", "--password-file", "FILE"),
}
"""The same, for a node where the operator has logged in."""

OF_ONES_OWN: Final[dict[str, tuple[str, ...]]] = {
    "token add": ("laptop", "--role", "puller"),
    "token list": (),
    "token revoke": ("SECRET",),
}
"""The same, where a user has."""

OF_A_LOG_IN: Final[dict[str, tuple[str, ...]]] = {
    "login": ("--user", "ann", "--password-file", "FILE", "--name", "here", "--url", "URL"),
    "context list": (),
    "context use": ("here",),
    "logout": (),
    "context remove": ("there",),
}
"""They are about what this machine has of a log-in."""

OF_AN_IMAGE: Final = {"wait": (), "image": (), "history": (), "rollback": ("EVENT",)}
"""The same of those whose first argument is an image at a node."""


def filled(given: Sequence[str], **words: str) -> list[str]:
    """What a command is given, with *words* for what is known only now."""
    return [words.get(each, each) for each in given]


def a_password(directory: Path) -> str:
    """The path of a file that has one."""
    path = directory / "password"
    path.write_text(f"{PASSWORD}\n")
    return str(path)


def test_no_command_is_forgotten():
    of_it = [
        *(LOGS_ONLY, JSON_ELSEWHERE, ON_ITS_OWN, ASKING, OF_AN_IMAGE),
        *(WITH_ACCOUNTS, OF_ONES_OWN, OF_A_LOG_IN),
    ]
    assert sorted(name for some in of_it for name in some) == sorted(LEAVES)


@pytest.mark.parametrize("leaf", LEAVES.values(), ids=LEAVES.keys())
def test_every_command_has_a_form_for_programs(leaf: Leaf):
    """Broken: a script reads what is for people, which changes."""
    options = {option for each in leaf.command.params for option in each.opts}
    assert ("--json" in options) == (leaf.words not in LOGS_ONLY)


@pytest.mark.parametrize("words", LEAVES)
def test_a_command_line_that_cannot_be_used_is_told_apart(words: str):
    done = CliRunner().invoke(app, [*words.split(), "--no-such-option"])
    assert (done.exit_code, done.stdout) == (UNUSABLE, "")


@pytest.mark.parametrize("words", [*ASKING, *WITH_ACCOUNTS, *OF_ONES_OWN, "login", *OF_AN_IMAGE])
def test_a_node_that_does_not_answer_is_no_success(words: str, tmp_path: Path):
    """Broken: a script goes on, as if the node had said yes; or reads an answer that is none."""
    asking = ASKING | WITH_ACCOUNTS | OF_ONES_OWN | OF_A_LOG_IN
    if words in asking:
        given = [*filled(asking[words], FILE=a_password(tmp_path)), "--url", "127.0.0.1:1"]
    else:
        given = ["127.0.0.1:1/lib/app:v1", *OF_AN_IMAGE[words]]
    done = CliRunner().invoke(app, [*words.split(), *given, "--json"])
    cannot_tell = exits_of(words)[UNUSABLE].startswith("it cannot be told")
    assert done.exit_code == (UNUSABLE if cannot_tell else FAILED)
    assert "cannot reach http://127.0.0.1:1" in done.output
    if words != "status":  # which says so to programs as well
        assert done.stdout == ""


@pytest.mark.parametrize("words", ON_ITS_OWN)
def test_what_needs_no_node_is_json(words: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("ATOLL_CONFIG", raising=False)
    done = CliRunner().invoke(app, [*words.split(), "--json"])
    assert done.exit_code == DONE
    assert json.loads(done.stdout)
    both = CliRunner().invoke(app, [*words.split(), "--json", "--markdown"])
    assert both.exit_code == UNUSABLE


async def test_what_a_node_answers_is_json(registry: Registry):
    settle(registry, "local: a b solo", copies=1)
    registry.layouts.there["d"] = member("d", "local")
    registry.view.members = (known("a"), known("b"))
    await registry.push_image("lib/app", "v1")
    for words, given in ASKING.items():
        match words:
            case "layout init":
                registry.layouts.absent = NotDecided("there is no layout yet")
            case "leave":
                registry.view.members = ()  # or it waits for them to take note
        done = await atoll(*words.split(), *given, "--json", "--url", f"127.0.0.1:{registry.port}")
        assert done.exit_code == DONE, (words, done)
        assert isinstance(json.loads(done.output), dict), words


async def test_what_a_node_says_of_an_image_is_json(registry: Registry):
    await registry.push_image("lib/app", "v1")
    event = str(registry.index.metadata.tagged("lib/app", "v1").event)
    for words, given in OF_AN_IMAGE.items():
        rest = [event if each == "EVENT" else each for each in given]
        done = await atoll(words, f"127.0.0.1:{registry.port}/lib/app:v1", *rest, "--json")
        assert done.exit_code == DONE, (words, done)
        assert isinstance(json.loads(done.output), dict), words


async def test_what_is_said_of_accounts_is_json(
    start_registry: StartRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    registry = await start_registry(accounts=True)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    url, secret = f"127.0.0.1:{registry.port}", ""
    # With the first token there is a key.
    assert (await registry.call("GET", "/token?scope=repository:lib/app:pull")).status == 200
    words = {"FILE": a_password(tmp_path), "URL": url}

    async def document(command: str, *given: str) -> dict[str, Any]:
        done = await atoll(*command.split(), *given, "--json")
        assert done.exit_code == DONE, (command, done)
        found = json.loads(done.output)
        assert isinstance(found, dict), command
        return found

    with data_dir_of(url, tmp_path / "node") as by_operator:
        for command, given in WITH_ACCOUNTS.items():
            found = await document(command, *filled(given, SECRET=secret, **words), *by_operator)
            secret = found.get("id", secret)
            if command == "auth keys":
                words["KEY"] = found["keys"][0]["key"]
    await document(
        "login", "--name", "there", *filled(OF_A_LOG_IN["login"][:4], **words), "--url", url
    )
    for command, given in OF_ONES_OWN.items():
        found = await document(command, *filled(given, SECRET=secret), "--context", "there")
        secret = found.get("id", secret)
    for command, given in OF_A_LOG_IN.items():
        await document(command, *filled(given, **words))
