"""
What the clients of a registry that keeps its promises can have seen. Pure: a history in, a
verdict out. `writes` says what is known of the order, `causes` which answers may fail.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from tests.netfaults.causes import parts
from tests.netfaults.disturbances import Disturbances
from tests.netfaults.history import PULLS, Op
from tests.netfaults.violation import Violation
from tests.netfaults.writes import Name, Writes

MARKED: Final = "stale, and says that it may be"
"""Not a broken promise. A node that sees no majority of its region answers with what it has, and
marks that as unconfirmed; `marks` judges whether it had to. The runs count how often it was old."""

STALE: Final = "stale in its region"
UNASKED: Final = "not found, though another region has it"
INVENTED: Final = "a value that nobody wrote"
LISTED: Final = "listed, and nobody wrote it"
WRONG_BYTES: Final = "bytes that are not what they are called"
FEW_DISKS: Final = "acknowledged on too few disks"
LOST: Final = "an acknowledged push is lost"
UNDONE: Final = "acknowledged, and undone"
BACK: Final = "deleted, and back"
UNLINKED: Final = "a manifest without one of its blobs"


class Rules:
    """What may be read after the writes of a history."""

    def __init__(self, history: Sequence[Op], disturbances: Disturbances) -> None:
        self._history = history
        self._disturbances = disturbances
        self._writes = Writes(history, disturbances)

    # --- while it runs ---------------------------------------------------------------------------

    def bodies(self) -> Iterable[Violation]:
        """Every body that was pulled is what was asked for, or the manifest it says it is."""
        for op in self._history:
            asked = op.blob or op.digest
            if op.kind in PULLS and op.outcome == "ok" and op.body != asked:
                yield Violation(WRONG_BYTES, (op,), f"they are {op.body}")

    def copies(self) -> Iterable[Violation]:
        """In a cluster with more members than `copies` nothing is acknowledged on fewer disks."""
        for op in self._history:
            if op.outcome == "ok" and op.degraded:
                yield Violation(FEW_DISKS, (op,), f"on {op.degraded}")

    def reads(self) -> Iterable[Violation]:
        """
        Every read returns the last write that its region acknowledged before, or a later one, and
        a node that has not heard of something asks the others before it says that it is not there.
        Only an answer that is marked as unconfirmed may be older.
        """
        for op in self._history:
            if op.kind == "pull" and op.outcome == "ok":
                yield from self._found(op, op.tag, {op.digest})
            elif op.kind == "list" and op.outcome in ("ok", "missing"):
                yield from self._listed(op)
            elif op.kind in ("pull", "delete") and op.outcome == "missing":
                pushes = self._writes.pushes_of_tag(op.repo, op.tag)
                yield from self._missing(op, pushes, self._writes.may_be_gone)
            elif op.kind in ("pull_digest", "delete_digest") and op.outcome == "missing":
                of_digest = self._writes.pushes(op.repo, op.digest)
                yield from self._missing(op, of_digest, self._writes.may_be_deleted)
            elif op.kind == "pull_blob" and op.outcome == "missing":
                yield from self._no_blob(op)
            elif op.kind == "pull_digest" and op.outcome == "ok":
                yield from self._served(op)

    def _listed(self, read: Op) -> Iterable[Violation]:
        written = {tag for repo, tag in self._writes.tags() if repo == read.repo}
        for tag in sorted(set(read.listed) - written):
            yield Violation(LISTED, (read,), tag)
        for tag in sorted(written):
            pushes = self._writes.pushes_of_tag(read.repo, tag)
            if tag in read.listed:
                yield from self._found(read, tag, {push.digest for push in pushes})
            else:
                # A listing answers from what its node has: the promise about it is the region's.
                near = [push for push in pushes if push.region == read.region]
                yield from self._missing(read, near, self._writes.may_be_gone)

    def _missing(
        self, read: Op, pushes: Sequence[Op], may_be_undone: Callable[[Op, float], bool]
    ) -> Iterable[Violation]:
        """*read* has found nothing of *pushes*."""
        marked = None
        for push in reversed(pushes):
            if push.outcome != "ok" or push.end > read.start or may_be_undone(push, read.end):
                continue
            rule = self._rule(read, push)
            if rule is not None and rule != MARKED:
                yield Violation(rule, (push, read), push.tag)
                return
            marked = marked or (push if rule else None)
        if marked is not None:
            yield Violation(MARKED, (marked, read), marked.tag)

    def _no_blob(self, read: Op) -> Iterable[Violation]:
        """
        Whoever has a manifest has heard of its blobs, and if there is no copy at hand the answer
        is 503. Nothing takes a blob away: a deletion of its manifest does not. Who sees no majority
        has heard of less than it should.
        """
        pushes = self._writes.pushes(read.repo, read.digest)
        broken = list(self._missing(read, pushes, lambda push, until: False))
        excused = read.unconfirmed or any(parts(fault, read) for fault in self._disturbances)
        if not broken and not excused:
            broken = [Violation(UNLINKED, (*pushes[-1:], read), f"{read.seen_at} has it")]
        yield from broken

    def _rule(self, read: Op, write: Op) -> str | None:
        """What it is called that *read* does not know of *write*; None if that is as it should."""
        if write.region == read.region:
            return MARKED if read.unconfirmed else STALE
        if read.unconfirmed:
            return None
        lacks = self._disturbances.may_lack(read.node, write.node, read.start, read.end)
        return None if lacks else UNASKED

    def _found(self, read: Op, tag: str, values: set[str]) -> Iterable[Violation]:
        pushes = self._writes.pushes_of_tag(read.repo, tag)
        sources = [push for push in pushes if push.digest in values and push.start < read.end]
        if not sources:
            yield Violation(INVENTED, (read,), tag)
            return
        covering = [write for write in self._writes_about(read.repo, tag) if _covers(write, read)]
        newer = self._superseding(sources, covering, read.end)
        if newer is not None and (rule := self._rule(read, newer)) is not None:
            yield Violation(rule, (newer, *sources[-2:], read), tag)

    def _writes_about(self, repo: str, tag: str) -> list[Op]:
        """Writes of a tag, and deletions of what it may point to."""
        digests = {push.digest for push in self._writes.pushes_of_tag(repo, tag)}
        deletes = [delete for digest in digests for delete in self._writes.deletes(repo, digest)]
        return [*self._writes.of_tag(repo, tag), *deletes]

    def _served(self, read: Op) -> Iterable[Violation]:
        """A manifest that was deleted is not served any more in that region."""
        pushes = self._writes.pushes(read.repo, read.digest)
        if not any(push.start < read.end for push in pushes):
            yield Violation(INVENTED, (read,))
            return
        for delete in self._writes.deletes(read.repo, read.digest):
            if _covers(delete, read) and self._writes.ends(delete, read.end):
                rule = self._rule(read, delete)
                assert rule is not None, "it is of the same region"
                yield Violation(rule, (*pushes[-2:], delete, read))
                return

    def _superseding(self, sources: list[Op], later: list[Op], until: float) -> Op | None:
        """A write of *later* that no source can be newer than; None if one of them may be."""
        newest: list[Op] = []
        for source in sources:
            superseding = [w for w in later if self._writes.supersedes(w, source, until)]
            if not superseding:
                return None
            newest += superseding
        return max(newest, key=lambda write: write.start)

    # --- in the end ------------------------------------------------------------------------------

    def final_tags(self, tags: dict[Name, str]) -> Iterable[Violation]:
        """*tags* is what every node says in the end: no acknowledged write was undone."""
        for repo, tag in sorted(tags.keys() - self._writes.tags()):
            yield Violation(LISTED, (), f"{repo}:{tag}")
        for repo, tag in sorted(self._writes.tags()):
            value = tags.get((repo, tag))
            if value is None:
                yield from self._lost_tag(repo, tag)
            else:
                yield from self._undone(repo, tag, value)

    def _undone(self, repo: str, tag: str, value: str) -> Iterable[Violation]:
        sources = [w for w in self._writes.pushes_of_tag(repo, tag) if w.digest == value]
        if not sources:
            yield Violation(INVENTED, (), f"{repo}:{tag} is {value}")
            return
        acknowledged = [w for w in self._writes_about(repo, tag) if w.outcome == "ok"]
        newer = self._superseding(sources, acknowledged, math.inf)
        if newer is not None:
            rule = BACK if newer.value is None else UNDONE
            yield Violation(rule, (newer, *sources[-2:]), f"{repo}:{tag} is {value}")

    def _lost_tag(self, repo: str, tag: str) -> Iterable[Violation]:
        for push in self._writes.pushes_of_tag(repo, tag):
            if push.outcome == "ok" and not self._writes.may_be_gone(push):
                yield Violation(UNDONE, (push,), f"{repo}:{tag} is gone")
                return

    def final_manifests(self, present: set[Name]) -> Iterable[Violation]:
        """*present* are the manifests that every node has in the end."""
        for repo, digest in sorted(self._writes.manifests() - present):
            for push in self._writes.pushes(repo, digest):
                if push.outcome == "ok" and not self._writes.may_be_deleted(push):
                    yield Violation(LOST, (push,))
                    break
        for repo, digest in sorted(present):
            for delete in self._writes.deletes(repo, digest):
                if delete.outcome == "ok" and self._writes.ends(delete):
                    yield Violation(BACK, (*self._writes.pushes(repo, digest)[-2:], delete))
                    break


def _covers(write: Op, read: Op) -> bool:
    """Whether *read* has to know of *write*: its region acknowledged it before."""
    return write.outcome == "ok" and write.region == read.region and write.end <= read.start
