"""What each member says of its own condition. Pure."""

from collections.abc import Callable

from cluster.model import Member, NodeId, Vitals


class VitalsBook:
    """Keeps what the members said last, each in its present run."""

    def __init__(self) -> None:
        self.mine: Callable[[], Vitals] = Vitals
        """What this node says of itself, with each greeting; set by who knows. Must not block."""

        self._said: dict[NodeId, tuple[int, Vitals]] = {}

    def note(self, member: Member, vitals: Vitals) -> None:
        self._said[member.node] = (member.epoch, vitals)

    def of(self, member: Member) -> Vitals | None:
        """What *member* said last; None when that was in another run, or never."""
        epoch, vitals = self._said.get(member.node, (None, None))
        return vitals if epoch == member.epoch else None

    def forget(self, node: NodeId) -> None:
        self._said.pop(node, None)
