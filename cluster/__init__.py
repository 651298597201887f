"""
The replication engine: clock, events, membership, dissemination, transfer, repair, routing.

Owns what nodes say to each other and when a write may be acknowledged. Knows digests, events and
peers; never HTTP, manifests or databases. Storage, time and chance come in through
`cluster.ports`, the network through `cluster.peer`. Start reading at `cluster.agent`.

What it offers: here, the engine and its clocks; `cluster.model`, the words; `cluster.objects`, the
rules by which events become objects; `cluster.ports`, what it needs; `cluster.errors`. Everything
else is its own business. gRPC is in `cluster.rpc` alone, which only the composition root names.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from cluster.agent import Cluster
    from cluster.clock import COUNTER_BITS, HybridClock, SystemClock, stamp_ms
    from cluster.config import ClusterConfig
    from cluster.driver.layouts import Layouts, Rows
    from cluster.layout.removal import Verdict
    from cluster.layout.rows import Row
    from cluster.peer import Transport
    from cluster.state import ALLOWED, WANTS_STATE, Act, NodeState, State
    from cluster.statistics import ClusterStatistics, MemberStatistics

__all__ = [
    "ALLOWED",
    "COUNTER_BITS",
    "WANTS_STATE",
    "Act",
    "Cluster",
    "ClusterConfig",
    "ClusterStatistics",
    "HybridClock",
    "Layouts",
    "MemberStatistics",
    "NodeState",
    "Row",
    "Rows",
    "State",
    "SystemClock",
    "Transport",
    "Verdict",
    "stamp_ms",
]

_HOMES: Final = {  # Everything else is of `cluster.clock`.
    "ALLOWED": "state",
    "WANTS_STATE": "state",
    "Act": "state",
    "Cluster": "agent",
    "ClusterConfig": "config",
    "ClusterStatistics": "statistics",
    "Layouts": "driver.layouts",
    "MemberStatistics": "statistics",
    "Row": "layout.rows",
    "Rows": "driver.layouts",
    "Verdict": "layout.removal",
    "NodeState": "state",
    "State": "state",
    "Transport": "peer",
}


def __getattr__(name: str) -> Any:
    """Load the engine when somebody names it: a command that needs a digest starts without."""
    if name not in __all__:
        raise AttributeError(f"module 'cluster' has no attribute {name!r}")
    return getattr(import_module(f"cluster.{_HOMES.get(name, 'clock')}"), name)
