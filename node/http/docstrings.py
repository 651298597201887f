"""What the fields of a class mean, by the texts that stand behind them in its source."""

import ast
import inspect
from collections.abc import Iterator
from functools import cache
from textwrap import dedent


@cache
def field_docs(kind: type) -> dict[str, str]:
    """Field -> its text, in one line; fields without one are left out."""
    found: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        if each.__module__.partition(".")[0] in ("node", "cluster"):
            found |= _own(each)
    return found


def _own(kind: type) -> Iterator[tuple[str, str]]:
    [definition] = ast.parse(dedent(inspect.getsource(kind))).body
    assert isinstance(definition, ast.ClassDef)
    for field, behind in zip(definition.body, definition.body[1:], strict=False):
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        if isinstance(behind, ast.Expr) and isinstance(behind.value, ast.Constant):
            yield field.target.id, " ".join(str(behind.value.value).split())
