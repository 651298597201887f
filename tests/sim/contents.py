"""What is in a repository by its digest, by the word of its clients: manifests and blobs."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from tests.sim.excuses import Excused
from tests.sim.history import Op
from tests.sim.order import before, may_undo, must_be_seen

BY_DIGEST: Final = frozenset({"pull_digest", "pull_blob", "delete_manifest", "delete_blob"})
"""Operations that ask for one of them."""

Name = tuple[str, str]
"""Repository and digest."""


class Contents:
    def __init__(self, writes: Iterable[Op], uploads: Iterable[Op], excused: Excused) -> None:
        self._excused = excused
        self._brought: defaultdict[Name, list[Op]] = defaultdict(list)
        """The pushes of each manifest, and the uploads of each blob."""
        self._deletes: defaultdict[Name, list[Op]] = defaultdict(list)
        self._parents: defaultdict[Name, list[Op]] = defaultdict(list)
        """The pushes that name it: none was taken before it was there."""
        for op in uploads:
            self._brought[op.repo, op.digest].append(op)
        for op in writes:
            if op.puts:
                self._brought[op.repo, op.digest].append(op)
                for digest in op.names:
                    self._parents[op.repo, digest].append(op)
            elif op.kind in BY_DIGEST:
                self._deletes[op.repo, op.digest].append(op)

    def missing(self, read: Op, digest: str) -> Iterable[str]:
        """It was there, and nobody may have deleted it since: somebody has it."""
        name = read.repo, digest
        for write in [*self._brought[name], *self._parents[name]]:
            if write is read or not must_be_seen(read, write, in_region=False):
                self._excused.unseen(read, write)
                continue
            if not any(may_undo(delete, write, read) for delete in self._deletes[name]):
                yield f"missing: {read} does not find {digest[7:15]}, there since {write}"
                return
            self._excused.note("may be undone")

    def found(self, read: Op, digest: str) -> Iterable[str]:
        """Nobody had deleted it for all that the reader's region knew."""
        name = read.repo, digest
        for delete in self._deletes[name]:
            if not must_be_seen(read, delete, in_region=True):
                continue
            if all(before(write, delete) for write in self._brought[name]):
                yield f"deleted, and served: {read} after {delete}"
