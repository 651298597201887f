"""
Every warning and error that a node logs is explained in `docs/events.md`.

An operator who finds one at night should not have to read code.
"""

import ast
import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "events.md"
LEVELS = ("warning", "error", "exception")


class Logged(NamedTuple):
    """A call that logs. *text* is None where it is not a constant."""

    where: str
    text: str | None


def logged() -> list[Logged]:
    """Every such call in the packages that run in a node."""
    calls = []
    for package in ("node", "cluster"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for call in ast.walk(ast.parse(path.read_text())):
                if not isinstance(call, ast.Call) or not _logs(call.func):
                    continue
                first = call.args[0] if call.args else None
                constant = isinstance(first, ast.Constant) and isinstance(first.value, str)
                where = f"{path.relative_to(ROOT)}:{call.lineno}"
                calls.append(Logged(where, first.value if constant else None))
    return calls


def _logs(function: ast.expr) -> bool:
    """`x.warning(...)`, or `log(...)` where the level was chosen before."""
    match function:
        case ast.Attribute(value=receiver, attr=name):
            return name in LEVELS and _is_log(receiver)
        case ast.Name(id=name):
            return name == "log"
    return False


def _is_log(receiver: ast.expr) -> bool:
    """`log`, `self._log`, `env.log`, `get_logger("x")`."""
    match receiver:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.strip("_").endswith("log")
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name == "get_logger"
    return False


CALLS = logged()


def documented() -> list[str]:
    """The events that the document has a row for."""
    return re.findall(r"^\| `([^`]+)` \|", DOCUMENT.read_text(), re.MULTILINE)


def test_calls_are_found():
    """Broken: the other tests look at nothing."""
    assert len(CALLS) > 20
    assert {"link lost", "request failed", "rows are not what was written"} <= {
        call.text for call in CALLS
    }


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.where)
def test_a_warning_has_a_constant_text_and_a_row(call):
    """Broken: an operator finds a warning that no page explains, or cannot search for it."""
    assert call.text is not None, f"{call.where}: the text of an event is a constant"
    assert call.text in documented(), f"{call.where}: {call.text!r} has no row in docs/events.md"


def test_no_row_is_of_an_event_that_is_gone():
    """Broken: the page explains what no node says."""
    assert sorted(set(documented()) - {call.text for call in CALLS}) == []


def test_no_event_has_two_rows():
    """Broken: two rows say two things."""
    rows = documented()
    assert sorted(rows) == sorted(set(rows))
