"""A node that runs out of file descriptors goes on by itself when it has some again."""

import hashlib
import http.client
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.oci_layout import CONFIG_TYPE, MANIFEST_TYPE
from tests.e2e.processes import READY_TIMEOUT_S, atoll_command, is_ready
from tests.e2e.serve_cluster import ServeProcess

pytestmark = pytest.mark.e2e

_DESCRIPTORS = 1024
_IDLE = 1100
_MANIFESTS = 25
_PAD_BYTES = 3_900_000
"""Of each manifest: after 18 of them RocksDB has filled 64 MiB, and begins new files."""

CONFIG = b"{}"
CONFIG_DIGEST = f"sha256:{hashlib.sha256(CONFIG).hexdigest()}"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[ServeProcess]:
    started = ServeProcess.alone(
        tmp_path / "node",
        command=("prlimit", f"--nofile={_DESCRIPTORS}:{_DESCRIPTORS}", *atoll_command()),
    )
    started.start()
    try:
        started.wait_ready()
        yield started
    finally:
        started.stop()


def request(client: http.client.HTTPConnection, method: str, path: str, body: bytes, kind: str):
    client.request(method, path, body, {"Content-Type": kind})
    answer = client.getresponse()
    answer.read()
    return answer.status


def put_manifest(client: http.client.HTTPConnection, number: int) -> int:
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {"mediaType": CONFIG_TYPE, "digest": CONFIG_DIGEST, "size": len(CONFIG)},
        "layers": [],
        "annotations": {"pad": os.urandom(_PAD_BYTES // 2).hex()},
    }
    path = f"/v2/lib/app/manifests/v{number}"
    return request(client, "PUT", path, json.dumps(document).encode(), MANIFEST_TYPE)


def test_idle_connections_do_not_end_the_index(node: ServeProcess):
    """Broken: after it was once, every write is 500 until a restart, and /readyz says ready."""
    host, _, port = node.http.partition(":")
    client = http.client.HTTPConnection(host, int(port), timeout=30)
    path = f"/v2/lib/app/blobs/uploads/?digest={CONFIG_DIGEST}"
    assert request(client, "POST", path, CONFIG, "application/octet-stream") == 201
    idle: list[socket.socket] = []
    with suppress(OSError):
        for _ in range(_IDLE):
            idle.append(socket.create_connection((host, int(port)), timeout=5))
    statuses = [put_manifest(client, number) for number in range(_MANIFESTS)]
    assert set(statuses) <= {201, 503}
    for connection in idle:
        connection.close()
    deadline = time.monotonic() + READY_TIMEOUT_S
    while not is_ready(node.http):
        assert time.monotonic() < deadline, "it does not go on by itself"
    assert put_manifest(client, _MANIFESTS) == 201
    client.close()
    node.stop()
    node.fsck()
