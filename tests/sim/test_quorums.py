"""What is told of an acknowledgement that the layout does not allow, and what is no fault."""

from types import SimpleNamespace
from typing import Any

import pytest

from cluster.layout.document import FORMAT, Layout, LayoutMember, Settings
from cluster.layout.transition import Live
from cluster.model import Consistency, Dot, NodeId, Region
from node.index import keys
from tests.sim.disk import Disk
from tests.sim.history import Op
from tests.sim.quorums import Quorums

DOT = Dot(NodeId("a"), 1, 1)


def layout(version: int, *nodes: str, copies: int = 1) -> Layout:
    members = tuple(LayoutMember(NodeId(n), f"disk of {n}", Region("eu")) for n in sorted(nodes))
    return Layout(FORMAT, version, members, settings=Settings(copies=copies))


def disk(node: str) -> Disk:
    found = Disk("")
    found.families["meta"][keys.join("store")] = f"disk of {node}".encode()
    return found


@pytest.fixture
def world() -> Any:
    clients = SimpleNamespace(history=[])
    observer = SimpleNamespace(violations=[])
    return SimpleNamespace(observer=observer, clients=clients, machines=[], everyone=list)


def told(world: Any, quorums: Quorums, live: Live, having: str, **fields: Any) -> list[str]:
    """What is told of a write that is acknowledged by *live*, with *having* it on their disks."""
    op = Op(1, "push", "eu", "lib/app", "v1", "a:1", 1.0, 1.1, "ok", live=live)
    for name, value in fields.items():
        setattr(op, name, value)
    world.observer.violations.clear()
    quorums.judge(op, [disk(node) for node in having.split()])
    return [text.partition(" has ")[0] for text in world.observer.violations]


def test_a_majority_of_each_version_that_is_live_has_to_have_it(world: Any):
    both = Live(layout(2, "a", "d", "e"), layout(1, "a", "b", "c"))
    quorums = Quorums(world)
    assert told(world, quorums, both, "a b d") == []
    assert told(world, quorums, both, "a b") == ["layout: no majority of version 2"]
    assert told(world, quorums, both, "a d") == ["layout: no majority of version 1"]
    assert told(world, quorums, both, "a", consistency=Consistency.LOCAL) == []


def test_who_is_lost_does_not_count(world: Any):
    live = Live(layout(1, "a", "b", "c"), lost={"disk of c"})
    assert told(world, Quorums(world), live, "a c") == ["layout: no majority of version 1"]
    assert told(world, Quorums(world), live, "a b") == []


def test_the_survivors_of_a_small_cluster_go_on(world: Any):
    small, larger = layout(1, "a", "b", copies=2), layout(1, "a", "b", copies=1)
    assert told(world, Quorums(world), Live(small), "a") == []
    assert told(world, Quorums(world), Live(larger), "a") == ["layout: no majority of version 1"]


def test_nothing_is_acknowledged_by_the_version_before_the_one_before(world: Any):
    first, second, third = layout(1, "a", "b", "c"), layout(2, "b", "c"), layout(3, "c")
    quorums = Quorums(world)
    assert told(world, quorums, Live(third, second), "b c") == []
    assert told(world, quorums, Live(first), "a b")[0].startswith("layout: #1")
    assert told(world, quorums, Live(second), "b c") == []


def test_a_region_whose_quorum_stays_may_lag(world: Any):
    quorums = Quorums(world)
    assert told(world, quorums, Live(layout(3, "a", "b", "c")), "a b") == []
    assert told(world, quorums, Live(layout(1, "a", "b", "c")), "a b") == []


@pytest.mark.parametrize(
    ("nodes", "lost", "told_of"), [("a d", "", True), ("d e", "", False), ("a d", "e", False)]
)
def test_what_was_acknowledged_is_at_a_majority_when_a_version_ends(
    world: Any, nodes: str, lost: str, told_of: bool
):
    disks = {node: disk(node) for node in ["a", "d", "e"]}
    for node in nodes.split():
        disks[node].families["vector"][keys.origin(DOT.origin)] = keys.u64(1)
    world.machines = [SimpleNamespace(disk=each, lost_disks=[]) for each in disks.values()]
    world.everyone = lambda: world.machines
    world.machines[2].lost_disks = lost.split()
    world.clients.history.append(Op(0, "push", "eu", "lib/app", "v1", "a:1", 0.5, 0.6, "ok"))
    world.clients.history[0].dots = [DOT]
    quorums, live = Quorums(world), Live(layout(2, "d", "e", "f"))
    found = told(world, quorums, live, "d e")
    assert [text[:33] for text in found] == ["layout: version 2 began without #0"[:33]] * told_of
    assert told(world, quorums, live, "d e") == []
