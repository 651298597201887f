"""What every part of the engine is given: one bundle instead of six parameters each."""

from collections.abc import Callable
from dataclasses import dataclass

from cluster.config import ClusterConfig
from cluster.driver.roll import Roll
from cluster.gossip.progress import Progress
from cluster.layout.chronicle import Chronicle
from cluster.membership.absences import Absences
from cluster.membership.clocks import ClockWatch
from cluster.membership.join import Join
from cluster.membership.members import Members
from cluster.membership.vitals import VitalsBook
from cluster.model import Member
from cluster.ports import (
    BlobReplica,
    Chance,
    CheckpointStore,
    Clock,
    EventLog,
    HolderRows,
    Log,
    Retention,
    RowSums,
)
from cluster.routing.distance import Distances
from cluster.state import NodeState
from cluster.statistics import Counters
from cluster.tasks.changes import Changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """
    The node's identity, its tuning, its surroundings, and what it knows of the members. Shared,
    never replaced.
    """

    me: Member
    config: ClusterConfig
    events: EventLog
    retention: Retention
    checkpoints: CheckpointStore
    sums: RowSums
    holders: HolderRows
    blobs: BlobReplica
    clock: Clock
    rng: Chance
    log: Log
    who: Callable[[], str]
    """Who asks for what the current task does."""
    counters: Counters
    progress: Progress
    members: Members
    join: Join
    clocks: ClockWatch
    distances: Distances
    absences: Absences
    vitals: VitalsBook
    state: NodeState
    chronicle: Chronicle
    roll: Roll
    changes: Changes
    """Beats whenever something that people wait for may have changed."""
