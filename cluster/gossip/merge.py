"""
The conflict rules, as pure functions on frozen states.

Two kinds of object. *Presence* is an observed-remove set with one possible element: each push
adds a dot, a delete removes the dots it saw, so a push that the deleter had not seen survives
(Shapiro et al., "A comprehensive study of Convergent and Commutative Replicated Data Types",
2011, OR-Set). *Register* keeps every write that no other write names as replaced; heads of
different values are a conflict, and the head with the largest (stamp, dot) is served. Deleting a
register replaces the heads that the deleter saw and leaves none: a write that it had not seen
survives here too.

A write that could not be acknowledged is *withdrawn*: as if it had never been, whatever it hid
stands again, unless somebody else replaced that as well (`standing`). That takes a history. One
that is trimmed leaves behind the heads of what is gone from it (`trimmed`), and what is left and
what is kept together say the same as the whole.

Neither keeps tombstones. The caller tells, through *seen*, which events this node has already
applied (its version vector does); only a dot that is replaced or removed *before* its own event
arrived is remembered, as *awaited*, until that event comes (the ORSWOT optimisation, Bieniusa et
al., 2012). Each event must be applied exactly once, which the gap-free log gives.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
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
    withdraws: tuple[Dot, ...] = ()
    """Not a write, but the end of these."""

    restores: tuple[Version, ...] = ()
    """What the withdrawn writes had replaced; the history may no longer have them themselves."""


class Left(msgspec.Struct, frozen=True, array_like=True):
    """A version that is gone from a history, and that nothing else which is gone replaced."""

    version: Version
    also: tuple[Dot, ...] = ()
    """
    Withdrawn writes, gone too, that had hidden it: who replaces one of them replaces it. Only those
    that the history still names.
    """

    doubtful: bool = False
    """Whether there was any such write. A later one that nobody here knows may name it."""

    @property
    def dots(self) -> tuple[Dot, ...]:
        return (self.version.dot, *self.also)


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


def standing(history: Sequence[Written], left: Iterable[Left] = ()) -> tuple[Version, ...]:
    """
    The heads of a register, from its history and what trimming has *left* of it.

    A function of what happened, not of the order in which it was heard of. Whoever replaced a
    withdrawn write meant to replace what that one hid, too.
    """
    hidden = _hidden(history)
    covered = set[Dot]()
    for entry in history:
        if entry.version.dot not in hidden:
            covered |= _covered(entry.replaces, hidden)
    known = [item.version for item in left if covered.isdisjoint(item.dots)]
    known += [entry.version for entry in history if entry.version.dot not in covered]
    heads = [item for item in known if item.dot not in hidden and item.value is not None]
    return tuple(sorted(heads, key=_dot))


def trimmed(history: Sequence[Written], left: Iterable[Left], count: int) -> tuple[Left, ...]:
    """
    What is left when the oldest *count* writes of a history go; it is in order.

    Whatever replaces a write is younger, and must have been heard of later (decision 14).
    """
    hidden = _hidden(history)
    after = {item.version.dot: item for item in left}
    for entry in history[:count]:
        version = entry.version
        if entry.withdraws:
            restored = _covered(entry.withdraws, hidden)
            for dot, item in list(after.items()):
                if dot in entry.withdraws:
                    del after[dot]
                elif not restored.isdisjoint(item.dots):
                    after[dot] = Left(item.version, (*item.also, *entry.withdraws), doubtful=True)
        elif version.dot not in hidden:
            covered = _covered(entry.replaces, hidden)
            after = {d: item for d, item in after.items() if covered.isdisjoint(item.dots)}
            if version.value is not None:
                after[version.dot] = Left(version)
    named = {dot for entry in history[count:] for dot in _named(entry)}
    return tuple(
        Left(item.version, tuple(sorted(named.intersection(item.also))), item.doubtful)
        for _, item in sorted(after.items())
    )


def certain(history: Sequence[Written], left: Sequence[Left], entry: Written) -> tuple[Left, ...]:
    """
    What is left for sure once *entry* is known, which is in the history already.

    It may name a write that nothing tells of any more: one that was replaced, or a withdrawn one.
    What that one had hidden is replaced as well, so nothing it may have hidden stays.
    """
    sure = tuple(item for item in left if not item.doubtful)
    if len(sure) == len(left):
        return sure
    known = {written.version.dot for written in history} | _hidden(history).keys()
    known.update(dot for item in left for dot in item.dots)
    return tuple(left) if known.issuperset(entry.replaces) else sure


def _hidden(history: Iterable[Written]) -> dict[Dot, tuple[Dot, ...]]:
    """The withdrawn writes, each with what it had replaced."""
    return {dot: _dots(entry.restores) for entry in history for dot in entry.withdraws}


def _covered(replaced: Iterable[Dot], hidden: Mapping[Dot, Sequence[Dot]]) -> set[Dot]:
    """What a write replaces, and through withdrawn writes what those had replaced."""
    covered = set[Dot]()
    ahead = list(replaced)
    while ahead:
        dot = ahead.pop()
        if dot not in covered:
            covered.add(dot)
            ahead.extend(hidden.get(dot, ()))
    return covered


def _named(entry: Written) -> tuple[Dot, ...]:
    return (*entry.replaces, *_dots(entry.restores))


def _dots(versions: Iterable[Version]) -> tuple[Dot, ...]:
    return tuple(version.dot for version in versions)


def _dot(item: Live | Version) -> Dot:
    return item.dot


def _without(dots: tuple[Dot, ...], gone: Dot) -> tuple[Dot, ...]:
    return tuple(dot for dot in dots if dot != gone)
