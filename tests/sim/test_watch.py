"""Who may read at whose word."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from cluster.model import Dot, Origin
from tests.sim.excuses import Excused
from tests.sim.watch import Observer, Overheard

READER = SimpleNamespace(node="n1", rpc="n1:1", epoch=5)
EARLIER, PRESENT = Origin("n0", 1), Origin("n0", 2)


def lease(
    told: Dot, have: dict[Origin, int], *, lacks: bool, current: bool = True, runs: int = 5
) -> list[str]:
    """What is said of a lease that n0 gives to a reader, after it acknowledged *told*."""
    machine: Any = SimpleNamespace(address="n1:1", runs=lambda epoch: epoch == runs)
    observer = Observer(lambda _: [machine] if lacks else [], Excused())
    observer.acknowledged(told)

    async def hello(_: Any) -> Any:
        return SimpleNamespace(current=current)

    greeting: Any = SimpleNamespace(member=READER, have=have)
    asyncio.run(Overheard(SimpleNamespace(hello=hello), "n0", observer).hello(greeting))
    return observer.violations


@pytest.mark.parametrize("run", [EARLIER, PRESENT])
def test_a_lease_without_what_was_acknowledged_is_told(run: Origin):
    """Broken: what an earlier run acknowledged may be missing where its node lets others read."""
    told = Dot("n0", run.epoch, 7)
    assert lease(told, {run: 6}, lacks=True) == [
        f"lease: n1 may read at n0's word, and lacks {told}"
    ]


@pytest.mark.parametrize(
    ("told", "have", "lacks", "current"),
    [
        pytest.param(Dot("n0", 1, 7), {EARLIER: 7}, True, True, id="it says that it has it"),
        pytest.param(Dot("n0", 1, 7), {EARLIER: 6}, False, True, id="it came after it had asked"),
        pytest.param(Dot("n0", 1, 7), {EARLIER: 6}, True, False, id="no lease"),
        pytest.param(Dot("n2", 1, 7), {}, True, True, id="of another node"),
    ],
)
def test_other_leases_are_right(told: Dot, have: dict[Origin, int], lacks: bool, current: bool):
    assert lease(told, have, lacks=lacks, current=current) == []


def test_a_run_that_is_over_reads_by_no_lease():
    """Broken: a late greeting, of a run whose disk is gone, counts as that of a reader."""
    told = Dot("n0", 1, 7)
    assert lease(told, {EARLIER: 6}, lacks=True, runs=6) == []
