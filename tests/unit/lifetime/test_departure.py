"""A node's departure: it drains first, and what ends the process ends the draining too."""

import asyncio
from collections.abc import Sequence

import pytest

from cluster import Act, NodeState, Rows, State
from cluster.errors import ClusterError, CopiesAtStake, MemberNotDead, NotDecided, NotDrained
from cluster.layout import Verdict
from cluster.model import NodeId
from node.lifetime.departure import DRAIN_MAX_S, PATIENCE_S, Departure

ME = NodeId("a")


class Cluster:
    """Notes what it is told. *draining* is what comes of it; *stakes* is what goes with a node."""

    def __init__(self) -> None:
        self.stakes = Verdict(ME, 1, 0, 0, 0, 0, (), True, ())
        self.drained: list[tuple[NodeId, float]] = []
        self.dismissed: list[NodeId] = []
        self.lost: list[NodeId] = []
        self.left: list[bool] = []
        self.refused: ClusterError | None = None

    async def drain(self, node: NodeId, rows: Rows, *, patience_s: float) -> Verdict:
        self.drained.append((node, patience_s))
        self.stakes.insist()
        return self.stakes

    async def verdict(self, node: NodeId, rows: Rows) -> Verdict:
        return self.stakes

    async def dismiss(self, node: NodeId, rows: Rows) -> None:
        self.stakes.insist()
        self.dismissed.append(node)

    async def remove_lost(self, node: NodeId) -> None:
        if node != "b":
            raise MemberNotDead(node, "alive")
        self.lost.append(node)

    async def leave(self, rows: Rows, *, lost: bool) -> Sequence[NodeId]:
        if self.refused is not None:
            raise self.refused
        self.left.append(lost)
        return [NodeId("c")]


async def no_rows(node: NodeId):
    return
    yield


def departing(state: NodeState, cluster: Cluster | None = None) -> Departure:
    return Departure(ME, state, cluster or Cluster(), no_rows)


async def begin(departure: Departure, drain_s: float) -> Verdict:
    return await departure.begin(drain_s, lost=False)


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


async def test_a_node_that_may_not_leave_stays_as_it_was():
    """Broken: it takes no traffic any more, or others do not count on it, though it stays."""
    state, cluster = NodeState(), Cluster()
    departure, cluster.stakes = departing(state, cluster), Cluster().stakes._replace(last=1)
    with pytest.raises(CopiesAtStake):
        await begin(departure, 0.0)
    assert (departure.begun, State.STOPPING in state) == (False, False)
    assert cluster.drained == [(ME, PATIENCE_S)]
    assert await departure.begin(0.0, lost=True) == cluster.stakes
    assert departure.begun
    assert len(cluster.drained) == 1, "who is lost waits for nobody"
    assert await departure.go() == ("left", ["c"], None)
    assert cluster.left == [True]


async def test_who_asks_is_told_how_it_went_before_the_node_stops():
    """Broken: the command that asked cannot tell whether the disk may be taken away."""
    departure = departing(NodeState())
    await begin(departure, 0.0)
    assert await departure.farewell(0.01) == ("draining", (), None)
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        asked = group.create_task(departure.farewell(DRAIN_MAX_S))
        await asyncio.sleep(0)
        assert not asked.done()
        await departure.go()
        await departure.wait_told()
        assert asked.result() == ("left", ["c"], None)


async def test_a_node_that_could_not_leave_says_why():
    cluster = Cluster()
    cluster.refused = NotDecided("too few voters answer", ["b"])
    departure = departing(NodeState(), cluster)
    await begin(departure, 0.0)
    farewell = await departure.go()
    assert (farewell.state, farewell.noted_by) == ("failed", ())
    assert "too few voters answer" in str(farewell.why)
    assert await departure.farewell(0.0) == farewell


async def test_a_node_that_nobody_asks_stops_all_the_same():
    departure = departing(NodeState())
    await begin(departure, 0.0)
    await departure.go()
    async with asyncio.timeout(5):
        await departure.wait_told()


async def test_who_asks_twice_is_told_the_same():
    cluster = Cluster()
    departure = departing(NodeState(), cluster)
    first = await begin(departure, 0.0)
    cluster.stakes = cluster.stakes._replace(last=1)
    assert await begin(departure, 0.0) == first
    assert len(cluster.drained) == 1
    await departure.go()
    assert cluster.left == [False]


async def test_a_member_goes_once_it_has_drained_or_is_lost():
    cluster = Cluster()
    departure, cluster.stakes = (
        departing(NodeState(), cluster),
        cluster.stakes._replace(draining=False),
    )
    with pytest.raises(NotDrained):
        await departure.remove(NodeId("c"), lost=False)
    with pytest.raises(MemberNotDead):
        await departure.remove(NodeId("c"), lost=True)
    assert (cluster.dismissed, cluster.lost) == ([], [])
    await departure.remove(NodeId("b"), lost=True)
    cluster.stakes = cluster.stakes._replace(draining=True)
    await departure.remove(NodeId("c"), lost=False)
    assert (cluster.dismissed, cluster.lost) == (["c"], ["b"])
