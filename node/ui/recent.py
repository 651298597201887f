"""The pushes of late, and where each is by now: for the first page."""

from typing import Any, Final, NamedTuple

from cluster import COUNTER_BITS
from cluster.model import Digest, Dot
from node.desk.activity import ActivityAsked, ActivityEntry, ActivityKind
from node.desk.replication import ImageAt
from node.registry.access import Access
from node.ui.context import UiContext
from node.ui.image_values import ShownEvent, ShownStrip, columns, entry, seconds, strip

ROWS: Final = 6

_PUSHES: Final = ActivityAsked((ActivityKind.PUSH, ActivityKind.ROLLBACK))


class RecentPush(NamedTuple):
    """A row of the list."""

    happened: ShownEvent
    where: ShownStrip | None
    """None: it is not known yet."""


async def recent_values(context: UiContext, access: Access) -> dict[str, Any]:
    """The latest pushes of tags that the caller may see."""
    found = context.desk.activity.page(access, _PUSHES, None, ROWS).entries
    places = await context.desk.replication.where([_at(each) for each in found])
    pushes = [RecentPush(entry(e), strip(w)) for e, w in zip(found, places, strict=True)]
    return {"recent": pushes, "recent_columns": columns("Image", "What", "When", "By", "Where")}


def _at(pushed: ActivityEntry) -> ImageAt:
    repository, digest, event = pushed.repository, pushed.digest, pushed.event
    assert repository is not None, "a push is of a tag"
    assert digest is not None, "which is pointed at something"
    assert event is not None, "by an event"
    stamp = round(seconds(pushed.time) * 1000) << COUNTER_BITS
    return ImageAt(repository, Digest.parse(digest), Dot.parse(event), stamp)
