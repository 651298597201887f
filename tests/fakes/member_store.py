"""A `MemberStore` in memory."""

from collections.abc import Sequence

from cluster.errors import StorageFailure
from cluster.model import Rumour


class MemoryMembers:
    """`broken` is raised by `save` when set."""

    def __init__(self) -> None:
        self.saved: dict[str, Rumour] = {}
        self.broken: StorageFailure | None = None

    def load(self) -> Sequence[Rumour]:
        return list(self.saved.values())

    async def save(self, rumours: Sequence[Rumour]) -> None:
        if self.broken is not None:
            raise self.broken
        self.saved = {rumour.member.node: rumour for rumour in rumours}
