"""What the parts of the desk are made over."""

from functools import partial

from node import logs
from node.desk.catalogue_desk import CatalogueDesk
from node.identity.authorizer import stranger_may_pull
from node.identity.service import Identity
from node.index.index import Index
from node.registry.ports import Gate, LocalBlobs
from node.settings import Settings


def catalogue_of(
    settings: Settings, index: Index, blobs: LocalBlobs, gate: Gate, identity: Identity
) -> CatalogueDesk:
    """Repositories, tags and search over *index*."""
    metadata = index.metadata
    return CatalogueDesk.over(
        metadata,
        metadata,
        metadata,
        metadata,
        index.changes,
        gate,
        blobs,
        (lambda _: True) if settings.is_open else partial(stranger_may_pull, identity.authorizer),
        logs.get_logger("desk"),
    )
