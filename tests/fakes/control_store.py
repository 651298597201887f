"""A `ControlStore` in memory."""

from collections.abc import Mapping

from cluster.errors import StorageFailure
from cluster.ports import SavedControl


class MemoryControl:
    """`broken` is raised by `save` when set."""

    def __init__(self) -> None:
        self.acceptor = b""
        self.slots: dict[int, bytes] = {}
        self.broken: StorageFailure | None = None

    def load(self) -> SavedControl:
        return SavedControl(self.acceptor, [row for _, row in sorted(self.slots.items())])

    async def save(self, acceptor: bytes, slots: Mapping[int, bytes]) -> None:
        if self.broken is not None:
            raise self.broken
        self.acceptor = acceptor
        self.slots.update(slots)
