"""What this disk has of the control log: `cluster.ports.ControlStore`."""

from collections.abc import Iterator, Mapping, Sequence

from cluster.ports import SavedControl
from node.index import keys
from node.index.journal import Journal
from node.index.store import Mutation
from node.index.writer import IndexWriter

_ACCEPTOR = keys.join("acceptor")
_SLOT = keys.join("slot")
_ENDED = keys.join("ended")


def ended_rows(generations: Sequence[bytes]) -> Iterator[Mutation]:
    """The rows of a disk that is not to take part in these *generations* again."""
    return (Mutation("meta", _ENDED + name, b"") for name in generations)


class IndexControl:
    """Rows of `meta`. Belongs to the event loop."""

    def __init__(self, journal: Journal, writer: IndexWriter) -> None:
        self._journal = journal
        self._writer = writer

    def load(self) -> SavedControl:
        store = self._journal.store
        return SavedControl(
            store.get("meta", _ACCEPTOR) or b"",
            [row for _, row in store.scan("meta", _SLOT, keys.after(_SLOT))],
            [key[len(_ENDED) :] for key, _ in store.scan("meta", _ENDED, keys.after(_ENDED))],
        )

    async def save(self, acceptor: bytes, slots: Mapping[int, bytes]) -> None:
        rows = {_SLOT + keys.u64(slot): row for slot, row in slots.items()}
        changes = [Mutation("meta", key, row) for key, row in {_ACCEPTOR: acceptor, **rows}.items()]
        await self._writer.submit(lambda: self._journal.store.write(changes))
