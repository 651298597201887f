"""Who may read by leases, and what is told of one that lacks something."""

from types import SimpleNamespace
from typing import Any

import pytest

from cluster.model import Dot
from tests.sim.excuses import Excused
from tests.sim.watch import Observer

TOLD = Dot("n0", 1, 7)


def seen(machine: Any, *, lacks: bool) -> Observer:
    return Observer(lambda: [machine], lambda *_: lacks, Excused())


def a_reader(region: str = "eu", *, reads: bool = True) -> Any:
    return SimpleNamespace(name="n1", region=region, reads=reads)


@pytest.mark.parametrize(
    ("region", "reads", "lacks", "told"),
    [
        pytest.param("eu", True, True, True, id="it reads, and lacks it"),
        pytest.param("eu", True, False, False, id="it has it"),
        pytest.param("eu", False, True, False, id="it asks before it reads"),
        pytest.param("us", True, True, False, id="it is in another region"),
    ],
)
def test_who_reads_when_something_is_acknowledged_has_it(
    region: str, reads: bool, lacks: bool, told: bool
):
    """P2. Broken: a client that was told of a push reads what was there before."""
    observer = seen(a_reader(region, reads=reads), lacks=lacks)
    observer.acknowledged(TOLD, "eu")
    assert observer.violations == ([f"lease: n1 reads, and lacks {TOLD}"] if told else [])


def test_who_comes_to_read_later_has_it_too():
    reader = a_reader(reads=False)
    observer = seen(reader, lacks=True)
    observer.acknowledged(TOLD, "eu")
    observer.came_to_read(reader)
    assert observer.violations == []
    reader.reads = True
    observer.came_to_read(reader)
    assert observer.violations == [f"lease: n1 comes to read, and lacks {TOLD}"]
