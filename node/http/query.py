"""Query strings: the parameters that an endpoint describes, and their values."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Generic, TypeVar
from urllib.parse import parse_qsl

from node.errors import QueryInvalid
from node.http.limits import PARAMETERS

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

_SECONDS: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,20})?([eE][-+]?[0-9]{1,2})?")
"""A number as JSON has it: programs write small ones with an exponent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter(Generic[T]):
    """A parameter that may come often: what it means, and how its text becomes a value."""

    name: str
    doc: str
    parse: Callable[[str], T]
    """Raises a `RegistryError` for a text that makes no sense."""

    schema: Mapping[str, object] = field(default_factory=lambda: {"type": "string"})
    """The JSON schema of a value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Single(Parameter[T]):
    """A parameter that may come once."""

    default: T
    """The value where it is not given."""

    required: bool = False


def text(name: str, doc: str, **schema: object) -> Single[str | None]:
    """A parameter whose text is read by who uses it."""
    return Single(name=name, doc=doc, parse=str, default=None, schema={"type": "string", **schema})


def word(name: str, doc: str, words: type[E], default: E) -> Single[E]:
    """A parameter that is one of some *words*."""

    def parse(given: str) -> E:
        try:
            return words(given)
        except ValueError as exc:
            raise QueryInvalid(f"{name} must be one of {', '.join(words)}") from exc

    schema = {"type": "string", "enum": [str(each) for each in words], "default": str(default)}
    return Single(name=name, doc=doc, parse=parse, default=default, schema=schema)


def flag(name: str, doc: str) -> Single[bool]:
    """A parameter that is `true` or `false`; false without it."""

    def parse(given: str) -> bool:
        if given not in ("true", "false"):
            raise QueryInvalid(f"{name} must be true or false")
        return given == "true"

    return Single(name=name, doc=doc, parse=parse, default=False, schema={"type": "boolean"})


def seconds(name: str, doc: str, *, most: float, default: float) -> Single[float]:
    """A parameter that is a time from 0 to *most*."""

    def parse(given: str) -> float:
        if _SECONDS.fullmatch(given) is None or float(given) > most:
            raise QueryInvalid(f"{name} must be 0 to {most:g} seconds")
        return float(given)

    return Single(
        name=name,
        doc=doc,
        parse=parse,
        default=default,
        schema={"type": "number", "minimum": 0, "maximum": most, "default": default},
    )


class Query:
    """The query string of one request, decoded."""

    def __init__(self, raw: str, described: tuple[Parameter[Any], ...]) -> None:
        """
        Only the parameters that are *described* can be read from it.

        Raises:
            QueryInvalid: it is malformed, or too long.
        """
        self._described = described
        try:
            self._pairs = parse_qsl(
                # A bare plus is a plus (media types have them); no value here has a space.
                raw.replace("+", "%2B"),
                keep_blank_values=True,
                # What is no UTF-8 fits no grammar and is behind every name, as its bytes are.
                errors="replace",
                max_num_fields=PARAMETERS.number,
            )
        except ValueError as exc:
            raise QueryInvalid("the query string is malformed") from exc

    def one(self, parameter: Single[T]) -> T:
        """
        The value of a parameter that may come once.

        Raises:
            QueryInvalid: it came twice: whoever looks at the other one sees another request.
        """
        values = self._texts(parameter)
        if len(values) > 1:
            raise QueryInvalid(f"parameter {parameter.name!r} may be given once only")
        return parameter.parse(values[0]) if values else parameter.default

    def all(self, parameter: Parameter[T]) -> list[T]:
        """The values of a parameter that may come often."""
        return [parameter.parse(value) for value in self._texts(parameter)]

    def _texts(self, parameter: Parameter[Any]) -> list[str]:
        assert parameter in self._described, f"the endpoint does not describe {parameter.name!r}"
        return [value for key, value in self._pairs if key == parameter.name]
