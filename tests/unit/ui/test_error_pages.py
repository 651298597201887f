"""Errors, one of each kind: what they carry is hostile."""

import inspect
from collections.abc import Iterator
from typing import Any, cast

import pytest

from node.http.errors import WIRE
from node.http.limits import ApiLimits
from node.http.public_url import PublicUrl
from node.ui.context import UiContext

HOSTILE = '"><script>alert(1)</script>\u202e'


def context() -> UiContext:
    """What pages of errors need of it: where the node stands."""
    nothing = cast("Any", None)
    return UiContext(
        registry=nothing,
        identity=nothing,
        attention=nothing,
        desk=nothing,
        planner=nothing,
        public_url=PublicUrl(),
        advertised="registry.test:5000",
        node="solo",
        region="local",
        cluster="atoll",
        version="1",
        is_open=False,
        limits=ApiLimits(),
        now=lambda: 1_800_000_000.0,
    )


class _Anything(str):
    """An argument of whatever type."""

    __slots__ = ()

    def __float__(self) -> float:
        return 1.0

    def __ceil__(self) -> int:
        return 1

    def __format__(self, spec: str) -> str:
        return str.__format__(self, "")

    def __iter__(self) -> Iterator[Any]:
        return iter([_Anything(str(self)), _Anything(str(self))])

    def _asdict(self) -> dict[str, str]:
        return {"node": str(self)}

    def __truediv__(self, other: object) -> float:
        return 1.0

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return ()


def made(kind: type[Exception]) -> Exception:
    """An error of that kind, with hostile text in it."""
    error = kind.__new__(kind)
    Exception.__init__(error, HOSTILE)
    signature = inspect.signature(kind.__init__)
    given = {
        name: _Anything(HOSTILE)
        for name, parameter in signature.parameters.items()
        if name != "self" and parameter.kind is not parameter.VAR_POSITIONAL
        and parameter.kind is not parameter.VAR_KEYWORD
    }  # fmt: skip
    try:
        return kind(**given)
    except (TypeError, ValueError, AttributeError, KeyError):
        for name in given:
            setattr(error, name, {} if name == "fields" else _Anything(HOSTILE))
        return error


@pytest.mark.parametrize("kind", WIRE, ids=lambda each: each.__name__)
def test_there_is_one_of_each(kind: type[Exception]):
    assert isinstance(made(kind), kind)
