"""The desk over its parts."""

from collections.abc import Callable, Sequence
from typing import Final

from cluster import COUNTER_BITS
from cluster.layout import Entry, Live
from node.desk.activity import Activity
from node.desk.attached import AttachedThings
from node.desk.desk import Desk
from node.desk.images import Images
from node.desk.replication import ReplicaCluster, Replication
from node.index.index import Index
from node.index.news import ImageNews, tails
from node.registry.usecases import UseCases

_EVENTS_MAX: Final = 10_000
_BYTES_MAX: Final = 32 << 20
"""What is read of the logs at a start, of both: a tenth of a second."""


def desk_of(
    index: Index,
    registry: UseCases,
    cluster: ReplicaCluster,
    live: Callable[[], Live],
    decisions: Callable[[], Sequence[Entry]],
    now_ms: Callable[[], int],
) -> Desk:
    """What the desk shows of a node. *live* raises `NotDecided` while there is no layout."""
    metadata, pull = index.metadata, registry.pull
    activity = Activity(metadata, decisions, now_ms)
    # First what comes from now on: so nothing is missing between the two.
    index.observe(ImageNews(activity.ring.add, activity.note_decided))
    if index.journal.restoring:
        activity.ring.start((), now_ms() << COUNTER_BITS)
    else:
        activity.ring.start(*tails(index.journal, _EVENTS_MAX, _BYTES_MAX))
    return Desk(
        images=Images(metadata, pull, activity.ring.tags_that_had),
        attached=AttachedThings(metadata, pull),
        replication=Replication(metadata, pull, cluster, live, index.words, now_ms),
        activity=activity,
    )
