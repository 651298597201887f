"""
May a member go? Judged from who says to hold which blob. Pure.

Rows come one by one, so that a caller can give way to others in between. The answer holds for one
version of the layout, and only for a member that drains: what is pushed while it is being given
must not count on that member's copies. Who acknowledges by a version from before it drained does
count on them; so a majority of each region has to have said that it goes by a later one.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from cluster.errors import CopiesAtStake, MemberMissing, NotDrained
from cluster.layout.document import Layout
from cluster.layout.rows import Row
from cluster.model import Digest, NodeId, Region

EXAMPLES_MAX: Final = 10
"""Blobs that a verdict names."""


class Verdict(NamedTuple):
    """What becomes of the copies when a member goes; sizes are bytes."""

    node: NodeId
    version: int
    """The layout that it was given by."""

    last: int
    """Blobs of which nobody else has a copy that counts."""

    last_bytes: int
    short: int
    """Blobs that others have, but fewer of them than the layout asks for."""

    short_bytes: int
    examples: tuple[Digest, ...]
    """Some of the blobs of both kinds."""

    draining: bool
    unheard: tuple[Region, ...]
    """Regions that may acknowledge by a version in which the member did not drain."""

    @property
    def safe(self) -> bool:
        return self.draining and not (self.last or self.short or self.unheard)

    def insist(self) -> None:
        """
        Return if the member may go.

        Raises:
            NotDrained: its copies count, or may count for somebody.
            CopiesAtStake: blobs have too few elsewhere.
        """
        if self.last or self.short:
            raise CopiesAtStake(self.node, self.last, self.last_bytes, self.short)
        if not self.draining:
            raise NotDrained(self.node, "it does not drain, and gets new copies: drain it first")
        if self.unheard:
            named = ", ".join(self.unheard)
            why = f"too few of region {named} have said that they know; wait until they have"
            raise NotDrained(self.node, why)


class Removal:
    """
    Counts what is at stake when *node* goes.

    Copies count on stores that keep copies and are among *answering* (None: all are): a disk that
    does not answer may be gone for good.

    Raises:
        MemberMissing: *node* is not in the layout.
    """

    def __init__(
        self, layout: Layout, node: NodeId, answering: Collection[NodeId] | None = None
    ) -> None:
        member = layout.member(node)
        if member is None:
            raise MemberMissing(node)
        self._layout = layout
        self._member = member
        self._counted = {
            m.node: m.region
            for m in layout.stores()
            if m.keeps_copies and m.node != node and (answering is None or m.node in answering)
        }
        keeping = [m for m in layout.stores() if m.keeps_copies and m.node != node]
        self._copies = min(layout.settings.copies, len(keeping))
        self._regions = min(layout.settings.regions_min, len({m.region for m in keeping}))
        self._last, self._last_bytes = 0, 0
        self._short, self._short_bytes = 0, 0
        self._examples: list[Digest] = []

    def add(self, row: Row) -> None:
        """Count one blob."""
        if self._member.node not in row.holders:
            return
        elsewhere = [self._counted[n] for n in row.holders if n in self._counted]
        if len(elsewhere) >= self._copies and len(set(elsewhere)) >= self._regions and elsewhere:
            return
        if elsewhere:
            self._short += 1
            self._short_bytes += row.size
        else:
            self._last += 1
            self._last_bytes += row.size
        if len(self._examples) < EXAMPLES_MAX:
            self._examples.append(row.digest)

    def verdict(self, heard: Mapping[NodeId, int]) -> Verdict:
        """*heard* is the newest version that each member has said it goes by."""
        return Verdict(
            self._member.node,
            self._layout.version,
            self._last,
            self._last_bytes,
            self._short,
            self._short_bytes,
            tuple(self._examples),
            not self._member.keeps_copies,
            tuple(_unheard(self._layout, self._member.since, heard)),
        )


def _unheard(layout: Layout, version: int, heard: Mapping[NodeId, int]) -> Iterator[Region]:
    for region in layout.regions:
        quorum = layout.quorum_set(region)
        if 2 * sum(heard.get(disk.node, 0) >= version for disk in quorum) <= len(quorum):
            yield region


def safe_to_remove(
    layout: Layout,
    node: NodeId,
    rows: Iterable[Row],
    heard: Mapping[NodeId, int],
    answering: Collection[NodeId] | None = None,
) -> Verdict:
    """
    Judge all *rows* at once.

    Raises:
        MemberMissing: *node* is not in the layout.
    """
    removal = Removal(layout, node, answering)
    for row in rows:
        removal.add(row)
    return removal.verdict(heard)
