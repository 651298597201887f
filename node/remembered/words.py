"""
Version words: whether something that an answer was made of may have changed since.

Each shard of the index has one. It is another number after each change, and never one that it was
before. Whoever takes the word and reads then, and finds the word unchanged later, would read the
same again.
"""

from array import array
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Final, NamedTuple
from zlib import crc32

SHARDS: Final = 4096
"""Words. With more, fewer answers go for a change that is not theirs; each takes 8 bytes and a
number."""


class Basis(NamedTuple):
    """What an answer was made of: two shards, and the words of these and of the policy then."""

    policy: int
    first: int
    first_word: int
    second: int
    second_word: int


class Words:
    """
    The words of one node. Safe from any thread.

    Whoever changes what an answer may be made of changes the word once before and once behind it,
    and only then tells anybody of the change.
    """

    def __init__(self) -> None:
        self._words = [0] * SHARDS
        # Numbers are given out once. So two threads that change one word at a time leave none that
        # a reader may have taken before both were done.
        self._number = count(1)
        self.policy = 0
        """The word of what callers may do, and of what projects decide."""

    def basis(self, first: str, second: str) -> Basis:
        """The words of two names as they are now. To be asked before anything is read."""
        a, b = _shard(first.encode()), _shard(second.encode())
        return Basis(self.policy, a, self._words[a], b, self._words[b])

    def unchanged(self, basis: Basis) -> bool:
        """Whether nothing has changed since *basis* was taken."""
        policy, a, at_a, b, at_b = basis
        return self._words[a] == at_a and self._words[b] == at_b and self.policy == policy

    def at(self, shards: Sequence[int]) -> "array[int]":
        """The words of some shards as they are now: equal ones later say that nothing changed."""
        return array("Q", (self._words[shard] for shard in shards))

    def change(self, names: Iterable[bytes]) -> None:
        """Change the words of *names*: of repositories and digests, as they stand in keys."""
        for name in names:
            self._words[_shard(name)] = next(self._number)

    def change_digest(self, digest: str) -> None:
        """Change the word of a blob: its copy here is not served any more, say."""
        self.change([digest.encode()])

    def change_all(self) -> None:
        """Change every word, that of the policy too."""
        for shard in range(SHARDS):
            self._words[shard] = next(self._number)
        self.change_policy()

    def change_policy(self) -> None:
        """Change the word of the policy."""
        self.policy = next(self._number)


def shards_of(names: Iterable[str]) -> "array[int]":
    """The shards that have the words of *names*, each once."""
    return array("H", sorted({_shard(name.encode()) for name in names}))


def _shard(name: bytes) -> int:
    return crc32(name) % SHARDS
