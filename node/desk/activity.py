"""What happened: pushes, deletions, rollbacks, conflicts and decisions about the layout."""

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from enum import StrEnum
from typing import Final, NamedTuple, Protocol, Self

import msgspec

from cluster import COUNTER_BITS
from cluster.layout import Entry
from cluster.model import Dot
from node.desk.moments import moment
from node.desk.recent import Kept, Place, Ring
from node.errors import PaginationInvalid
from node.registry.access import Access
from node.registry.happenings import Happened, Happening

PAGE_MAX: Final = 100
"""Entries in a page of the activity."""

LOOKED_AT_MAX: Final = 2_000
"""Entries that are looked at for a page of those that are asked for, and may be seen: a few
milliseconds. A page may be shorter, or empty, and lead on."""

_SLOTS_MAX: Final = 256
"""Decisions whose time is kept."""

LAYOUT_NODE: Final = "~"
"""In the place of a node in the names of decisions: no node is called so, and it sorts last."""


class ActivityKind(StrEnum):
    """What happened."""

    PUSH = "push"
    ROLLBACK = "rollback"
    DELETE = "delete"
    REMOVE = "remove"
    CONFLICT = "conflict"
    LAYOUT = "layout"


class ActivityEntry(msgspec.Struct, frozen=True):
    """Something that happened."""

    time: str
    """When it was written, by the clock of its node; a decision about the layout, when this node
    heard of it. UTC, to the millisecond."""

    kind: ActivityKind
    """`push`: a tag was pointed at a manifest. `rollback`: at one that it had before, with another
    in between, by a rollback or by a push of the same image. `delete`: a tag was deleted. `remove`:
    a manifest was, with its tags. `conflict`: a tag got a second head. `layout`: a decision."""

    repository: str | None
    """Where; null of a decision about the layout."""

    tag: str | None
    """Which tag; null where it was none."""

    digest: str | None
    """To what the tag points by it, or what was deleted; null where a tag was deleted."""

    event: str | None
    """The event that did it; null of a decision about the layout."""

    returns_to: str | None
    """Of a `rollback`, the event by which the tag had that digest before."""

    layout: int | None
    """Of a decision, the version that is the newest by it."""

    node: str
    """The node that was asked for it."""

    who: str | None
    """Who asked for it. Null where that was not noted, or the caller may not see the history of the
    repository."""


class ActivityPage(NamedTuple):
    """A page, and how far back all there is reaches."""

    entries: Sequence[ActivityEntry]
    """The newest first."""

    after: str | None
    """Where the next page begins; None at the end."""

    complete_since: str | None
    """Nothing later is missing; None: nothing at all is."""


class ActivityAsked(NamedTuple):
    """Which entries somebody wants."""

    kinds: Collection[ActivityKind] = ()
    """Empty: all."""

    who: str = ""
    """Empty: whoever asked for it."""

    repository: str = ""
    """Empty: wherever."""


class Cursor(NamedTuple):
    """Where a page begins: behind this entry."""

    place: Place

    @classmethod
    def parse(cls, text: str) -> Self:
        """
        Inverse of `str`.

        Raises:
            PaginationInvalid: it is none that a page has given.
        """
        stamp, _, rest = text.partition("-")
        kind, _, name = rest.partition("-")
        if (
            kind not in (*Happened, ActivityKind.LAYOUT)
            or not (stamp.isascii() and stamp.isdecimal())
            or len(stamp) > 19
        ):
            raise PaginationInvalid("after is none that a page has given")
        try:
            dot = Dot.parse(name.replace(LAYOUT_NODE, "0", 1))
        except ValueError as exc:
            raise PaginationInvalid("after is none that a page has given") from exc
        if name.startswith(LAYOUT_NODE):
            dot = dot._replace(node=LAYOUT_NODE)
        return cls((int(stamp), dot, kind))

    def __str__(self) -> str:
        stamp, dot, kind = self.place
        return f"{stamp}-{kind}-{dot}"


class ActivityIndex(Protocol):
    """What is asked of the index."""

    def has_written(self, repository: str, tag: str, stamp: int, event: Dot) -> bool:
        """Whether the history of the tag has that write."""
        ...


class _Item(NamedTuple):
    """An entry, and where it stands."""

    place: Place
    kind: ActivityKind
    kept: Kept | None
    decided: Entry | None


class Activity:
    """
    The feed. It is filled by what the index writes, on any thread, and asked on the event loop.

    Decisions about the layout have no time of their own: they have the one at which this node wrote
    them down, as far as it has since it started.
    """

    def __init__(
        self,
        index: ActivityIndex,
        decisions: Callable[[], Sequence[Entry]],
        now_ms: Callable[[], int],
    ) -> None:
        self._index = index
        self._decisions = decisions
        self._now_ms = now_ms
        self.ring = Ring()
        self._lock = threading.Lock()
        self._decided_at: dict[int, int] = {}

    def note_decided(self, slot: int) -> None:
        """A slot of the control log is written; on any thread."""
        with self._lock:
            self._decided_at.setdefault(slot, self._now_ms() << COUNTER_BITS)
            while len(self._decided_at) > _SLOTS_MAX:
                del self._decided_at[min(self._decided_at)]

    def page(
        self,
        access: Access,
        asked: ActivityAsked,
        after: Cursor | None = None,
        limit: int = PAGE_MAX,
    ) -> ActivityPage:
        """What happened before *after*, newest first, as far as the caller may see it."""
        found: list[ActivityEntry] = []
        sight = _Seen(access)
        last: _Item | None = None
        place = None if after is None else after.place
        items = self._items(place, layout=sight.layout)
        more = False
        for looked_at, item in enumerate(items):
            if looked_at == LOOKED_AT_MAX or len(found) == min(limit, PAGE_MAX):
                more = True
                break
            last = item
            entry = self._entry(item, sight, asked)
            if entry is not None:
                found.append(entry)
        reach = self.ring.complete_after
        return ActivityPage(
            found,
            str(Cursor(last.place)) if more and last is not None else None,
            moment(reach) if reach else None,
        )

    def _items(self, place: Place | None, *, layout: bool) -> Iterator[_Item]:
        """The ring and the decisions, together, newest first; one more than is looked at."""
        kept = self.ring.before(place, LOOKED_AT_MAX + 1)
        items = [_Item(each.happening[:3], _kind_of(each), each, None) for each in kept]
        if layout:
            items += self._decided(place)
            items.sort(key=lambda item: item.place, reverse=True)
        return iter(items)

    def _decided(self, place: Place | None) -> Iterator[_Item]:
        with self._lock:
            times = dict(self._decided_at)
        for entry in self._decisions():
            stamp = times.get(entry.slot)
            if stamp is None:
                continue
            at = (stamp, Dot(LAYOUT_NODE, 0, entry.slot), ActivityKind.LAYOUT.value)
            if place is None or at < place:
                yield _Item(at, ActivityKind.LAYOUT, None, entry)

    def _entry(self, item: _Item, sight: "_Seen", asked: ActivityAsked) -> ActivityEntry | None:
        """None: it is not asked for, or the caller may not see it."""
        if asked.kinds and item.kind not in asked.kinds:
            return None
        if item.decided is not None:
            return _of_decision(item, item.decided, asked)
        assert item.kept is not None, "it is one or the other"
        happening, returns_to = item.kept
        if asked.repository and happening.repository != asked.repository:
            return None
        if asked.who and happening.who != asked.who:
            return None
        if not sight.may_list(happening.repository):
            return None
        may_see_who = sight.may_see_who(happening.repository)
        if asked.who and not may_see_who:
            return None
        if happening.tag and not self._stands(happening):
            return None
        return ActivityEntry(
            time=moment(happening.stamp),
            kind=item.kind,
            repository=happening.repository,
            tag=happening.tag or None,
            digest=happening.digest or None,
            event=str(happening.dot),
            returns_to=None if returns_to is None else str(returns_to),
            layout=None,
            node=happening.dot.node,
            who=(happening.who or None) if may_see_who else None,
        )

    def _stands(self, happening: Happening) -> bool:
        """Whether the index has it: a write may be gone again, its disk having failed; and the
        history of a tag that is moved all the time is short."""
        repository, tag = happening.repository, happening.tag
        return self._index.has_written(repository, tag, happening.stamp, happening.dot)


class _Seen:
    """What the caller may see, each repository asked about once."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._listed: dict[str, bool] = {}
        self._kept: dict[str, bool] = {}
        self.layout = access.may_see_layout()

    def may_list(self, repository: str) -> bool:
        if repository not in self._listed:
            self._listed[repository] = self._access.may_list(repository)
        return self._listed[repository]

    def may_see_who(self, repository: str) -> bool:
        if repository not in self._kept:
            self._kept[repository] = self._access.may_see_who(repository)
        return self._kept[repository]


def _kind_of(kept: Kept) -> ActivityKind:
    if kept.returns_to is not None:
        return ActivityKind.ROLLBACK
    return ActivityKind(kept.happening.kind.value)


def _of_decision(item: _Item, decided: Entry, asked: ActivityAsked) -> ActivityEntry | None:
    if asked.repository or (asked.who and asked.who != decided.who):
        return None
    return ActivityEntry(
        time=moment(item.place[0]),
        kind=ActivityKind.LAYOUT,
        repository=None,
        tag=None,
        digest=None,
        event=None,
        returns_to=None,
        layout=decided.live.newest.version,
        node=decided.author,
        who=decided.who or None,
    )
