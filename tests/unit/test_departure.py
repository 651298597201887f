"""A node's departure: it drains first, and what ends the process ends the draining too."""

import asyncio
from collections.abc import Collection

import pytest

from cluster import Act, NodeState, State
from cluster.errors import MemberNotDead
from cluster.model import NodeId
from node.departure import DRAIN_MAX_S, Departure
from node.errors import CopiesAtStake
from node.stakes import Stakes

ME = NodeId("a")


class Cluster:
    """Members b and c; b is dead. Notes what it is told."""

    def __init__(self) -> None:
        self.leaving: list[bool] = []
        self.removed: list[str] = []
        self.counted: list[tuple[str, Collection[NodeId] | None]] = []
        self.stakes = Stakes()

    async def announce_leaving(self, leaving: bool) -> Collection[NodeId]:
        self.leaving.append(leaving)
        return [NodeId("c")]

    def check_removable(self, node: NodeId) -> None:
        if node != "b":
            raise MemberNotDead(node, "alive")

    def remove(self, node: NodeId) -> None:
        self.removed.append(node)

    async def count(self, node: NodeId, stays: Collection[NodeId] | None) -> Stakes:
        self.counted.append((node, stays))
        return self.stakes


def departing(state: NodeState, cluster: Cluster | None = None) -> Departure:
    cluster = cluster or Cluster()
    return Departure(ME, 2, state, cluster, cluster.count)


async def begin(departure: Departure, drain_s: float) -> Stakes:
    return await departure.begin(drain_s, fewer_copies=False, force=False)


async def test_a_node_that_leaves_is_not_ready_and_stops_after_draining():
    state, stop = NodeState(), asyncio.Event()
    departure = departing(state)
    async with asyncio.TaskGroup() as group:
        group.create_task(departure.run(stop))
        assert state.allows(Act.CLIENTS)
        await begin(departure, 0.01)
        assert not state.allows(Act.CLIENTS)
        assert state.why(State.STOPPING) == "leaving"
        assert departure.begun
        assert not stop.is_set(), "clients in flight would be cut off"
        await stop.wait()


async def test_a_signal_cuts_the_draining_short():
    """Who stops the process does not wait for minutes; the node leaves all the same."""
    departure, stop = departing(NodeState()), asyncio.Event()
    await begin(departure, DRAIN_MAX_S)
    await begin(departure, 0.0)
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        run = group.create_task(departure.run(stop))
        await asyncio.sleep(0)
        assert not run.done(), "asking again is no reason to hurry"
        stop.set()
    assert departure.begun


async def test_a_node_that_only_stops_does_not_leave():
    """A restart would make it a stranger to its peers."""
    departure, stop = departing(NodeState()), asyncio.Event()
    run = asyncio.create_task(departure.run(stop))
    stop.set()
    run.cancel()
    await asyncio.wait([run])
    assert not departure.begun


@pytest.mark.parametrize("stakes", [Stakes(1, 10, 0, 0), Stakes(0, 0, 1, 10)])
async def test_a_node_that_may_not_leave_stays_as_it_was(stakes: Stakes):
    """Broken: it takes no traffic any more, or others do not count on it, though it stays."""
    state, cluster = NodeState(), Cluster()
    departure, cluster.stakes = departing(state, cluster), stakes
    with pytest.raises(CopiesAtStake):
        await begin(departure, 0.0)
    assert (departure.begun, State.STOPPING in state) == (False, False)
    assert cluster.leaving == [True, False], "the others are told before it looks"
    assert cluster.counted == [(ME, [NodeId("c")])], "who goes too does not count"
    fewer_is_enough = not stakes.blobs_last
    if fewer_is_enough:
        told = await departure.begin(0.0, fewer_copies=True, force=False)
        assert told == stakes
    else:
        with pytest.raises(CopiesAtStake):
            await departure.begin(0.0, fewer_copies=True, force=False)
        await departure.begin(0.0, fewer_copies=False, force=True)
    assert departure.begun
    assert cluster.leaving[-1]


async def test_removing_a_member_tells_what_only_it_had():
    cluster = Cluster()
    departure, cluster.stakes = departing(NodeState(), cluster), Stakes(1, 10, 5, 50)
    with pytest.raises(MemberNotDead):
        await departure.remove(NodeId("c"), force=True)
    with pytest.raises(CopiesAtStake) as refused:
        await departure.remove(NodeId("b"), force=False)
    assert refused.value.stakes == (1, 10, 0, 0), "few copies are made many once it is removed"
    assert cluster.removed == []
    await departure.remove(NodeId("b"), force=True)
    cluster.stakes = Stakes(0, 0, 5, 50)
    await departure.remove(NodeId("b"), force=False)
    assert cluster.removed == ["b", "b"]
