"""Lists in pages: how a client asks for one, and how it is led to the next."""

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlencode

from node.errors import PaginationInvalid
from node.http.query import Single
from node.registry.listing import PAGE_MAX

_NUMBER: Final = re.compile(r"[0-9]+")
_DIGITS_MAX: Final = 9
"""Digits of a number that is worth reading; a longer one is above every page size."""


def page_limit(text: str) -> int:
    """
    The page size asked for. More than the most there is gets the most, and a Link.

    Raises:
        PaginationInvalid: it is not a number.
    """
    if not text:
        return PAGE_MAX
    if _NUMBER.fullmatch(text) is None:
        raise PaginationInvalid("n must be a number, zero or more")
    digits = text.lstrip("0")
    return PAGE_MAX if len(digits) > _DIGITS_MAX else min(int(digits or "0"), PAGE_MAX)


LIMIT: Final = Single(
    name="n",
    doc=f"Entries in a page; more than {PAGE_MAX:,} are as {PAGE_MAX:,}.",
    parse=page_limit,
    default=PAGE_MAX,
    schema={
        "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "maxLength": 0}],
        "default": PAGE_MAX,
    },
)

LAST: Final = Single(
    name="last",
    doc="The page begins behind this entry, whether there is such an entry or not.",
    parse=str,
    default="",
)


def link_to(path: str, query: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The field that leads to the next page."""
    return {"Link": f'<{path}?{urlencode(query)}>; rel="next"'}
