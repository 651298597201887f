"""The Distribution API of a node, for a command that pushes. One request at a time."""

from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from cluster.model import Digest
from node.cli.client import ask, send
from node.cli.errors import CommandError, PushRefused
from node.cli.exchange import Reply
from node.registry.values import ManifestRecord

_PUSH_S: Final = 300.0
"""Longest wait for the answer to a push: it waits for copies."""


class RegistryNode:
    """A node at *url*. Every method raises `CommandError` when there is no answer to go by."""

    def __init__(self, url: str) -> None:
        self.url = url

    def has_manifest(self, repository: str, digest: Digest) -> bool:
        return self._has(f"/v2/{repository}/manifests/{digest}")

    def has_blob(self, repository: str, digest: Digest) -> bool:
        return self._has(f"/v2/{repository}/blobs/{digest}")

    def _has(self, path: str) -> bool:
        return _expected(ask(self.url, "HEAD", path)).status == HTTPStatus.OK

    def tag(self, repository: str, tag: str) -> dict[str, Any] | None:
        """The admin API's document of a tag; None where there never was one."""
        path = f"/atoll/v1/repositories/{repository}/tags/{quote(tag, safe='')}"
        answer = _expected(ask(self.url, "GET", path))
        return None if answer.status == HTTPStatus.NOT_FOUND else answer.document

    def put_manifest(self, repository: str, reference: str, manifest: ManifestRecord) -> None:
        """
        Push a manifest, by its digest or as a tag.

        Raises:
            PushRefused: it was not taken, or it is not known whether it was.
        """
        path = f"/v2/{repository}/manifests/{quote(reference, safe=':')}"
        fields = {"Content-Type": manifest.media_type}
        _taken(send(self.url, "PUT", path, manifest.body, fields, timeout_s=_PUSH_S))

    def put_blob(self, repository: str, digest: Digest, file: Path) -> None:
        """
        Push the blob that is in *file*.

        Raises:
            PushRefused: it was not taken.
            OSError: there is no such file, or it cannot be read.
        """
        path = f"/v2/{repository}/blobs/uploads/?digest={quote(digest, safe='')}"
        with file.open("rb") as content:
            size = str(file.stat().st_size)
            fields = {"Content-Type": "application/octet-stream", "Content-Length": size}
            _taken(send(self.url, "POST", path, content, fields, timeout_s=_PUSH_S))


def _expected(answer: Reply) -> Reply:
    if answer.status not in (HTTPStatus.OK, HTTPStatus.NOT_FOUND):
        raise CommandError(answer.error())
    return answer


def _taken(answer: Reply) -> None:
    if answer.status != HTTPStatus.CREATED:
        raise PushRefused(answer.error())
