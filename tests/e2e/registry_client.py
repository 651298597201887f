"""
A small asynchronous Distribution client that trusts nothing it reads.

It retries nothing: a test that needs a second attempt has found a fault.
"""

import hashlib
import json
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urljoin

import aiohttp

from tests.e2e.oci_layout import (
    CONFIG_TYPE,
    INDEX_TYPE,
    LAYER_TYPE,
    MANIFEST_TYPE,
    canonical_json,
    describe,
)

REQUEST_TIMEOUT_S: Final = 30.0
_PAGE: Final = 100
_ERROR_BODY_BYTES: Final = 500
_STREAM_CHUNK_BYTES: Final = 64 << 10


class Refused(Exception):
    """The registry answered, but not with what was asked for."""

    def __init__(self, request: str, status: int, body: bytes) -> None:
        super().__init__(f"{request}: {status} {body[:_ERROR_BODY_BYTES]!r}")
        self.status = status


class Corrupt(Exception):
    """The registry served bytes that are not what their digest says."""


@dataclass(frozen=True)
class Image:
    """A manifest and every blob it names, config first."""

    manifest: bytes
    blobs: tuple[bytes, ...]

    @property
    def digest(self) -> str:
        return describe(MANIFEST_TYPE, self.manifest).digest


def make_image(rng: random.Random, layer_bytes: Sequence[int]) -> Image:
    """Make an image of random layers. The layers are opaque bytes, which no registry looks into."""
    layers = [rng.randbytes(size) for size in layer_bytes]
    config = canonical_json(
        {
            "architecture": "amd64",
            "os": "linux",
            "rootfs": {
                "type": "layers",
                "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers],
            },
        }
    )
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": describe(CONFIG_TYPE, config).as_json(),
        "layers": [describe(LAYER_TYPE, layer).as_json() for layer in layers],
    }
    return Image(canonical_json(manifest), (config, *layers))


async def once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """
    Client middleware that sends a request once.

    aiohttp sends a PUT or DELETE again when the connection broke under it, with two errors that
    this one takes the place of; the first may have had its effect, and nobody would know.
    """
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as exc:
        raise aiohttp.ClientConnectionError(f"{type(exc).__name__}: {exc}") from exc


class RegistryClient:
    """
    Talks to one node. Any number of tasks may share it.

    Methods raise `Refused` for an answer that is not a success, `Corrupt` for wrong bytes, and
    `aiohttp.ClientError` when the node went away.
    """

    def __init__(self, session: aiohttp.ClientSession, host: str) -> None:
        self._session = session
        self._base = f"http://{host}"

    async def push(self, repository: str, tag: str, image: Image) -> None:
        """Upload every blob, then the manifest. A return means that the node answered 201."""
        for blob in image.blobs:
            await self.push_blob(repository, blob)
        await self.tag(repository, tag, image)

    async def tag(self, repository: str, tag: str, image: Image) -> None:
        """Put the manifest of an image whose blobs are in the repository."""
        headers = {"Content-Type": MANIFEST_TYPE}
        path = f"/v2/{repository}/manifests/{tag}"
        await self._request("PUT", path, 201, data=image.manifest, headers=headers)

    async def delete_tag(self, repository: str, tag: str) -> None:
        """Delete a tag; what it pointed to stays."""
        await self._request("DELETE", f"/v2/{repository}/manifests/{tag}", 202)

    async def push_blob(self, repository: str, blob: bytes) -> None:
        """Upload one blob: small ones with the PUT, others as a stream before it, like dockerd."""
        opened, _ = await self._request("POST", f"/v2/{repository}/blobs/uploads/", 202)
        body = blob
        if len(blob) > _STREAM_CHUNK_BYTES:
            opened, _ = await self._request(
                "PATCH", opened["Location"], 202, data=_stream(blob), headers=_BINARY
            )
            body = b""
        location = opened["Location"]
        separator = "&" if "?" in location else "?"
        target = f"{location}{separator}digest=sha256:{hashlib.sha256(blob).hexdigest()}"
        await self._request("PUT", target, 201, data=body, headers=_BINARY)

    async def pull(self, repository: str, reference: str) -> Image:
        """Read an image whole, verifying the manifest's and each blob's digest and size."""
        manifest = await self.manifest(repository, reference)
        content = json.loads(manifest)
        descriptors = [content["config"], *content["layers"]]
        blobs = [await self.pull_blob(repository, each) for each in descriptors]
        return Image(manifest, tuple(blobs))

    async def manifest(self, repository: str, reference: str) -> bytes:
        """Read a manifest, verifying its digest."""
        headers, manifest = await self._request(
            "GET", f"/v2/{repository}/manifests/{reference}", 200, headers=_ACCEPT
        )
        named = reference if reference.startswith("sha256:") else headers["Docker-Content-Digest"]
        if describe(MANIFEST_TYPE, manifest).digest != named:
            raise Corrupt(f"manifest {repository}:{reference} is not {named}")
        return manifest

    async def pull_blob(self, repository: str, descriptor: dict[str, Any]) -> bytes:
        """Read the blob that *descriptor* names, verifying digest and size."""
        digest = descriptor["digest"]
        _, blob = await self._request("GET", f"/v2/{repository}/blobs/{digest}", 200)
        if describe("", blob).digest != digest or len(blob) != descriptor["size"]:
            raise Corrupt(f"blob {repository}@{digest}: {len(blob)} wrong bytes")
        return blob

    async def tags(self, repository: str) -> list[str]:
        """List every tag, following `Link`; none for an unknown repository."""
        try:
            return await self._listing(f"/v2/{repository}/tags/list", "tags")
        except Refused as refusal:
            if refusal.status == 404:
                return []
            raise

    async def _listing(self, path: str, field: str) -> list[str]:
        found: list[str] = []
        target = f"{path}?n={_PAGE}"
        while target:
            headers, body = await self._request("GET", target, 200)
            found += json.loads(body)[field] or []
            link = headers.get("Link", "")
            target = link.partition("<")[2].partition(">")[0]
        return found

    async def _request(
        self,
        method: str,
        target: str,
        expected: int,
        *,
        data: bytes | AsyncIterator[bytes] | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[dict[str, str], bytes]:
        # A Location may be absolute or relative (distribution-spec, "Pushing blobs").
        url = urljoin(self._base, target)
        async with self._session.request(method, url, data=data, headers=headers) as answer:
            body = await answer.read()
            if answer.status != expected:
                raise Refused(f"{method} {url}", answer.status, body)
            return {name.title(): value for name, value in answer.headers.items()}, body


_ACCEPT: Final = {"Accept": f"{MANIFEST_TYPE}, {INDEX_TYPE}"}
_BINARY: Final = {"Content-Type": "application/octet-stream"}


async def _stream(blob: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(blob), _STREAM_CHUNK_BYTES):
        yield blob[start : start + _STREAM_CHUNK_BYTES]


@asynccontextmanager
async def registry_clients(
    hosts: Sequence[str], fields: Mapping[str, str] | None = None
) -> AsyncIterator[list[RegistryClient]]:
    """Open one client per host, in their order; each request has the *fields*."""
    timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)
    # Connections are not kept: a node that was killed and started again has the same address,
    # and the failure of a stale connection would be the client's, not the registry's.
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(
        timeout=timeout,
        connector=connector,
        auto_decompress=False,
        middlewares=(once,),
        headers=fields,
    ) as session:
        yield [RegistryClient(session, host) for host in hosts]
