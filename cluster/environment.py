"""What every part of the engine is given: one bundle instead of six parameters each."""

from dataclasses import dataclass

from cluster.config import ClusterConfig
from cluster.gossip.progress import Progress
from cluster.model import Member
from cluster.ports import BlobReplica, Chance, Clock, Log, RecordReplica
from cluster.statistics import Counters


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """The node's identity, its tuning and its surroundings. Shared, never replaced."""

    me: Member
    config: ClusterConfig
    records: RecordReplica
    blobs: BlobReplica
    clock: Clock
    rng: Chance
    log: Log
    counters: Counters
    progress: Progress
