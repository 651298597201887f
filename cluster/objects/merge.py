"""
The conflict rules, as pure functions on frozen states.

Two kinds of object. *Presence* is an observed-remove set with one possible element: each push
adds a dot, a delete removes the dots it saw, so a push that the deleter had not seen survives
(Shapiro et al., "A comprehensive study of Convergent and Commutative Replicated Data Types",
2011, OR-Set). *Register* keeps every write that no other write names as replaced; heads of
different values are a conflict, and the head with the largest (stamp, dot) is served. Deleting a
register replaces the heads that the deleter saw and leaves none: a write that it had not seen
survives here too.

Neither keeps tombstones. The caller tells, through *seen*, which events this node has already
applied (its version vector does); only a dot that is replaced or removed *before* its own event
arrived is remembered, as *awaited*, until that event comes (the ORSWOT optimisation, Bieniusa et
al., 2012). Each event must be applied exactly once, which the gap-free log gives.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from cluster.model import Dot

Seen = Callable[[Dot], bool]
"""Whether the event with this dot has been applied here already."""


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
    """One write of a register; *value* None is a deletion, and never a head."""

    dot: Dot
    stamp: int
    value: str | None


class Register(msgspec.Struct, frozen=True, array_like=True):
    """A register's heads: the writes that no known write replaces."""

    heads: tuple[Version, ...] = ()
    awaited: tuple[Dot, ...] = ()

    @property
    def winner(self) -> Version | None:
        """The head that is served; the same on every node that knows the same writes."""
        return max(self.heads, key=lambda head: (head.stamp, head.dot), default=None)

    @property
    def dots(self) -> tuple[Dot, ...]:
        return tuple(head.dot for head in self.heads)

    @property
    def conflict(self) -> bool:
        """Whether concurrent writes disagree. Two pushes of one digest do not."""
        return len({head.value for head in self.heads}) > 1


class Written(NamedTuple):
    """One write as a register's history keeps it."""

    version: Version
    replaces: tuple[Dot, ...] = ()


def add(state: Presence, push: Live, replaces: Iterable[Dot], seen: Seen) -> Presence:
    """Apply a push that stands for the pushes in *replaces* too."""
    state = remove(state, replaces, seen)
    if push.dot in state.awaited:
        return Presence(state.live, _without(state.awaited, push.dot))
    return Presence(tuple(sorted((*state.live, push), key=_dot)), state.awaited)


def remove(state: Presence, dots: Iterable[Dot], seen: Seen) -> Presence:
    """Apply a delete of the pushes that the deleter saw."""
    gone = set(dots)
    early = {dot for dot in gone if not seen(dot)} - {live.dot for live in state.live}
    return Presence(
        tuple(live for live in state.live if live.dot not in gone),
        tuple(sorted({*state.awaited, *early})),
    )


def write(state: Register, version: Version, replaces: Iterable[Dot], seen: Seen) -> Register:
    """Apply a write that takes the place of the writes in *replaces*, or deletes them."""
    gone = set(replaces)
    early = {dot for dot in gone if not seen(dot)} - {head.dot for head in state.heads}
    heads = tuple(head for head in state.heads if head.dot not in gone)
    awaited = tuple(sorted({*state.awaited, *early}))
    if version.dot in awaited:
        return Register(heads, _without(awaited, version.dot))
    if version.value is None:
        return Register(heads, awaited)
    return Register(tuple(sorted((*heads, version), key=_dot)), awaited)


def _dot(item: Live | Version) -> Dot:
    return item.dot


def _without(dots: tuple[Dot, ...], gone: Dot) -> tuple[Dot, ...]:
    return tuple(dot for dot in dots if dot != gone)
