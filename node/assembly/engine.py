"""
The engine of a node over its stores: the same in a process, in the simulator and in tests.

`join` makes the engine over an open index and a blob store; `node.registry.usecases` makes the
registry over the engine. What differs between a process and a test is handed in: clocks, chance,
transport, stores, logs.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from cluster import Cluster, ClusterConfig, HybridClock, Transport
from cluster.model import WHO, Member
from cluster.ports import BlobReplica, Chance, Clock, Log
from node import logs
from node.copies.holdings import Holdings
from node.index.index import Index
from node.index.lateness import OnEvents, TimedEvents

NODE: Final = "node:"
"""How who asks begins where a node does something by itself; no log-in name has a colon."""


class Engine(NamedTuple):
    """A node's part in the cluster. Its owner runs both."""

    cluster: Cluster
    holdings: Holdings


def join(
    me: Member,
    config: ClusterConfig,
    index: Index,
    blobs: BlobReplica,
    transport: Transport,
    wall: Clock,
    clock: HybridClock,
    rng: Chance,
    log_of: Callable[[str], Log],
    on_events: OnEvents | None = None,
) -> Engine:
    """
    Make the engine of the node *me*; *clock* is the one that its index stamps events by, and
    *on_events* is told of the events of other nodes.
    """
    records = index.replica.roles
    if on_events is not None:
        records = records._replace(events=TimedEvents(records.events, on_events, wall))

    def who() -> str:
        return logs.who.get() or f"{NODE}{me.node}"

    cluster = Cluster(
        me,
        config,
        records=records,
        blobs=blobs,
        transport=transport,
        clock=wall,
        rng=rng,
        log=log_of("cluster"),
        members=index.members,
        control=index.control,
        who=who,
    )
    # Before every member can read it, nobody is named: the others' indexes would differ.
    index.metadata.who = lambda: who() if cluster.uses(WHO) else ""
    clock.heed(cluster.clock_off_at)
    return Engine(cluster, Holdings(index.replica, blobs, log_of("holdings")))
