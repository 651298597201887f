"""What the fields of a class mean, by the texts that stand behind them in its source."""

import ast
import inspect
import sys
from collections.abc import Iterator
from functools import cache


@cache
def field_docs(kind: type) -> dict[str, str]:
    """Field -> its text, in one line; fields without one are left out."""
    found: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        if each.__module__.partition(".")[0] in ("node", "cluster"):
            found |= _of_module(each.__module__)[each.__qualname__]
    return found


@cache
def _of_module(name: str) -> dict[str, dict[str, str]]:
    """
    The same of each class of a module.

    It is read once for all of them: `inspect` parses the whole module for each.
    """
    return {
        definition.name: dict(_own(definition))
        for definition in ast.parse(inspect.getsource(sys.modules[name])).body
        if isinstance(definition, ast.ClassDef)
    }


def _own(definition: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, behind in zip(definition.body, definition.body[1:], strict=False):
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        if isinstance(behind, ast.Expr) and isinstance(behind.value, ast.Constant):
            yield field.target.id, " ".join(str(behind.value.value).split())
