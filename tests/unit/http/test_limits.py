"""The limits of the edge: all in one place, each with what it needs."""

import ast
from pathlib import Path
from typing import Any

import pytest

from node.cli.node.api import limits_table
from node.http import limits
from node.http.errors import WIRE
from node.http.limit import Limit, shown
from node.http.limits import LIMITS
from node.settings.model import default_of

ROOT = Path(__file__).parents[3]

TUNING = {
    "node/http/sendfile.py": {"INLINE_MAX_BYTES"},
    "node/http/transmission.py": {"CHUNK_BYTES", "UNSENT_MAX_BYTES", "SENDER_THREADS", "TURN_S",
                                  "PATIENCE_MS", "LOOKS"},
    "node/http/server.py": {"_ROOM", "_SILENCE_S"},
    "node/http/listener.py": {"_BACKLOG", "_LOOK_S"},
    "node/http/pages.py": {"_DIGITS_MAX"},
    "node/http/guard.py": {"DECISIONS_MAX"},
    "node/http/throttle.py": {"_AT_ONCE", "_CREDITS_MAX"},
    "node/http/cors.py": {"_PREFLIGHT_S"},
    "node/http/requestlog.py": {"_UNAVAILABLE"},
    "node/http/client_address.py": {"_SITE_BITS"},
    "node/oci/blobs.py": {"_READ_BYTES"},
    "node/admin/wait.py": {"_DEFAULT_S"},
}  # fmt: skip
"""Numbers of the edge that refuse nothing: the size of a step, how often to look, a default."""


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.what)
def test_a_limit_has_a_test_and_an_answer(limit: Limit[Any]):
    assert limit.tests
    for test in limit.tests:
        path, _, function = test.partition("::")
        assert f"def {function}(" in (ROOT / "tests" / path).read_text(), test
    assert limit.error is None or limit.error in WIRE
    assert limit.error is not None or limit.beyond


@pytest.mark.parametrize(
    "limit", [limit for limit in LIMITS if limit.setting], ids=lambda limit: limit.what
)
def test_the_number_of_a_limit_is_the_default_of_its_setting(limit: Limit[Any]):
    """Broken: the documentation tells two numbers."""
    assert default_of(limit.setting) == limit.number


def test_every_limit_is_told():
    assert {id(each) for each in vars(limits).values() if isinstance(each, Limit)} == set(
        map(id, LIMITS)
    )


def test_no_number_of_the_edge_is_elsewhere():
    """Broken: somebody looks for the limits, and finds most of them."""
    found: dict[str, set[str]] = {}
    for package in ("http", "oci", "admin"):
        for path in sorted((ROOT / "node" / package).glob("*.py")):
            for statement in ast.parse(path.read_text()).body:
                if isinstance(statement, ast.AnnAssign) and is_number(statement.value):
                    name = str(path.relative_to(ROOT))
                    found.setdefault(name, set()).add(ast.unparse(statement.target))
    assert found.pop("node/http/limit.py") == {"KIB", "MIB"}
    assert found == TUNING


def is_number(value: ast.expr | None) -> bool:
    """Whether an expression is made of numbers alone."""
    return value is not None and all(
        isinstance(node, ast.Constant) and isinstance(node.value, int | float)
        if not isinstance(node, ast.BinOp | ast.operator)
        else True
        for node in ast.walk(value)
    )


def test_the_page_tells_the_limits():
    page = (ROOT / "docs" / "limits.md").read_text()
    section = page.partition("\n## The edge\n")[2].partition("\n## ")[0]
    assert limits_table() in section, "put the output of `atoll api --limits` there"


@pytest.mark.parametrize(
    ("name", "text"),
    [("CONNECTIONS", "10,000"), ("HEAD_BYTES", "64 KiB"), ("HELD_BYTES", "64 MiB"),
     ("BODY_RATE", "1 KiB/s"), ("IDLE", "75 s"), ("STREAMED_BODY", "24 h")],
)  # fmt: skip
def test_numbers_have_their_unit(name: str, text: str):
    assert shown(getattr(limits, name)) == text
