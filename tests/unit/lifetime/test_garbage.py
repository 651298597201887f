"""The collector looks at what comes and goes, not at what stays."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from node.lifetime import garbage


class Ring:
    """Garbage that only the collector finds."""

    def __init__(self) -> None:
        self.me = self


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


def dropped() -> "weakref.ref[Ring]":
    return weakref.ref(Ring())


def test_what_is_there_is_left_alone_and_what_is_over_is_not():
    """Broken: a run of the node that ended in this process stays in memory for ever."""
    kept, over = Ring(), dropped()
    garbage.leave_alone()
    assert over() is None
    assert not any(each is kept for each in gc.get_objects())
    kept_ref, later = weakref.ref(kept), dropped()
    del kept
    gc.collect()
    assert later() is None
    assert kept_ref() is not None
    garbage.leave_alone()
    assert kept_ref() is None
