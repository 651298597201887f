"""What is in a repository by its digest, by the word of its clients: manifests and blobs."""

from collections import defaultdict
from collections.abc import Iterable
from functools import partial
from typing import Final

from tests.sim.excuses import Excused
from tests.sim.history import Op
from tests.sim.order import before, may_undo, must_be_seen

BY_DIGEST: Final = frozenset({"pull_digest", "pull_blob", "delete_manifest", "delete_blob"})
"""Operations that ask for one of them."""

_LISTED: Final = frozenset({"referrers", "delete_manifest", "delete_blob"})
"""Those that find nothing that is deleted, be it named by what is not."""

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
        """
        It was there, or something that names it, and nobody may have deleted that since: somebody
        has it.
        """
        name = read.repo, digest
        there = [(write, name) for write in self._brought[name]]
        if read.kind not in _LISTED:
            there += [(w, parent) for parent in self._naming(name) for w in self._brought[parent]]
        for write, whole in there:
            if write is read or not must_be_seen(read, write, in_region=False):
                self._excused.unseen(read, write)
                continue
            if not any(may_undo(delete, write, read) for delete in self._deletes[whole]):
                yield f"missing: {read} does not find {digest[7:15]}, there since {write}"
                return
            self._excused.note("may be undone")

    def found(self, read: Op, digest: str) -> Iterable[str]:
        """Nobody had deleted it, or all that names it, for all that the reader's region knew."""
        name = read.repo, digest
        if read.kind not in _LISTED and not all(map(partial(self._gone, read), self._naming(name))):
            return
        if delete := self._gone(read, name):
            yield f"deleted, and served: {read} after {delete}"

    def _gone(self, read: Op, name: Name) -> Op | None:
        """A delete that the reader's region knew, behind all that brought it."""
        for delete in self._deletes[name]:
            known = must_be_seen(read, delete, in_region=True)
            if known and all(before(write, delete) for write in self._brought[name]):
                return delete
        return None

    def _naming(self, name: Name) -> set[Name]:
        """The manifests that name it, directly or not."""
        found, ahead = set[Name](), [name]
        while ahead:
            more = {(op.repo, op.digest) for op in self._parents[ahead.pop()]} - found
            found |= more
            ahead += more
        return found
