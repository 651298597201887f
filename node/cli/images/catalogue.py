"""`atoll repos`, `atoll tags` and `atoll search`: what there is."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from node.cli.client import ask_for
from node.cli.outcome import Outcome
from node.cli.references import parse_url
from node.cli.words import size, table

_DIGEST_SHOWN: Final = len("sha256:") + 12
"""Characters of a digest, as docker shows it."""


class Listed(NamedTuple):
    """What is asked for of a list."""

    containing: str
    sort: str
    after: str
    whole: bool
    """Whether all pages are wanted."""


def repositories(url: str, asked: Listed, project: str, *, conflict: bool) -> Outcome:
    """
    The repositories that whoever asks may see.

    Raises:
        CommandError: they could not be had.
    """
    given = {"project": project, "conflict": "true" if conflict else ""}
    found = _pages(url, "/atoll/v1/repositories", asked, given, "repositories")
    rows = [
        (
            each["name"],
            f"{each['tags']:,}",
            size(each["bytes"]),
            _when(each["pushed"]),
            each["who"] or "-",
            str(each["conflicts"] or "-"),
            each["visibility"],
        )
        for each in found["repositories"]
    ]
    heading = ("NAME", "TAGS", "SIZE", "PUSHED", "BY", "CONFLICTS", "FOR")
    return _shown(heading, rows, found)


def tags(url: str, name: str, asked: Listed, platform: str, only: str) -> Outcome:
    """
    The tags of a repository.

    Raises:
        CommandError: they could not be had: there is no such repository, say.
    """
    given = {"platform": platform, "only": only}
    path = f"/atoll/v1/repositories/{quote(name, safe='/')}/@tags"
    found = _pages(url, path, asked, given, "tags")
    rows = [
        (
            each["tag"] or "-",
            each["digest"][:_DIGEST_SHOWN],
            _some(each["aliases"], more=each["more_aliases"]),
            _some(each["platforms"]),
            "-" if each["bytes"] is None else size(each["bytes"]),
            _when(each["pushed"]),
            each["who"] or "-",
            _some(each["flags"]),
        )
        for each in found["tags"]
    ]
    heading = ("TAG", "DIGEST", "ALSO", "PLATFORMS", "SIZE", "PUSHED", "BY", "FLAGS")
    return _shown(heading, rows, found)


def search(url: str, text: str) -> Outcome:
    """
    What is like *text*.

    Raises:
        CommandError: the node could not be asked.
    """
    # By quote: a plus is a plus there.
    found = ask_for(parse_url(url), "GET", f"/atoll/v1/search?q={quote(text, safe='')}").document
    rows = [
        (
            "*" if each == found["exact"] else " ",
            each["kind"],
            _reference(each),
            (each["digest"] or "-")[:_DIGEST_SHOWN],
        )
        for each in found["hits"]
    ]
    return _shown((" ", "KIND", "NAME", "DIGEST"), rows, found)


def _pages(url: str, path: str, asked: Listed, given: dict[str, str], field: str) -> dict[str, Any]:
    """One page, or all of them as one; `after` has where it ends."""
    query = {"q": asked.containing, "sort": asked.sort, "after": asked.after, **given}
    named = urlencode({name: value for name, value in query.items() if value}, quote_via=quote)
    following: str | None = f"{path}?{named}"
    found: dict[str, Any] = {}
    while following is not None:
        reply = ask_for(parse_url(url), "GET", following)
        page = dict(reply.document)
        page[field] = [*found.get(field, ()), *page[field]]
        link = re.match(r"<(/[^>]*)>", reply.headers.get("link", ""))
        page["after"] = None if link is None else parse_qs(urlsplit(link[1]).query)["after"][0]
        found, following = page, link[1] if link is not None and asked.whole else None
    return found


def _shown(heading: Sequence[str], rows: Sequence[Sequence[str]], found: Any) -> Outcome:
    lines = [table([heading, *rows])] if rows else ["none"]
    if found.get("after"):
        lines.append(f"there are more: --after {found['after']}")
    if found["note"]:
        lines.append(found["note"])
    return Outcome("\n".join(lines), found)


def _reference(hit: dict[str, str | None]) -> str:
    if hit["kind"] == "image":
        return f"{hit['repository']}@{hit['digest']}"
    return f"{hit['repository']}:{hit['tag']}" if hit["tag"] else str(hit["repository"])


def _some(words: Sequence[str], *, more: bool = False) -> str:
    return ",".join([*words, *(["..."] if more else [])]) or "-"


def _when(text: str) -> str:
    moment = datetime.fromisoformat(text).astimezone(UTC)
    return f"{moment:%Y-%m-%d %H:%M}Z"
