"""Whom the rules about what needs attention ask."""

from collections.abc import Awaitable, Callable
from functools import partial

from cluster import Cluster, SystemClock
from node.assembly import figures
from node.attention.collector import AttentionSources, Collector
from node.attention.facts import CopyFacts
from node.attention.service import Attention
from node.blobs.filesystem import FilesystemBlobs
from node.copies.stakes import CopyCount, Shortfall
from node.identity.ports import Authority
from node.identity.service import Identity
from node.index.index import Index
from node.registry.tags import CONFLICTS_PAGE_MAX, Tags
from node.registry.usecases import UseCases
from node.settings import Settings


def attention_of(
    settings: Settings,
    cluster: Cluster,
    index: Index,
    blobs: FilesystemBlobs,
    registry: UseCases,
    identity: Identity,
    authority: Authority,
) -> Attention:
    """What tells of this node, and of the cluster as it sees it."""
    layouts = cluster.layouts
    copies = CopyCount(index.metadata, index.metadata, cluster, lambda: layouts.live)
    clock = SystemClock()
    sources = AttentionSources(
        statistics=cluster.statistics,
        live=lambda: layouts.live,
        change=layouts.view,
        voters=layouts.voters,
        copies=partial(copies_in, copies.look),
        conflicts=partial(conflicts_in, registry.tags),
        has_admin=identity.authorizer.has_admin,
        can_sign=lambda: identity.signer.can_sign,
        apart_s=authority.apart_s,
        login_cutoff_s=settings.login_cutoff_s,
        storage=partial(figures.storage_facts, index, blobs),
        wall=lambda: clock.now_ms() / 1000,
        steady=clock.now_s,
    )
    return Attention(Collector(sources))


async def copies_in(look: Callable[[], Awaitable[Shortfall]]) -> CopyFacts:
    """How the copies of all blobs are, by *look*."""
    return CopyFacts(*await look())


async def conflicts_in(tags: Tags) -> int:
    """Tags whose heads disagree, a page at the most."""
    found, _ = await tags.conflicts(None, None, CONFLICTS_PAGE_MAX)
    return len(found)
