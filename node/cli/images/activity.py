"""`atoll activity`: what happened to images and to the layout."""

import csv
import io
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from node.cli.client import ask_for
from node.cli.outcome import Outcome
from node.cli.pages import next_page
from node.cli.references import parse_url
from node.cli.words import table
from node.desk.text import visible


def activity(
    url: str,
    *,
    kinds: Sequence[str] = (),
    who: str | None = None,
    repository: str | None = None,
    most: int,
    as_csv: bool = False,
) -> Outcome:
    """
    The newest entries, *most* of them: a line each, or as CSV.

    Raises:
        CommandError: they cannot be had.
    """
    query = [("kind", kind) for kind in kinds]
    query += [("who", who)] if who is not None else []
    query += [("repository", repository)] if repository is not None else []
    entries: list[dict[str, Any]] = []
    path: str | None = f"/atoll/v1/activity?{urlencode([*query, ('n', str(most))])}"
    since: str | None = None
    while path is not None and len(entries) < most:
        answer = ask_for(parse_url(url), "GET", path)
        since = answer.document["complete_since"]
        entries += answer.document["activity"]
        path = next_page(answer)
    entries = entries[:most]
    document = {"activity": entries, "complete_since": since}
    return Outcome(_csv(entries) if as_csv else _text(entries, since), document)


def _text(entries: Sequence[dict[str, Any]], since: str | None) -> str:
    rows = [
        (
            each["time"],
            each["kind"],
            _what(each),
            each["who"] or "-",
            each["node"],
            each["digest"] or "-",
            each["event"] or "-",
        )
        for each in entries
    ]
    lines = [table([("TIME", "KIND", "WHAT", "WHO", "NODE", "DIGEST", "EVENT"), *rows])]
    if since is not None:
        lines.append(f"what happened before {since} may not be here")
    return "\n".join(visible(line) for text in lines for line in text.splitlines())


def _what(entry: dict[str, Any]) -> str:
    if entry["layout"] is not None:
        return f"version {entry['layout']}"
    return f"{entry['repository']}:{entry['tag']}" if entry["tag"] else str(entry["repository"])


def _csv(entries: Sequence[dict[str, Any]]) -> str:
    columns = (
        "time", "kind", "repository", "tag", "digest", "event", "returns_to", "layout", "node",
        "who",
    )  # fmt: skip
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(
        ["" if each[name] is None else each[name] for name in columns] for each in entries
    )
    return lines.getvalue().rstrip("\n")
