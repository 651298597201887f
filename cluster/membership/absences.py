"""Since when members have been away, and who said that it would be. Pure."""

from cluster.model import NodeId


class Absences:
    """
    When the link to each member went down.

    Who has been away for less than the time that a write waits may be back before that is over: a
    restart takes seconds. Who has been away for longer was waited for in vain.
    """

    def __init__(self) -> None:
        self._since: dict[NodeId, float] = {}
        self._excused: dict[NodeId, float] = {}

    def begin(self, node: NodeId, now: float) -> None:
        """Note that *node* has no link at *now*; nothing new of one that had none before."""
        self._since.setdefault(node, now)

    def end(self, node: NodeId) -> None:
        """Note that *node* has a link, or is none to wait for."""
        self._since.pop(node, None)

    def since(self, node: NodeId, now: float) -> float:
        """When *node* went away; *now* for one of which nothing was noted yet."""
        return self._since.get(node, now)

    def excuse(self, node: NodeId, until: float) -> None:
        """Note that *node* said it stops, and would be back; nobody looks for it *until* then."""
        self._excused[node] = until

    def end_excuse(self, node: NodeId) -> None:
        """Note that *node* is back."""
        self._excused.pop(node, None)

    def is_excused(self, node: NodeId, now: float) -> bool:
        """Whether *node* said that it would be away, and is not overdue."""
        until = self._excused.get(node)
        if until is not None and now >= until:
            del self._excused[node]
            return False
        return until is not None
