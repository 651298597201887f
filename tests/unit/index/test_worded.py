"""The store that changes the words of all that is written."""

from collections.abc import Sequence

import pytest

from cluster.errors import StorageFailure
from node.index import keys
from node.index.store import FAMILIES, Change, Mutation, RangeDeletion
from node.index.worded import NAMED_AT, POLICY, WORDLESS, WordedStore
from node.remembered.words import Words
from tests.fakes.ordered_store import MemoryStore

DIGEST = "sha256:" + "a" * 64

KEYS = {
    "manifests": keys.join("lib/app", DIGEST),
    "manifest_bytes": keys.join("lib/app", DIGEST),
    "blobs": keys.join("lib/app", DIGEST),
    "linked": keys.join(DIGEST, "lib/app"),
    "tags": keys.join("lib/app", "v1"),
    "history": keys.join("lib/app", "v1") + bytes(8),
    "histories": keys.join("lib/app", "v1"),
    "conflicts": keys.join("lib/app", "v1"),
    "tagged": keys.join("lib/app", DIGEST, "v1"),
    "referrers": keys.join("lib/app", DIGEST, DIGEST),
    "referrer_types": keys.join("lib/app", DIGEST, DIGEST),
    "repositories": keys.join("lib/app"),
    "deletions": keys.join("tag", "lib/app", "v1"),
    "named": keys.join(DIGEST, "lib/app", "blob", DIGEST),
    "kept_named": keys.join(DIGEST, "lib/app", "blob", DIGEST),
    "kept_bytes": keys.join("lib/app", DIGEST),
    "holders": keys.join(DIGEST, "n1"),
    "own": keys.join(DIGEST),
    "cached": keys.join(DIGEST),
}
OF_BLOBS = {"holders", "own", "cached"}


@pytest.mark.parametrize("family", NAMED_AT)
def test_a_row_changes_the_word_of_what_it_is_about(family: str):
    words = Words()
    store = WordedStore(MemoryStore(), words)
    of_repository, of_blob = words.basis("lib/app", "lib/app"), words.basis(DIGEST, DIGEST)
    other = words.basis("lib/app2", "v1")
    store.write([Mutation(family, KEYS[family], b"row")])
    assert words.unchanged(of_repository) is (family in OF_BLOBS)
    assert words.unchanged(of_blob) is (family not in OF_BLOBS)
    assert words.unchanged(other)


def test_each_family_is_thought_of():
    """Broken: a family is new, and nobody has said whose answers are made of it."""
    assert {*NAMED_AT} | {POLICY} | WORDLESS == {*FAMILIES}
    assert {*KEYS} == {*NAMED_AT}
    assert {"meta", "log", "vector", "floor", "merkle", "uploads", "quarantine"} == WORDLESS


def test_a_setting_changes_the_word_of_the_policy():
    words = Words()
    store = WordedStore(MemoryStore(), words)
    basis = words.basis("any", "any")
    store.write([Mutation(POLICY, keys.join("project", "lib"), b"{}")])
    assert not words.unchanged(basis)


def test_who_gives_up_a_range_changes_all():
    """As whoever takes over a checkpoint does."""
    words = Words()
    store = WordedStore(MemoryStore(), words)
    basis = words.basis("any", "any")
    store.write([RangeDeletion("log", b"a", b"b")])
    assert words.unchanged(basis)
    store.write([RangeDeletion("tags", b"a", b"b")])
    assert not words.unchanged(basis)


class Watching(MemoryStore):
    """Looks at the words when it is about to change, and when it has."""

    def __init__(self, words: Words) -> None:
        super().__init__()
        self._words = words
        self.before = self.behind = words.basis("lib/app", "")
        self.fails = False

    def write(self, batch: Sequence[Change]) -> None:
        self.before = self._words.basis("lib/app", "")
        super().write(batch)
        self.behind = self._words.basis("lib/app", "")
        if self.fails:
            raise StorageFailure("EIO")

    def recover(self) -> None:
        self.before = self._words.basis("lib/app", "")
        super().recover()
        self.behind = self._words.basis("lib/app", "")


@pytest.mark.parametrize("fails", [False, True])
def test_the_word_changes_before_a_write_and_behind_it(fails: bool):
    """
    Behind it, or what is read just before the write is given after it; a write that fails may have
    been carried out. Before it, or what is old is given to one who has read what is new.
    """
    words = Words()
    inner = Watching(words)
    inner.fails = fails
    store, taken = WordedStore(inner, words), words.basis("lib/app", "")
    batch = [Mutation("tags", keys.join("lib/app", "v1"), b"row")]
    if fails:
        with pytest.raises(StorageFailure):
            store.write(batch)
    else:
        store.write(batch)
    assert inner.before != taken
    assert not words.unchanged(inner.before)
    assert not words.unchanged(inner.behind)


def test_a_store_that_is_opened_again_may_have_forgotten():
    words = Words()
    inner = Watching(words)
    store = WordedStore(inner, words)
    store.recover()
    assert not words.unchanged(inner.before)
    assert not words.unchanged(inner.behind)
