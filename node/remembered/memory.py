"""
The answers that are kept, by what was asked, within bounds.

A *slot* has the latest answer to one question. It may be found under many keys, as the header
blocks of many connections ask the same; and slots whose answers are the same bytes share them.
"""

from array import array
from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, Generic, Protocol, TypeVar

ASKED_BEFORE: Final = 1 << 16
"""Places for what was asked before, 8 bytes each. With fewer, what is asked seldom is taken for new
each time."""

KEY_BYTES: Final = 400
"""What a key takes beside its own bytes: objects around it, a place in a table."""


class Weighty(Protocol):
    """An answer."""

    slots: int
    """How many have it; `Memory` counts them."""

    @property
    def weight(self) -> int:
        """Bytes that it takes."""
        ...


A = TypeVar("A", bound=Weighty)


class AskedBefore:
    """What was asked lately, as far as there is room to remember. Takes the same room always."""

    def __init__(self, places: int = ASKED_BEFORE) -> None:
        self._places = array("q", [-1]) * places  # which no hash is

    def again(self, asked: Hashable) -> bool:
        """Whether *asked* is asked not for the first time; it is not from now on."""
        number = hash(asked)
        at = number % len(self._places)
        known = self._places[at] == number
        self._places[at] = number
        return known


class Slot(Generic[A]):
    """Room for the answer to one question."""

    __slots__ = ("answer", "keys")

    def __init__(self) -> None:
        self.answer: A | None = None
        self.keys = 0


class Memory(Generic[A]):
    """
    Slots by keys, in at most *bytes_max*: beyond that the keys go that were not used for the
    longest, slots with their last key, and answers with their last slot.
    """

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._slots: OrderedDict[Hashable, tuple[Slot[A], int]] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        """How many keys there are."""
        return len(self._slots)

    def get(self, key: Hashable) -> Slot[A] | None:
        found = self._slots.get(key)
        if found is None:
            return None
        self._slots.move_to_end(key)
        return found[0]

    def add(self, key: Hashable, key_bytes: int, slot: Slot[A]) -> None:
        """Have *slot* found under *key* as well, which is *key_bytes* long and not there yet."""
        assert key not in self._slots, "a key has one slot"
        weight = key_bytes + KEY_BYTES
        self._slots[key] = (slot, weight)
        slot.keys += 1
        self.bytes += weight
        self._shrink()

    def fill(self, slot: Slot[A], answer: A) -> None:
        """Put *answer* in the place of what the slot has, if it is still found under a key."""
        if not slot.keys:
            return
        answer.slots += 1
        self.bytes += answer.weight * (answer.slots == 1)
        self._empty(slot)
        slot.answer = answer
        self._shrink()

    def _shrink(self) -> None:
        while self.bytes > self._bytes_max:
            _, (slot, weight) = self._slots.popitem(last=False)
            self.bytes -= weight
            slot.keys -= 1
            if not slot.keys:
                self._empty(slot)

    def _empty(self, slot: Slot[A]) -> None:
        answer, slot.answer = slot.answer, None
        if answer is not None:
            answer.slots -= 1
            self.bytes -= answer.weight * (answer.slots == 0)
