"""Who may read at whose word."""

from types import SimpleNamespace
from typing import Any

import pytest

from cluster.events import Body, Withdraw, Write, encode_body, kind_of
from cluster.gossip.merge import Left, Version
from cluster.model import Dot, Event, Key, Origin, Stamp
from node.index import keys, rows
from node.index.rows import TrimmedTotalsRow
from tests.sim.watch import Observer, Overheard, Watch, named_by

READER = SimpleNamespace(node="n1", rpc="n1:1", epoch=5)
EARLIER, PRESENT = Origin("n0", 1), Origin("n0", 2)


def lease(
    told: Dot, have: dict[Origin, int], *, lacks: bool, current: bool = True, runs: int = 5
) -> list[str]:
    """What is said of a lease that n0 gives to a reader, after it acknowledged *told*."""
    machine: Any = SimpleNamespace(address="n1:1", runs=lambda epoch: epoch == runs)
    observer = Observer(lambda _: [machine] if lacks else [])
    observer.acknowledged(told)
    service = SimpleNamespace(on_hello=lambda _: SimpleNamespace(current=current))
    greeting: Any = SimpleNamespace(member=READER, have=have)
    Overheard(service, "n0", observer).on_hello(greeting)
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


WRITTEN = Event(Dot("n0", 1, 1), Stamp(5), "write", Key("tag", "lib/app", "v1"), b"")
ROW = keys.history("lib/app", "v1", WRITTEN.stamp, WRITTEN.dot)
LEFT = Left(Version(WRITTEN.dot, WRITTEN.stamp, "sha256:a"))


@pytest.mark.parametrize(
    ("body", "history", "left", "late"),
    [
        pytest.param(Withdraw((WRITTEN.dot,), ()), {ROW: b""}, (), False, id="withdrawn in time"),
        pytest.param(Withdraw((WRITTEN.dot,), ()), {}, (LEFT,), True, id="withdrawn late"),
        pytest.param(Write((WRITTEN.dot,), None), {ROW: b""}, (), False, id="replaced in time"),
        pytest.param(Write((WRITTEN.dot,), None), {}, (LEFT,), False, id="replaced what is left"),
        pytest.param(Write((WRITTEN.dot,), None), {}, (), True, id="replaced what is gone"),
    ],
)
def test_what_names_a_dropped_write_is_late(
    body: Body, history: dict[bytes, bytes], left: tuple[Left, ...], late: bool
):
    """Broken: a tag in which nodes may differ is judged, or one in which they may not is not."""
    observer = Observer(lambda _: [])
    observer.events[WRITTEN.dot] = WRITTEN
    totals = rows.encode(TrimmedTotalsRow(1, 0, 9, ROW, left))
    families = {"history": history, "histories": {keys.join("lib/app", "v1"): totals}}
    machine: Any = SimpleNamespace(observer=observer, disk=SimpleNamespace(families=families))
    dot = Dot("n0", 1, 2)
    event = Event(dot, Stamp(9), kind_of(body), WRITTEN.key, encode_body(body))
    Watch(machine)._note_late(event, named_by(event))
    assert observer.late == ({("lib/app", "v1")} if late else set())
