"""The rule: when an answer may be given again."""

import math

from node.remembered.validity import Validity
from node.remembered.words import Words


class Leases:
    """A node's leases, as a test sets them."""

    def __init__(self) -> None:
        self.until = math.inf
        self.counted = 0
        self.asked_at: list[float] = []

    def covered_until(self) -> float:
        return self.until

    def count_covered(self) -> None:
        self.counted += 1


class Case:
    def __init__(self) -> None:
        self.words, self.leases, self.now, self.wall = Words(), Leases(), 100.0, 1e9
        self.validity = Validity(self.words, self.leases, lambda: self.now, lambda: self.wall)
        self.basis = self.validity.basis("lib/app", "v1")

    @property
    def holds(self) -> bool:
        return self.validity.holds(self.basis)


def test_it_holds_as_long_as_nothing_happens():
    case = Case()
    assert case.holds


def test_each_that_is_given_counts_as_a_read():
    case = Case()
    assert case.holds
    case.words.change([b"lib/app"])
    assert not case.holds
    assert case.leases.counted == 1


def test_what_changes_ends_it():
    case = Case()
    case.words.change([b"lib/app"])
    assert not case.holds


def test_a_change_between_the_word_and_the_reading_ends_it():
    """Broken: what was read before the change, or in the middle of it, is given after it."""
    case = Case()  # the word was taken; the handler reads only now
    case.words.change([b"lib/app"])
    assert not case.holds


def test_who_may_not_read_from_its_own_index_gives_nothing():
    """A node that lags, starts, restores or fails says 0; one whose leases run out says when."""
    case = Case()
    for until in (0.0, 99.9, 100.0):
        case.leases.until = until
        assert not case.holds
    case.leases.until = 100.1
    assert case.holds
    case.now = 100.1
    assert not case.holds


def test_it_holds_again_with_new_leases():
    """What nobody changed meanwhile is what the index has still."""
    case = Case()
    case.leases.until = 50.0
    assert not case.holds
    case.leases.until = 101.0
    assert case.holds


def test_it_ends_with_the_token_of_who_asks():
    """Broken: what was remembered for a token is given to it for ever."""
    case = Case()
    assert case.validity.holds(case.basis, until=1e9 + 1)
    case.wall += 1
    assert not case.validity.holds(case.basis, until=1e9 + 1)
    assert case.holds, "who has no end"


def test_another_policy_ends_it():
    """Broken: who may not read any more goes on reading what is remembered."""
    case = Case()
    case.words.change_policy()
    assert not case.holds


def test_the_lease_is_looked_at_before_the_words():
    """
    Broken: the words are looked at, the thread stands still, an event comes and is acknowledged,
    and leases that were taken behind it let the old answer pass.
    """
    case = Case()

    def event_comes() -> float:
        case.words.change([b"lib/app"])
        return math.inf

    case.leases.covered_until = event_comes  # type: ignore[method-assign]
    assert not case.holds
