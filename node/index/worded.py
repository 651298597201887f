"""
The store of the index, which changes the words of all that is written (`node.remembered.words`).

All that is ever written goes through it: own writes, peers' events, checkpoints, repairs,
migrations. So no writer has to think of those who remember what they read.
"""

from collections.abc import Callable, Iterator, Sequence, Set
from typing import Final, NamedTuple

from cluster.errors import StorageFailure
from node.index.store import FAMILIES, Change, OrderedStore, RangeDeletion, StoreSnapshot
from node.remembered.words import Words

NAMED_AT: Final = {
    "manifests": 0,
    "manifest_bytes": 0,
    "blobs": 0,
    "linked": 1,
    "tags": 0,
    "history": 0,
    "histories": 0,
    "conflicts": 0,
    "tagged": 0,
    "referrers": 0,
    "referrer_types": 0,
    "repositories": 0,
    "deletions": 1,
    "named": 1,
    "kept_named": 1,
    "kept_bytes": 0,
    "holders": 0,
    "own": 0,
    "cached": 0,
}
"""Which part of a key (`node.index.keys`) says whose the row is: the repository; where there is
none, the digest."""

POLICY: Final = "settings"
"""The family behind the word of the policy."""

WORDLESS: Final = frozenset(FAMILIES) - {*NAMED_AT, POLICY}
"""No answer is made of these."""


class WrittenBatch(NamedTuple):
    """A batch that was written: until it is durable it may be gone again."""

    batch: Sequence[Change]
    names: Set[bytes]
    """Whose rows are in it: repositories and digests, as they stand in keys."""

    everything: bool
    """Any row may be another: a range was deleted, or the store opened again."""

    failed: bool
    """Whether it may not have been written at all."""


Observer = Callable[[WrittenBatch], None]
"""Hears of what is written, once it can be read, on the thread that did it. It must not raise, and
takes microseconds."""


class WordedStore:
    """An `OrderedStore` over another one."""

    def __init__(self, store: OrderedStore, words: Words) -> None:
        self.inner: Final = store
        self._words = words
        self.observers: list[Observer] = []
        """None of them: that costs nothing."""

        # As they are: each call in between would cost a look-up a tenth of its time.
        self.get: Callable[[str, bytes], bytes | None] = store.get
        self.scan: Callable[[str, bytes, bytes], Iterator[tuple[bytes, bytes]]] = store.scan

    @property
    def trouble(self) -> StorageFailure | None:
        return self.inner.trouble

    @property
    def read_failure(self) -> StorageFailure | None:
        return self.inner.read_failure

    def write(self, batch: Sequence[Change]) -> None:
        touched = _touched(batch)
        # Behind it, so that nothing that was read before it is given again. Before it as well: else
        # one who reads what is new may be given what is old right after that. And whether it fails
        # or not: nobody knows what a write has done that failed.
        self._change(touched)
        failed = True
        try:
            self.inner.write(batch)
            failed = False
        finally:
            self._change(touched)
            self._tell(WrittenBatch(batch, touched.names, touched.everything, failed))

    def snapshot(self, families: Sequence[str]) -> StoreSnapshot:
        return self.inner.snapshot(families)

    def sync(self) -> None:
        self.inner.sync()

    def recover(self) -> None:
        # What was not synced before may be gone: rows are as they were.
        self._words.change_all()
        try:
            self.inner.recover()
        finally:
            self._words.change_all()
            self._tell(WrittenBatch((), frozenset(), everything=True, failed=True))

    def close(self) -> None:
        self.inner.close()

    def _tell(self, written: WrittenBatch) -> None:
        for observe in self.observers:
            observe(written)

    def _change(self, touched: "_Touched") -> None:
        if touched.everything:
            self._words.change_all()
            return
        self._words.change(touched.names)
        if touched.policy:
            self._words.change_policy()


class _Touched(NamedTuple):
    """Whose rows a batch changes."""

    names: set[bytes]
    policy: bool
    everything: bool


def _touched(batch: Sequence[Change]) -> _Touched:
    names, policy = set[bytes](), False
    for change in batch:
        if change.family in WORDLESS:
            continue
        if isinstance(change, RangeDeletion):
            return _Touched(names, policy, everything=True)
        if change.family == POLICY:
            policy = True
        else:
            part = NAMED_AT[change.family]
            names.add(change.key.split(b"\0", part + 1)[part])
    return _Touched(names, policy, everything=False)
