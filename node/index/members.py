"""The members of the cluster as this node knew them last: `cluster.ports.MemberStore`."""

from collections.abc import Sequence

from cluster.model import Rumour
from node.index import keys, rows
from node.index.journal import Journal
from node.index.store import Mutation
from node.index.writer import IndexWriter

_PREFIX = keys.join("member")


class IndexMembers:
    """Rows of `meta`, one for each member. Belongs to the event loop."""

    def __init__(self, journal: Journal, writer: IndexWriter) -> None:
        self._journal = journal
        self._writer = writer

    def load(self) -> Sequence[Rumour]:
        found = self._journal.store.scan("meta", _PREFIX, keys.after(_PREFIX))
        return [rows.decode(Rumour, row) for _, row in found]

    async def save(self, rumours: Sequence[Rumour]) -> None:
        wanted = {
            keys.join("member", rumour.member.node): rows.encode(rumour) for rumour in rumours
        }
        store = self._journal.store

        def change() -> None:
            stored = dict(store.scan("meta", _PREFIX, keys.after(_PREFIX)))
            after = {**dict.fromkeys(stored), **wanted}.items()
            changed = [Mutation("meta", key, row) for key, row in after if stored.get(key) != row]
            store.write(changed)

        await self._writer.submit(change)
