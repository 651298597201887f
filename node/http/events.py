"""Names of events."""

from collections.abc import Sequence

from cluster.model import Dot
from node.errors import EventInvalid
from node.http.limits import IF_MATCH


def parse_event(text: str) -> Dot:
    """
    Check the name of an event.

    Raises:
        EventInvalid: it is not one.
    """
    try:
        return Dot.parse(text)
    except ValueError as exc:
        raise EventInvalid(str(exc)) from exc


def events_in(lines: Sequence[str] | None) -> tuple[Dot, ...] | None:
    """
    The events that the *lines* of an `If-Match` field name, in quotes or without; None: there is no
    such field.

    Raises:
        EventInvalid: one is no event, or there are too many of them.
    """
    if lines is None:
        return None
    # RFC 9110 §5.6.1.2: empty elements of a list are ignored.
    texts = [text for each in ",".join(lines).split(",") if (text := each.strip(" \t"))]
    if len(texts) > IF_MATCH.number:
        raise EventInvalid(f"If-Match may name at most {IF_MATCH.number} events")
    return tuple(parse_event(_unquoted(text)) for text in texts)


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
