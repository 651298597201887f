"""
What tests are made of: values that are whole, of which a test says only what it is about.

Documents are dictionaries until they are `encoded`, so that a test can break one anywhere.
"""

import json
from collections.abc import Sequence
from typing import Any, Final

from cluster.model import FEATURES, Digest, Dot, Event, Key, Member, NodeId, Region
from cluster.objects import Body, encode_body, kind_of
from cluster.peer import PeerService
from node.registry.media_types import OCI_INDEX, OCI_MANIFEST, media_type_of
from node.registry.values import ManifestRecord

START_MS: Final = 1_700_000_000_000

Document = dict[str, object]


class HandClock:
    """A wall clock that stands until a test moves it, backwards too."""

    def __init__(self, ms: int = START_MS) -> None:
        self.ms = ms

    def now_ms(self) -> int:
        return self.ms


def a_member(
    node: str,
    region: str = "eu",
    epoch: int = 1,
    host: str = "",
    features: Sequence[str] = FEATURES,
) -> Member:
    """A member at `<host>:1` and `<host>:2`; its host is its name."""
    host = host or node
    return Member(
        node=NodeId(node),
        region=Region(region),
        rpc=f"{host}:1",
        http=f"{host}:2",
        epoch=epoch,
        features=tuple(features),
        store=f"disk-of-{node}",
    )


def an_event(dot: Dot, key: Key, body: Body, stamp: int = 0, rest: int = 0) -> Event:
    """The event that carries *body*, of the kind that it is of."""
    return Event(dot, stamp, kind_of(body), key, encode_body(body), rest)


def descriptor(
    digest: Digest, size: int, media_type: str = OCI_MANIFEST, **more: object
) -> Document:
    return {"mediaType": media_type, "digest": digest, "size": size, **more}


def changed(document: Document, /, **changes: object) -> Document:
    """*document* with other fields; one that is None is left out."""
    return {key: value for key, value in {**document, **changes}.items() if value is not None}


def an_image(
    config: tuple[Digest, int], /, *layers: tuple[Digest, int], **changes: object
) -> Document:
    """An OCI image manifest; its blobs by digest and size."""
    document: Document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(*config, "application/vnd.oci.image.config.v1+json"),
        "layers": [descriptor(*blob, "application/vnd.oci.image.layer.v1.tar") for blob in layers],
    }
    return changed(document, **changes)


def an_index(*manifests: Document, **changes: object) -> Document:
    """An OCI image index; its manifests by descriptor."""
    document: Document = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": list(manifests),
    }
    return changed(document, **changes)


def encoded(document: Document) -> bytes:
    return json.dumps(document).encode()


def stored(document: Document) -> tuple[Digest, ManifestRecord]:
    """*document* as a registry keeps it."""
    body = encoded(document)
    return Digest.of(body), ManifestRecord(media_type_of(body), body)


def roles_of(service: Any) -> PeerService:
    """What answers peers, where a test has one object for all that it asks."""
    return PeerService(service, service, service, service)
