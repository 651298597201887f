"""What all commands have in common: `--json`, and an exit status that docs/commands.md explains."""

import json
from typing import Final

import pytest
from typer.main import get_group
from typer.testing import CliRunner

from cluster.errors import NotDecided
from node.cli import app
from node.cli.exits import DONE, FAILED, UNUSABLE, exits_of
from node.cli.reference import Leaf, leaves
from tests.api.commands import atoll
from tests.api.conftest import Registry
from tests.api.test_layout_api import known, settle
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
}

ASKING: Final[dict[str, tuple[str, ...]]] = {
    "status": (),
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

OF_AN_IMAGE: Final = {"wait": (), "history": (), "rollback": ("EVENT",)}
"""The same of those whose first argument is an image at a node."""


def test_no_command_is_forgotten():
    of_it = [LOGS_ONLY, JSON_ELSEWHERE, ON_ITS_OWN, ASKING, OF_AN_IMAGE]
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


@pytest.mark.parametrize("words", [*ASKING, *OF_AN_IMAGE])
def test_a_node_that_does_not_answer_is_no_success(words: str):
    """Broken: a script goes on, as if the node had said yes; or reads an answer that is none."""
    if words in ASKING:
        given = [*ASKING[words], "--url", "127.0.0.1:1"]
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
