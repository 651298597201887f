"""Bugs of answers that are given again (`node.remembered`)."""

import asyncio
import math
from typing import Any, Final

from cluster.driver.reads import Reads
from node.index.replica import IndexReplica
from node.index.worded import WordedStore
from node.remembered.words import Words
from tests.sim.mutants.mutant import Mutant

_LATE_S: Final = 1.0

_change = WordedStore._change
_apply = IndexReplica._apply


def _change_late(self: WordedStore, touched: Any) -> None:
    asyncio.get_running_loop().call_later(_LATE_S, _change, self, touched)


def _apply_unnoticed(self: IndexReplica, events: Any) -> Any:
    store: Any = self._journal.store
    store._change = lambda touched: None
    try:
        return _apply(self, events)
    finally:
        del store._change


def _until_the_end_of_time(self: Reads) -> float:
    return math.inf if self._env.join.joined else 0.0


def _whatever_the_policy(self: Words, basis: Any) -> bool:
    _, a, at_a, b, at_b = basis
    return self._words[a] == at_a and self._words[b] == at_b


MUTANTS: Final = [
    Mutant(
        "word-behind-the-confirm",
        "a word changes a while after what it is about, when that was confirmed",
        [(WordedStore, "_change", _change_late)],
    ),
    Mutant(
        "word-of-own-writes",
        "what peers wrote changes no word",
        [(IndexReplica, "_apply", _apply_unnoticed)],
    ),
    Mutant(
        "remembered-without-lease",
        "what is remembered is given whether there are leases or not",
        [(Reads, "covered_until", _until_the_end_of_time)],
    ),
    Mutant(
        "remembered-under-another-policy",
        "what is remembered is given though the policy is another one",
        [(Words, "unchanged", _whatever_the_policy)],
    ),
]
