"""Since when members have been away. Pure."""

from collections.abc import Iterable

from cluster.model import Member, NodeId


class Absences:
    """
    When the link to each member went down.

    Who has been away for less than the time that a write waits may be back before that is over: a
    restart takes seconds. Who has been away for longer was waited for in vain.
    """

    def __init__(self) -> None:
        self._since: dict[NodeId, float] = {}

    def begin(self, node: NodeId, now: float) -> None:
        """Note that *node* has no link at *now*; nothing new of one that had none before."""
        self._since.setdefault(node, now)

    def end(self, node: NodeId) -> None:
        """Note that *node* has a link, or is none to wait for."""
        self._since.pop(node, None)

    def since(self, node: NodeId, now: float) -> float:
        """When *node* went away; *now* for one of which nothing was noted yet."""
        return self._since.get(node, now)

    def recent(self, members: Iterable[Member], wait_s: float, now: float) -> list[Member]:
        """Those of *members* that have been away for less than *wait_s*."""
        return [m for m in members if now - self.since(m.node, now) < wait_s]
