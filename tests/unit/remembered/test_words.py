"""Version words: another one after each change, and never one that was before."""

import threading
from itertools import chain, repeat

from node.remembered.words import SHARDS, Words


def test_a_change_is_seen_by_who_took_the_word_before():
    words = Words()
    basis = words.basis("lib/app", "sha256:a")
    assert words.unchanged(basis)
    words.change([b"lib/app"])
    assert not words.unchanged(basis)
    assert words.unchanged(words.basis("lib/app", "sha256:a"))


def test_either_name_counts():
    words = Words()
    basis = words.basis("lib/app", "sha256:a")
    words.change_digest("sha256:a")
    assert not words.unchanged(basis)


def test_what_is_about_others_changes_nothing():
    """Broken: each push makes a node forget all that it remembers."""
    words = Words()
    basis = words.basis("lib/app", "sha256:a")
    others = [f"lib/other{number}".encode() for number in range(100)]
    words.change(others)
    assert words.unchanged(basis)


def test_all_may_change_at_once():
    words = Words()
    bases = [words.basis(str(number), "") for number in range(SHARDS)]
    words.change_all()
    assert not any(words.unchanged(basis) for basis in bases)


def test_the_policy_has_a_word_of_its_own():
    words = Words()
    basis = words.basis("lib/app", "")
    words.change_policy()
    assert not words.unchanged(basis)
    assert words.unchanged(words.basis("lib/app", ""))


def test_a_word_never_comes_again():
    """Broken: two threads change one word, and a reader takes what is old for new."""
    words, taken = Words(), set[int]()

    def change() -> None:
        for name in repeat([b"lib/app"], 2000):
            words.change(name)

    threads = [threading.Thread(target=change) for _ in range(4)]
    seen: list[int] = []
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        seen.append(words.basis("lib/app", "").first_word)
    for thread in threads:
        thread.join()
    changes = [b for a, b in zip(seen, chain(seen[1:], seen[-1:]), strict=True) if a != b]
    for word in changes:
        assert word not in taken
        taken.add(word)
