"""
The writes of a history, and which of them came before which. Pure.

The nodes are a black box here, so order is told by the clients' clock alone: one write came
before another when it was over before the other began. Where that does not decide (writes that
overlap, regions that had not heard of each other), either outcome is right. `tests/sim` has the
same promises for the simulator, which sees every event and can say more.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from tests.netfaults.disturbances import Disturbances
from tests.netfaults.history import PUSHES, Op

CLOCK_S: Final = 1.0
"""Two regions order their writes by stamps, which are at most 500 ms ahead and 400 ms behind."""

UNSEEN_S: Final = 2.0
"""By how much a push of a manifest is older, by its stamp, than a deletion which removes it without
having seen it (decision 22). A tag has no such margin."""

Name = tuple[str, str]
"""Repository, and tag or digest."""


class Writes:
    """All writes that may have had an effect."""

    def __init__(self, history: Iterable[Op], disturbances: Disturbances) -> None:
        self._disturbances = disturbances
        self._of_tag: dict[Name, list[Op]] = defaultdict(list)
        self._pushes: dict[Name, list[Op]] = defaultdict(list)
        self._deletes: dict[Name, list[Op]] = defaultdict(list)
        for op in history:
            if not op.may_have_effect:
                continue
            if op.tag:
                self._of_tag[op.repo, op.tag].append(op)
            if op.kind in PUSHES:
                self._pushes[op.repo, op.digest].append(op)
            elif op.kind == "delete_digest":
                self._deletes[op.repo, op.digest].append(op)

    def tags(self) -> set[Name]:
        """Every tag that somebody wrote."""
        return set(self._of_tag)

    def manifests(self) -> set[Name]:
        """Every manifest that somebody pushed."""
        return set(self._pushes)

    def of_tag(self, repo: str, tag: str) -> Sequence[Op]:
        """Pushes and deletions of a tag itself."""
        return self._of_tag.get((repo, tag), ())

    def pushes_of_tag(self, repo: str, tag: str) -> list[Op]:
        return [write for write in self.of_tag(repo, tag) if write.kind in PUSHES]

    def pushes(self, repo: str, digest: str) -> Sequence[Op]:
        """Pushes of a manifest, under whatever tag."""
        return self._pushes.get((repo, digest), ())

    def deletes(self, repo: str, digest: str) -> Sequence[Op]:
        """Deletions of a manifest, which take it off every tag."""
        return self._deletes.get((repo, digest), ())

    def knew(self, later: Op, earlier: Op) -> bool:
        """
        Whether the node of *later* surely had *earlier*: then it replaced or removed that.

        Every write makes sure that its node is current: it has what its region acknowledged.
        """
        return (
            earlier.outcome == "ok"
            and earlier.region == later.region
            and earlier.end <= later.start
            and not self._disturbances.may_lack(later.node, earlier.node, later.start, later.end)
        )

    def is_younger(self, write: Op, other: Op, by_s: float = 0.0) -> bool:
        """Whether the stamp of *write* surely is the larger one, by more than *by_s*."""
        return write.start - other.settled >= CLOCK_S + by_s

    def may_be_younger(self, write: Op, other: Op, by_s: float = 0.0) -> bool:
        """Whether the stamp of *write* may be the larger one, by more than *by_s*."""
        return write.settled - other.start > by_s - CLOCK_S

    def may_have_seen(self, later: Op, earlier: Op) -> bool:
        """Whether *later* may have replaced or removed *earlier*: it was not over before, or cut
        off all the while."""
        start, end = min(later.start, earlier.start), max(later.end, earlier.end)
        return (
            later is not earlier
            and later.settled > earlier.start
            and not self._disturbances.is_divided(later.node, earlier.node, start, end)
        )

    def must_be_found(self, read: Op) -> bool:
        """Whether *read* asks for what its region acknowledged before, and nothing can have taken
        away: then a majority of the region has it. A listing asks for what its node has."""
        match read.kind:
            case "list":
                return True
            case "pull":
                pushes: Iterable[Op] = self.pushes_of_tag(read.repo, read.tag)
                may_be_away = self.may_be_gone
            case "pull_digest":
                pushes = self.pushes(read.repo, read.digest)
                may_be_away = self.may_be_deleted
            case _:
                return False
        return any(
            push.outcome == "ok"
            and push.region == read.region
            and push.end <= read.start
            and not may_be_away(push, read.end)
            for push in pushes
        )

    # --- manifests -------------------------------------------------------------------------------

    def may_be_deleted(self, push: Op, until: float = math.inf) -> bool:
        """Whether a deletion of the manifest may have removed *push* before *until*."""
        return any(
            delete.start < until
            and (self.may_have_seen(delete, push) or self.may_be_younger(delete, push, UNSEEN_S))
            for delete in self.deletes(push.repo, push.digest)
        )

    def ends(self, delete: Op, until: float = math.inf) -> bool:
        """Whether after *delete* its manifest surely is not there: it knew every push of it that
        was begun before *until*, or is that much younger."""
        return all(
            self.knew(delete, push) or self.is_younger(delete, push, UNSEEN_S)
            for push in self.pushes(delete.repo, delete.digest)
            if push.start < until
        )

    # --- tags ------------------------------------------------------------------------------------

    def may_be_gone(self, push: Op, until: float = math.inf) -> bool:
        """Whether its tag may be without a value before *until* though there was *push*."""
        return next(self._may_end(push, until), None) is not None

    def _may_end(self, push: Op, until: float) -> Iterator[Op]:
        """
        Deletions that may have left its tag without *push* and all that came after it: they took
        that off, or what may have replaced it, or what replaced this. A deletion takes off what it
        saw, and what is older by its stamp, seen or not.
        """
        ahead, met = [push], {push}
        while ahead:
            each = ahead.pop()
            later = [
                write
                for write in (*self.of_tag(push.repo, push.tag), *self._deletes_of(each))
                if write.start < until and self._may_take_off(write, each)
            ]
            yield from (write for write in later if write.kind not in PUSHES)
            ahead += [write for write in later if write.kind in PUSHES and write not in met]
            met.update(later)

    def _may_take_off(self, write: Op, push: Op) -> bool:
        deletes = write.kind not in PUSHES
        return self.may_have_seen(write, push) or (deletes and self.may_be_younger(write, push))

    def _deletes_of(self, push: Op) -> Sequence[Op]:
        return self.deletes(push.repo, push.digest)

    def supersedes(self, write: Op, source: Op, until: float = math.inf) -> bool:
        """Whether what *source*, a push, left under its tag can surely not be seen after *write*,
        and before *until*."""
        if write is source or source.settled > write.start:
            return False
        if write.kind == "delete_digest":
            # It is off the tag, or there is none: no tag shows a manifest that is not there.
            return write.digest == source.digest and (
                self.knew(write, source)
                or self.is_younger(write, source)
                or self.ends(write, until)
            )
        if self.knew(write, source):
            return True
        if not self.is_younger(write, source):
            return False
        # A deletion hides what is older. So does the newer of two pushes that did not know each
        # other, while it is there: a deletion of its tag hides the older one, too, and that of its
        # manifest leaves other values.
        return write.kind == "delete" or all(
            delete.kind == "delete" for delete in self._may_end(write, until)
        )
