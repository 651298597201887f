"""Every bounded queue and table of a node against its bound, and what must be empty in the end."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from cluster.config import ClusterConfig
from cluster.replication.fetcher import DISTRUSTED_MAX
from node.index.writer import PENDING_MAX
from tests.sim.machine import Running
from tests.sim.sizes import sizes

BOUNDED: Final[dict[str, Callable[[Running], int]]] = {
    "members_max": lambda node: len(node.cluster._env.members._others),
    "rumours_max": lambda node: len(node.cluster._prober._detector._queue._entries),
    "health_max": lambda node: node.cluster._prober.health,
    "fetches_max": lambda node: node.cluster._fetcher.jobs.running,
    "replications_max": lambda node: node.cluster._durability.jobs.running,
    "checkpoints_max": lambda node: len(node.cluster._checkpoints._open),
    "confirmed_max": lambda node: len(node.cluster._durability._confirmed),
}
"""What is counted, by the field of `ClusterConfig` that bounds it."""

REPAIRS: Final = 4
"""Blobs that the background repairs at once; they wait beside those that `replicate` queues."""

EMPTY_WHEN_QUIET: Final = frozenset(
    {
        "cluster._durability.jobs._jobs",
        "cluster._fetcher._transfers",
        "cluster._fetcher.jobs._jobs",
        "cluster._intake._gaps",
        "cluster._intake._parked",
    }
)
"""Paths of `sizes`: what belongs to work that is under way."""


def exceeded(node: Running, config: ClusterConfig) -> Iterator[tuple[str, str]]:
    """What is beyond its bound now, and how far."""
    counted = {name: (count(node), getattr(config, name)) for name, count in BOUNDED.items()}
    # Whoever pushes brings the blobs of its manifest along, beside what waits in the background.
    beside = REPAIRS + sum(len(op.blobs) for op in node.asked)
    waiting = node.cluster._durability.jobs.waiting
    counted["replications_queue_max"] = waiting, config.replications_queue_max + beside
    counted["pending"] = node.writer.waiting, PENDING_MAX
    counted["distrusted"] = len(node.cluster._fetcher._distrusted), DISTRUSTED_MAX
    uploads = node.registry.uploads
    counted["uploads"] = len(uploads._sessions), uploads._config.open_max
    for name, (count, most) in counted.items():
        if count > most:
            yield name, f"{count}, more than {most}"


def left_over(node: Running) -> dict[str, int]:
    """What is there though nothing is under way."""
    found: dict[str, Any] = sizes(node)
    return {path: found[path] for path in sorted(EMPTY_WHEN_QUIET) if found[path]}
