"""`atoll history` and `atoll rollback`: what a tag was, and going back to it."""

from urllib.parse import quote

from node.cli.client import ask_for
from node.cli.errors import CommandError
from node.cli.outcome import Outcome
from node.cli.references import Reference, parse_reference


def history(text: str, address: str | None = None) -> Outcome:
    """
    The history of a tag, newest first: one line each, with a mark at what is served. Who is asked
    is at *address*, or where *text* says.

    Raises:
        CommandError: there is no such tag, or no answer.
    """
    reference = _tag(text, address)
    view = ask_for(reference.url, "GET", _path(reference)).document
    heads = {head["event"] for head in view["heads"]}
    lines = []
    for entry in view["history"]:
        mark = "*" if entry["event"] == view["event"] else "+" if entry["event"] in heads else " "
        what = entry["digest"] or "-"
        who = entry["who"] or "-"
        told = (entry["time"], f"{entry['action']:<6}", entry["event"], who, what)
        lines.append(f"{mark} {'  '.join(told)}")
    if view["conflict"]:
        lines.append("conflict: the writes marked * and + disagree; * is served")
    return Outcome("\n".join(lines), view)


def rollback(
    text: str,
    to: str,
    address: str | None = None,
    *,
    create: bool,
    if_match: str | None = None,
) -> Outcome:
    """
    Point a tag at what it was at an event, or at a digest.

    With *create* a tag that never was may be pointed at a digest; with *if_match* nothing is done
    but for a tag that has these heads.

    Raises:
        CommandError: that cannot be done.
    """
    reference = _tag(text, address)
    body = {"digest" if ":" in to else "event": to, "create": create}
    path = f"{_path(reference)}/rollback"
    if if_match is not None and not (if_match.isascii() and if_match.isprintable()):
        raise CommandError(f"{if_match!r} is not EVENT,EVENT")
    fields = {} if if_match is None else {"If-Match": if_match}
    done = ask_for(reference.url, "POST", path, body=body, fields=fields).document
    return Outcome(f"{reference.image} is {done['digest']} (event {done['event']})", done)


def _tag(text: str, address: str | None) -> Reference:
    reference = parse_reference(text, address)
    if reference.is_digest:
        raise CommandError("a digest has no history; name a tag")
    return reference


def _path(reference: Reference) -> str:
    return f"/atoll/v1/repositories/{reference.repository}/tags/{quote(reference.name, safe='')}"
