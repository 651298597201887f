"""What pages that list have in common: sorting, going on, and waiting for no more than is due."""

from collections.abc import Awaitable, Mapping, Sequence
from typing import Final, NamedTuple
from urllib.parse import quote, urlencode

from node.ui.patience import in_time

LATE: Final = "The other nodes did not answer in time: this is what this node knows."


class ListColumn(NamedTuple):
    """A column of a table, as `parts/table.html` has it."""

    text: str
    num: bool = False
    hidden: bool = False
    href: str = ""
    sorted: str = ""


class PageLink(NamedTuple):
    """A link to a page of ours."""

    text: str
    href: str


class Fact(NamedTuple):
    """A number or a word, and of what."""

    value: str
    text: str


def address(path: str, given: Mapping[str, str]) -> str:
    """That of a page, with what of the query is not empty."""
    query = urlencode({name: text for name, text in given.items() if text}, quote_via=quote)
    return f"{path}?{query}" if query else path


def sorting(
    path: str, given: Mapping[str, str], text: str, sort: str, *, ascending: bool, num: bool = False
) -> ListColumn:
    """A column that one may sort by; *given* has the query, and how it is sorted now."""
    href = address(path, {**given, "sort": sort, "after": ""})
    order = "ascending" if ascending else "descending"
    return ListColumn(text, num, href=href, sorted=order if given["sort"] == sort else "")


async def as_known(current: Awaitable[None]) -> str:
    """Wait for what makes the index current, as long as a page may; what to say where that is not
    so."""

    async def done() -> bool:
        await current
        return True

    return "" if await in_time(done()) else LATE


def notes(*said: str) -> Sequence[str]:
    """What is to be known of a page."""
    return [each for each in said if each]
