"""The registry's use cases, joined: what the edge, a test and the simulator work with."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from cluster.model import Digest
from cluster.ports import Log
from node.registry.listing import Listing
from node.registry.ports import BlobCopies, BlobStore, ClusterView, Gate, MetadataIndex
from node.registry.projects import Projects
from node.registry.pull import Pull
from node.registry.push import Push
from node.registry.repository_blobs import RepositoryBlobs
from node.registry.tags import Tags
from node.registry.upload_config import UploadConfig
from node.registry.uploads import Uploads
from node.registry.waits import WAITS_MAX, Waits


@dataclass(frozen=True, slots=True, kw_only=True)
class UseCases:
    """All that a client may ask of the registry. A new use case is added here, and nowhere else."""

    pull: Pull
    push: Push
    uploads: Uploads
    repository_blobs: RepositoryBlobs
    listing: Listing
    tags: Tags
    projects: Projects
    waits: Waits

    @classmethod
    def over(
        cls,
        index: MetadataIndex,
        blobs: BlobStore,
        gate: Gate,
        copies: BlobCopies,
        view: ClusterView,
        now: Callable[[], float],
        log_of: Callable[[str], Log],
        *,
        uploads: UploadConfig,
        on_missing: Callable[[Digest], None] = lambda _: None,
        waits_max: int = WAITS_MAX,
    ) -> Self:
        """
        Join the use cases over the ports.

        Args:
            now: seconds since the Unix epoch.
            log_of: the log of a component.
            on_missing: hears of each blob that a client wanted and that is not here.
        """
        manifests, links, tags, listings, settings, opened, writer = index
        push = Push(manifests, links, listings, settings, writer, gate, copies)
        return cls(
            pull=Pull(manifests, links, settings, blobs, gate, copies, on_missing),
            push=push,
            uploads=Uploads(
                opened, blobs, settings, writer, gate, copies, uploads, log_of("uploads"), now
            ),
            repository_blobs=RepositoryBlobs(links, settings, writer, gate),
            listing=Listing(listings, settings, gate),
            tags=Tags(tags, manifests, settings, gate, push),
            projects=Projects(settings, writer, gate),
            waits=Waits(view, waits_max),
        )
