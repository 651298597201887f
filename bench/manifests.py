"""Manifests for the benchmarks that need many different ones."""

import json
from typing import Final

IMAGE: Final = "application/vnd.oci.image.manifest.v1+json"
_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
_CONFIG: Final = "application/vnd.oci.image.config.v1+json"


def image_manifest(digest: str, size: int, title: str) -> bytes:
    """About as long as that of an image with eight layers; all of them are the one blob."""
    layer = {"mediaType": _LAYER, "digest": digest, "size": size}
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": IMAGE,
            "config": {**layer, "mediaType": _CONFIG},
            "layers": [layer] * 8,
            "annotations": {"org.opencontainers.image.title": title},
        }
    ).encode()
