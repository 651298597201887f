"""What a limit of the edge is; `node.http.limits` has all of them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Generic, TypeVar

N = TypeVar("N", int, float)

KIB: Final = 1 << 10
MIB: Final = 1 << 20


class Counts(StrEnum):
    """Whom a limit counts for."""

    NODE = "the node"
    FAIR = "the node; the client address that has the most gives way"
    CONNECTION = "a connection"
    REQUEST = "a request"
    ADDRESS = "a client address, at the nodes of a region together"
    ACCOUNT = "an account, at the nodes of a region together"


class Unit(StrEnum):
    """What a number is of."""

    COUNT = ""
    BYTES = "B"
    SECONDS = "s"
    RATE = "B/s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit(Generic[N]):
    """One bound of the edge."""

    what: str
    number: N
    unit: Unit
    counts: Counts
    beyond: str
    """What happens, beside the answer that *error* is told with."""

    tests: tuple[str, ...]
    """Who would notice that it is gone, as FILE::FUNCTION below `tests/`."""

    error: type[Exception] | None = None
    """None: the connection is closed, or the client has to wait."""

    setting: str = ""
    """Where operators can set it, the setting whose default the number is."""


def shown(limit: Limit[Any]) -> str:
    """The number of *limit* with its unit, for people."""
    number = limit.number
    match limit.unit:
        case Unit.COUNT:
            return f"{number:,}"
        case Unit.SECONDS if number >= 3600:
            return f"{number / 3600:g} h"
        case Unit.SECONDS:
            return f"{number:g} s"
        case Unit.BYTES | Unit.RATE as unit:
            rate = "/s" if unit is Unit.RATE else ""
            return f"{number / MIB:g} MiB{rate}" if number >= MIB else f"{number / KIB:g} KiB{rate}"
