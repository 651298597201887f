"""Lists that a node gives in pages."""

import re
from collections.abc import Iterator
from typing import Any

from node.cli.client import ask_for
from node.cli.exchange import Reply


def every(url: str, path: str, field: str) -> Iterator[Any]:
    """
    All that is listed at *path*, page after page; *field* has the items.

    Raises:
        CommandError: a page could not be had.
    """
    following: str | None = path
    while following is not None:
        answer = ask_for(url, "GET", following)
        yield from answer.document[field]
        following = next_page(answer)


def next_page(answer: Reply) -> str | None:
    """Where the page behind that of *answer* is; None: there is none."""
    link = re.match(r"<(/[^>]*)>", answer.headers.get("link", ""))
    return None if link is None else link[1]
