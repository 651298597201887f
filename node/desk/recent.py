"""What happened last, in memory: so many things, the newest by their own time."""

import threading
from bisect import bisect_left
from collections.abc import Sequence
from typing import Final, NamedTuple

from cluster.model import Dot
from node.registry.happenings import Happened, Happening

KEPT_MAX: Final = 10_000
"""Things that are kept, of some hundred bytes each: a few MiB."""

_LOOKED_BACK_MAX: Final = 64
"""Writes of one tag that are looked at for an earlier one of the same digest."""


Place = tuple[int, Dot, str]
"""Where something stands among the others: how `Happening`s begin."""


class Kept(NamedTuple):
    """Something that happened, and what is known of it besides."""

    happening: Happening
    returns_to: Dot | None = None
    """Of a push: the write before by which the tag had this digest, with another one in between."""


class Ring:
    """
    Any thread may tell it something, and look. What comes late, as from a region that was cut off,
    goes to its place in time.
    """

    def __init__(self, kept_max: int = KEPT_MAX) -> None:
        self._max = kept_max
        self._lock = threading.Lock()
        self._kept: list[Kept] = []
        self._by_tag: dict[tuple[str, str], list[Happening]] = {}
        self._complete_after = 0

    def start(self, found: Sequence[Happening], complete_after: int) -> None:
        """Take what was *found* of the time before: nothing later than that stamp is missing."""
        with self._lock:
            self._complete_after = max(self._complete_after, complete_after)
        for happening in found:
            self.add(happening)

    def add(self, happening: Happening) -> None:
        """Note it; known ones, and those that are older than all of a full ring, change nothing."""
        with self._lock:
            kept = self._kept
            if len(kept) >= self._max and happening <= kept[0].happening:
                self._complete_after = max(self._complete_after, happening.stamp)
                return
            entry = Kept(happening, self._enter(happening))
            late = kept and happening <= kept[-1].happening
            place = bisect_left(kept, (happening,)) if late else len(kept)
            if place < len(kept) and kept[place].happening == happening:
                return
            kept.insert(place, entry)
            if len(kept) > self._max:
                self._drop_oldest()

    def _enter(self, happening: Happening) -> Dot | None:
        """Note a write of a tag among its others; returns the one to which it returns."""
        if happening.kind not in (Happened.PUSH, Happened.UNTAG):
            return None
        written = self._by_tag.setdefault((happening.repository, happening.tag), [])
        place = bisect_left(written, happening)
        if place == len(written) or written[place] != happening:
            written.insert(place, happening)
        if happening.kind is not Happened.PUSH:
            return None
        others = False
        for earlier in reversed(written[max(0, place - _LOOKED_BACK_MAX) : place]):
            if earlier.digest != happening.digest:
                others = True
            else:
                return earlier.dot if others else None
        return None

    def _drop_oldest(self) -> None:
        oldest = self._kept.pop(0).happening
        self._complete_after = max(self._complete_after, oldest.stamp)
        key = (oldest.repository, oldest.tag)
        written = self._by_tag.get(key)
        if written and written[0] == oldest:
            written.pop(0)
            if not written:
                del self._by_tag[key]

    @property
    def complete_after(self) -> int:
        """A stamp: nothing later is missing."""
        return self._complete_after

    def before(self, place: Place | None, most: int) -> list[Kept]:
        """What is next older than *place*, the newest first; None: the newest there is."""
        with self._lock:
            kept = self._kept
            end = len(kept) if place is None else bisect_left(kept, (place,))
            return kept[max(0, end - most) : end][::-1]

    def tags_that_had(self, repository: str, digest: str) -> set[str]:
        """The tags of a repository that were pointed at a digest."""
        with self._lock:
            return {
                tag
                for (where, tag), written in self._by_tag.items()
                if where == repository and any(each.digest == digest for each in written)
            }
