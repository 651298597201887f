"""
The conflict rules, as pure functions on frozen states.

Two kinds of object. *Presence* is an observed-remove set with one possible element: each push
adds a dot, a delete removes the dots it saw, and a push that the deleter had not seen survives
(Shapiro et al., "A comprehensive study of Convergent and Commutative Replicated Data Types",
2011, OR-Set) unless it is older than the delete by more than clocks may differ. *Register* keeps
every write that no other write names as replaced; heads of different values are a conflict, and
the head with the largest (stamp, dot) is served. Deleting a register is a write that competes by
its stamp: what is older is gone, seen or not, and what is younger stays.

So a push that failed and surfaces after a delete that was acknowledged stays deleted. The caller
keeps the latest `Deletion` of each object for as long as such a push may come (`node.index`), and
tells of it; an object's state is a function of the events, in whatever order they come.

A dot that is replaced or removed *before* its own event arrived is remembered, as *awaited*, until
that event comes (the ORSWOT optimisation, Bieniusa et al., 2012). The caller tells, through *seen*,
which events this node has already applied (its version vector does). Each event must be applied
exactly once, which the gap-free log gives.
"""

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, TypeVar

import msgspec

from cluster.clock import COUNTER_BITS
from cluster.model import Dot

UNSEEN_MS: Final = 2_000
"""By how much a push is older than a delete that has not seen it and deletes it nevertheless. Twice
the bound on clocks is one second: what was pushed after the delete, or at the same time, is never
that much older."""

_UNSEEN: Final = UNSEEN_MS << COUNTER_BITS

Seen = Callable[[Dot], bool]
"""Whether the event with this dot has been applied here already."""


class Deletion(msgspec.Struct, frozen=True, array_like=True):
    """The latest delete of an object, as far as it is known."""

    stamp: int
    dot: Dot
    others: tuple[Dot, ...] = ()
    """The last one of each other log, for who has to know when all of them are stable."""

    @property
    def dots(self) -> tuple[Dot, ...]:
        return (self.dot, *self.others)

    def along_with(self, other: "Deletion | None") -> "Deletion":
        """The later one of two, with the dots of both."""
        later, dots = self.or_later(other), (*self.dots, *(other.dots if other else ()))
        last = {dot.origin: dot for dot in sorted(dots)}
        last.pop(later.dot.origin)
        return Deletion(later.stamp, later.dot, tuple(last.values()))

    def hides(self, version: "Version") -> bool:
        """Whether a write of a register is no head any more, whoever has seen it."""
        return (version.stamp, version.dot) < (self.stamp, self.dot)

    def removes(self, push: "Live") -> bool:
        """Whether a push is gone though the delete does not name it."""
        return push.stamp < self.stamp - _UNSEEN

    def or_later(self, other: "Deletion | None") -> "Deletion":
        """The later one of two."""
        if other is None or (other.stamp, other.dot) <= (self.stamp, self.dot):
            return self
        return other


class Live(msgspec.Struct, frozen=True, array_like=True):
    """One push that nobody has removed. *note* is the registry's; equal bytes may differ in it."""

    dot: Dot
    stamp: int
    note: str


class Presence(msgspec.Struct, frozen=True, array_like=True):
    """Whether an object is there: it is while *live* is not empty."""

    live: tuple[Live, ...] = ()
    awaited: tuple[Dot, ...] = ()

    @property
    def present(self) -> bool:
        return bool(self.live)

    @property
    def latest(self) -> Live | None:
        """The push whose note counts."""
        return max(self.live, key=lambda live: (live.stamp, live.dot), default=None)

    @property
    def dots(self) -> tuple[Dot, ...]:
        return tuple(live.dot for live in self.live)


class Version(msgspec.Struct, frozen=True, array_like=True):
    """One write of a register; *value* None is a deletion, which is never among the heads."""

    dot: Dot
    stamp: int
    value: str | None
    who: str = ""
    """Who asked for it; empty where that was not noted."""


class Register(msgspec.Struct, frozen=True, array_like=True):
    """A register's heads: the writes that no known write replaces, and no deletion hides."""

    heads: tuple[Version, ...] = ()
    awaited: tuple[Dot, ...] = ()

    @property
    def winner(self) -> Version | None:
        """The head that is served; the same on every node that knows the same writes."""
        if len(self.heads) == 1:  # Nearly all; every look at a tag asks.
            return self.heads[0]
        return max(self.heads, key=lambda head: (head.stamp, head.dot), default=None)

    @property
    def dots(self) -> tuple[Dot, ...]:
        return tuple(head.dot for head in self.heads)

    @property
    def conflict(self) -> bool:
        """Whether concurrent writes disagree. Two pushes of one digest do not."""
        return len({head.value for head in self.heads}) > 1


_Item = TypeVar("_Item", bound=Live | Version)


class Written(NamedTuple):
    """One write as a register's history keeps it."""

    version: Version
    replaces: tuple[Dot, ...] = ()


def add(
    state: Presence, push: Live, replaces: Iterable[Dot], seen: Seen, deleted: Deletion | None
) -> Presence:
    """Apply a push that stands for the pushes in *replaces* too; *deleted* is the last delete."""
    live, awaited = _without_named(state.live, state.awaited, replaces, seen)
    if push.dot in awaited:
        return Presence(live, _without(awaited, push.dot))
    if deleted is not None and deleted.removes(push):
        return Presence(live, awaited)
    return Presence(tuple(sorted((*live, push), key=_dot)), awaited)


def remove(state: Presence, dots: Iterable[Dot], seen: Seen, deleted: Deletion | None) -> Presence:
    """Apply a delete of the pushes that the deleter saw, and of what *deleted* takes along."""
    live, awaited = _without_named(state.live, state.awaited, dots, seen)
    if deleted is not None:
        live = tuple(push for push in live if not deleted.removes(push))
    return Presence(live, awaited)


def write(
    state: Register,
    version: Version,
    replaces: Iterable[Dot],
    seen: Seen,
    deletions: Iterable[Deletion],
) -> Register:
    """
    Apply a write that takes the place of the writes in *replaces*.

    *deletions* are what may hide it: the register's own, and that of what it points to.
    """
    heads, awaited = _without_named(state.heads, state.awaited, replaces, seen)
    if version.dot in awaited:
        return Register(heads, _without(awaited, version.dot))
    if version.value is None or any(deletion.hides(version) for deletion in deletions):
        return Register(heads, awaited)
    return Register(tuple(sorted((*heads, version), key=_dot)), awaited)


def hide(state: Register, deletion: Deletion, value: str | None = None) -> Register:
    """Apply a deletion to the heads that are here; with *value* to those that point to it alone."""
    heads = tuple(
        head
        for head in state.heads
        if (value is not None and head.value != value) or not deletion.hides(head)
    )
    return Register(heads, state.awaited)


def _without_named(
    items: tuple[_Item, ...], awaited: tuple[Dot, ...], named: Iterable[Dot], seen: Seen
) -> tuple[tuple[_Item, ...], tuple[Dot, ...]]:
    """What is left of *items*, and the dots to await: of those named, what did not come yet."""
    gone = set(named)
    early = {dot for dot in gone if not seen(dot)} - {item.dot for item in items}
    left = tuple(item for item in items if item.dot not in gone)
    return left, tuple(sorted({*awaited, *early}))


def _dot(item: Live | Version) -> Dot:
    return item.dot


def _without(dots: tuple[Dot, ...], gone: Dot) -> tuple[Dot, ...]:
    return tuple(dot for dot in dots if dot != gone)
