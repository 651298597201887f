"""Names of events."""

from cluster.model import Dot
from node.errors import EventInvalid


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
