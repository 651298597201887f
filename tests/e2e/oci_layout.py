"""Small images in an OCI image layout (image-spec, image-layout.md), made without any client."""

import gzip
import hashlib
import io
import json
import random
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

MANIFEST_TYPE: Final = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE: Final = "application/vnd.oci.image.index.v1+json"
CONFIG_TYPE: Final = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE: Final = "application/vnd.oci.image.layer.v1.tar+gzip"


@dataclass(frozen=True)
class Descriptor:
    """Content by type, digest and size, as manifests name it."""

    media_type: str
    digest: str
    size_bytes: int

    def as_json(self) -> dict[str, Any]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size_bytes}


def describe(media_type: str, content: bytes) -> Descriptor:
    """Compute the sha256 descriptor of *content*."""
    return Descriptor(media_type, f"sha256:{hashlib.sha256(content).hexdigest()}", len(content))


def canonical_json(value: object) -> bytes:
    """Encode *value* the same way every time, so that digests repeat."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def tar_of(files: Mapping[str, bytes], *, mode: int = 0o644) -> bytes:
    """Pack *files* into a tar whose bytes depend on nothing but them."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.mode = mode
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


class LayoutWriter:
    """Writes images of one or more platforms into a layout directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "blobs" / "sha256").mkdir(parents=True)
        (directory / "oci-layout").write_bytes(canonical_json({"imageLayoutVersion": "1.0.0"}))

    def add_image(
        self, layers: Iterable[Mapping[str, bytes]], *, architecture: str = "amd64"
    ) -> Descriptor:
        """Store an image with one layer per mapping of file names to contents."""
        blobs: list[Descriptor] = []
        diff_ids: list[str] = []
        for files in layers:
            tar = tar_of(files)
            diff_ids.append(f"sha256:{hashlib.sha256(tar).hexdigest()}")
            # The contents are random, so level 0 loses nothing and saves the time to compress.
            blobs.append(self._add(LAYER_TYPE, gzip.compress(tar, 0, mtime=0)))
        config = self._add(
            CONFIG_TYPE,
            canonical_json(
                {
                    "architecture": architecture,
                    "os": "linux",
                    "config": {},
                    "rootfs": {"type": "layers", "diff_ids": diff_ids},
                }
            ),
        )
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": config.as_json(),
            "layers": [blob.as_json() for blob in blobs],
        }
        return self._add(MANIFEST_TYPE, canonical_json(manifest))

    def add_index(self, images: Mapping[str, Descriptor]) -> Descriptor:
        """Store an index of *images* by architecture."""
        entries = [
            {**image.as_json(), "platform": {"architecture": architecture, "os": "linux"}}
            for architecture, image in images.items()
        ]
        content = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": entries}
        return self._add(INDEX_TYPE, canonical_json(content))

    def finish(self, root: Descriptor, tag: str) -> None:
        """Make *root* what the layout is about, under the name *tag*."""
        entry = {**root.as_json(), "annotations": {"org.opencontainers.image.ref.name": tag}}
        content = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [entry]}
        (self.directory / "index.json").write_bytes(canonical_json(content))

    def _add(self, media_type: str, content: bytes) -> Descriptor:
        descriptor = describe(media_type, content)
        path = self.directory / "blobs" / "sha256" / descriptor.digest.removeprefix("sha256:")
        path.write_bytes(content)
        return descriptor


def blobs_of(layout: Path) -> dict[str, bytes]:
    """Return every blob and manifest of a layout by the name of its file."""
    return {path.name: path.read_bytes() for path in (layout / "blobs" / "sha256").iterdir()}


def random_layers(rng: random.Random, sizes_bytes: Sequence[int]) -> list[dict[str, bytes]]:
    """Make one layer per size, each with one file of that many random bytes."""
    return [{f"layer-{number}.bin": rng.randbytes(size)} for number, size in enumerate(sizes_bytes)]
