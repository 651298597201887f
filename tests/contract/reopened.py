"""A store of a node that is opened again and again, as at each restart of its process."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from cluster.clock import HybridClock, SystemClock
from cluster.model import NodeId
from node.index.index import Index, open_index
from node.index.rocks import RocksStore
from tests.fakes.ordered_store import MemoryStore

T = TypeVar("T")

KINDS: Final = ("fake", "index in memory", "index on disk")


@contextmanager
def reopened(
    kind: str, directory: Path, fake: T, part: Callable[[Index], T]
) -> Iterator[Callable[[], T]]:
    """
    Opens the store of that *kind*: *fake*, or the *part* of an index; a second call stands for a
    restart of the process.
    """
    memory = MemoryStore()
    opened: list[Index] = []

    def open_again() -> T:
        if kind == "fake":
            return fake
        if opened:
            opened.pop().close()
        store = memory if "memory" in kind else RocksStore(directory)
        clock = SystemClock()
        opened.append(
            open_index(
                store, NodeId("a"), HybridClock(clock), clock, random.Random(1), lambda *_: None
            )
        )
        return part(opened[-1])

    try:
        yield open_again
    finally:
        for index in opened:
            index.close()
