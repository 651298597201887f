"""
What the clients of a registry that keeps its promises can have seen. Pure: a history in, a
verdict out.

The nodes are a black box here, so order is told by the clients' clock alone: one write came
before another when it was over before the other began. Where that does not decide (writes that
overlap, regions that had not heard of each other), either outcome is right. `tests/sim` has the
same promises for the simulator, which sees every event and can say more.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from tests.netfaults.disturbances import Disturbances
from tests.netfaults.history import Op

CLOCK_S: Final = 1.0
"""Two regions order their writes by stamps, which are at most 500 ms ahead and 400 ms behind."""

EXPLAINED: Final = frozenset({0, 502, 503})
"""What an answer may be while something is wrong: none, the proxy's "no node", "try again"."""

CUT_OFF: Final = "stale at a node that was cut off"
"""Not a broken promise: reads are current through every node of the region that is *connected*. A
node that has lost its peers answers with what it has, and the runs count how often."""

START_AGAIN: Final = frozenset({"BLOB_UPLOAD_UNKNOWN", "MANIFEST_BLOB_UNKNOWN"})
"""The codes of a 404 that tell a push whose node died half-way to begin from the start: what an
upload brings is kept on one node until a manifest names it."""


@dataclass(frozen=True)
class Violation:
    """A promise that was broken, and the operations that show it."""

    rule: str
    ops: tuple[Op, ...]
    text: str = ""

    def __str__(self) -> str:
        return "\n  ".join([f"{self.rule}: {self.text}", *map(str, self.ops)])


class Rules:
    """The writes of a history, and what may be read after them."""

    def __init__(self, history: list[Op], disturbances: Disturbances) -> None:
        self._history = history
        self._disturbances = disturbances
        self._of_tag: dict[tuple[str, str], list[Op]] = defaultdict(list)
        for op in history:
            if op.may_have_effect:
                self._of_tag[op.repo, op.tag].append(op)

    # --- reads in a region -----------------------------------------------------------------------

    def reads(self) -> Iterable[Violation]:
        """Every read returns the last write that its region acknowledged before, or a later one."""
        for read in self._history:
            if read.kind == "delete" and read.outcome == "missing":
                yield from self._read(read, read.tag, {None})
            elif read.kind == "pull" and read.outcome in ("ok", "missing"):
                value = read.digest if read.outcome == "ok" else None
                yield from self._read(read, read.tag, {value})
            elif read.kind == "list" and read.outcome in ("ok", "missing"):
                yield from self._listed(read)

    def _listed(self, read: Op) -> Iterable[Violation]:
        for tag in sorted(set(read.listed)):
            if (read.repo, tag) not in self._of_tag:
                yield Violation("listed, and nobody wrote it", (read,), tag)
        for (repo, tag), writes in self._of_tag.items():
            if repo == read.repo:
                listed = {write.digest for write in writes} if tag in read.listed else {None}
                yield from self._read(read, tag, listed)

    def _read(self, read: Op, tag: str, values: set[str | None]) -> Iterable[Violation]:
        writes = self._of_tag[read.repo, tag]
        sources = [w for w in writes if w.value in values and w.start < read.end]
        if not sources and None not in values:
            yield Violation("a value that nobody wrote", (read,), tag)
            return
        before = [w for w in writes if w.start < read.end]
        covering = [w for w in before if self._covers(w, read)]
        newer = self._superseding(sources, covering, before, initial=None in values)
        if newer is None:
            return
        cut = self._disturbances.is_cut(newer.node, read.node, read.start, read.end)
        rule = CUT_OFF if cut else "stale in its region"
        yield Violation(rule, (newer, *sources[-2:], read), tag)

    def _covers(self, write: Op, read: Op) -> bool:
        return write.outcome == "ok" and write.region == read.region and write.end <= read.start

    def _superseding(
        self, sources: list[Op], later: list[Op], writes: list[Op], *, initial: bool
    ) -> Op | None:
        """
        A write of *later* that no source can be newer than; None if one of them may be.

        *writes* are all of the tag. With *initial*, "nothing" is also what was there before them.
        """
        if not sources:
            return later[-1] if later and initial else None
        newest: list[Op] = []
        for source in sources:
            superseding = [w for w in later if self._supersedes(w, source, writes)]
            if not superseding:
                return None
            newest += superseding
        return max(newest, key=lambda write: write.start)

    def _supersedes(self, write: Op, source: Op, writes: list[Op]) -> bool:
        """Whether what *source* left under the tag can surely not be seen after *write*."""
        if write is source or source.settled > write.start:
            return False
        if source.kind == "delete" or self._knew(write, source):
            # A deletion removes what its node had heard of, and nothing that came later.
            return True
        if write.kind == "delete" or write.start - source.settled < CLOCK_S:
            return False
        # The newer of two that did not know each other is served, while nobody removes it.
        return not any(self._may_uncover(other, write, source) for other in writes)

    def _knew(self, write: Op, earlier: Op) -> bool:
        """Whether the node of *write* surely had *earlier*: then it replaced or removed that."""
        return (
            earlier.outcome == "ok"
            and earlier.region == write.region
            and earlier.end <= write.start
            and not self._disturbances.is_cut(earlier.node, write.node, write.start, write.end)
        )

    def _may_uncover(self, delete: Op, newer: Op, older: Op) -> bool:
        """Whether *delete* may have removed *newer* and have left *older*, for want of news."""
        return (
            delete.kind == "delete"
            and delete.settled > newer.start
            and not self._knew(delete, older)
        )

    # --- afterwards ------------------------------------------------------------------------------

    def final_tags(self, tags: dict[tuple[str, str], str]) -> Iterable[Violation]:
        """*tags* is what every node says in the end: no acknowledged write was undone."""
        for repo, tag in tags.keys() - self._of_tag.keys():
            yield Violation("listed, and nobody wrote it", (), f"{repo}:{tag}")
        for (repo, tag), writes in sorted(self._of_tag.items()):
            value = tags.get((repo, tag))
            sources = [w for w in writes if w.value == value]
            acknowledged = [w for w in writes if w.outcome == "ok"]
            newer = self._superseding(sources, acknowledged, writes, initial=value is None)
            if newer is not None:
                rule = "deleted, and back" if newer.kind == "delete" else "acknowledged, and undone"
                yield Violation(rule, (newer, *sources[-2:]), f"{repo}:{tag} is {value}")
            elif value is None:
                yield from self._hidden(writes, sources)

    def _hidden(self, writes: list[Op], deletes: list[Op]) -> Iterable[Violation]:
        """A deletion removes only what its node can have heard of."""
        for push in writes:
            if push.kind == "delete" or push.outcome != "ok":
                continue
            later = [w for w in writes if w is not push and w.settled > push.start]
            if later and all(w in deletes and self._blind(w, push) for w in later):
                yield Violation("hidden by a deletion that had not seen it", (push, *later))

    def _blind(self, delete: Op, push: Op) -> bool:
        start, end = min(delete.start, push.start), max(delete.end, push.end)
        return self._disturbances.is_divided(delete.node, push.node, start, end)

    # --- answers ---------------------------------------------------------------------------------

    def answers(self) -> Iterable[Violation]:
        """Every answer that is not a success has a cause: something was wrong at that time."""
        for op in self._history:
            if op.outcome in ("ok", "missing"):
                continue
            near = list(self._disturbances.explain(op.start, op.end))
            # A node without its peers may not have heard of what another one took.
            again = op.kind == "push" or any(each.cut for each in near)
            usual = op.status in EXPLAINED or (again and op.code in START_AGAIN)
            if not usual or not near:
                yield Violation("an answer without a cause", (op,))
