"""The config of an image, as strangers write it."""

import json

import pytest

from node.desk.config import CONFIG_BYTES_MAX, read_config
from node.desk.text import COMMAND_MAX, VALUE_MAX, visible


def config(**fields: object) -> bytes:
    return json.dumps(fields).encode()


def test_what_an_image_says_of_itself():
    found = read_config(
        config(
            os="linux",
            architecture="arm64",
            variant="v8",
            created="2026-01-02T03:04:05Z",
            author="ann",
            config={
                "User": "1000",
                "WorkingDir": "/srv",
                "Entrypoint": ["/bin/app", "--serve"],
                "Cmd": None,
                "Labels": {"b": "2", "a": "1"},
                "Env": ["SECRET=x"],
            },
            history=[{"created_by": "COPY . /", "created": "2026"}, {"empty_layer": True}],
        )
    )
    assert found is not None
    facts = found.facts
    assert (facts.platform, facts.created, facts.author) == (
        "linux/arm64/v8",
        "2026-01-02T03:04:05Z",
        "ann",
    )
    assert (facts.user, facts.working_dir, facts.command) == ("1000", "/srv", None)
    assert facts.entrypoint is not None
    assert facts.entrypoint.text == "/bin/app --serve"
    assert [(each.name, each.value.text) for each in facts.labels] == [("a", "1"), ("b", "2")]
    assert [step.empty_layer for step in found.history] == [None, True]
    assert "SECRET" not in repr(found)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"config",
        b"[]",
        b"null",
        b'"text"',
        b"\xff",
        b"{",
        b"[" * 100_000,
        b'{"a":' * 50 + b"1" + b"}" * 50,
        b'{"a":' + b"[]," * 60_000 + b"1}",
        b'{"created": "' + b"x" * CONFIG_BYTES_MAX + b'"}',
    ],
    ids=range(11),
)
def test_what_is_no_config_is_none(data: bytes):
    assert read_config(data) is None


@pytest.mark.parametrize(
    "wrong", [5, None, [], {}, "text", [5], {"a": 5}, [[]], 10**400, [{"created_by": 5}]]
)
def test_a_field_that_is_something_else_is_left_out(wrong: object):
    """Broken: one field that is wrong hides, or ends, all the others."""
    fields = ("os", "architecture", "created", "author", "history")
    inner = ("User", "WorkingDir", "Entrypoint", "Cmd", "Labels")
    for name in fields:
        found = read_config(config(**{"author": "ann", name: wrong}))
        assert found is not None
        assert found.facts.author in ("ann", "", "text")
    for name in inner:
        found = read_config(config(author="ann", config={"User": "root", name: wrong}))
        assert found is not None
        assert (found.facts.author, found.facts.user) in (
            ("ann", "root"),
            ("ann", ""),
            ("ann", "text"),
        )


def test_what_is_long_is_cut_and_said_to_be():
    found = read_config(
        config(
            created="c" * 1000,
            config={"Cmd": ["x" * 1000], "Labels": {f"l{n}" * 200: "v" * 1000 for n in range(99)}},
        )
    )
    assert found is not None
    facts = found.facts
    assert facts.command is not None
    assert (len(facts.command.text), facts.command.is_cut) == (COMMAND_MAX, True)
    assert (len(facts.labels), facts.labels_count) == (30, 99)
    assert all(len(each.name) <= VALUE_MAX for each in facts.labels)
    assert all(
        (len(each.value.text), each.value.is_cut) == (VALUE_MAX, True) for each in facts.labels
    )
    assert len(facts.created) == VALUE_MAX


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text", "plain text"),
        ("größe 大", "größe 大"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\x1b[2Jx", r"\x1b[2Jx"),
        ("\u202eevil", r"\u202eevil"),
        ("a\u200bb\u2066", r"a\u200bb\u2066"),
        ("\x00\x9f\xa0", r"\x00\x9f\xa0"),
        ("\U000e0001", r"\U000e0001"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_would_be_obeyed_is_shown(text: str, shown: str):
    """Broken: an image clears a terminal, or turns round what stands behind it."""
    assert visible(text) == shown
