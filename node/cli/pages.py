"""Lists that a node gives in pages."""

import re
from collections.abc import Iterator
from typing import Any

from node.cli.client import ask_for


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
        link = re.match(r"<(/[^>]*)>", answer.headers.get("link", ""))
        following = None if link is None else link[1]
