"""Whether a blob is here is answered from memory: no request asks the disk on the event loop."""

import os
import threading

import pytest

from node.copies.holdings import Holdings
from node.logs import get_logger
from tests.api.conftest import Registry


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The blob files whose state somebody asked for on the event loop."""
    found: list[str] = []
    loop = threading.current_thread()

    def noted(name: str) -> None:
        ask = getattr(os, name)

        def noting(path: object, *args: object, **options: object) -> object:
            if threading.current_thread() is loop and "/blobs/" in str(path):
                found.append(f"{name} {path}")
            return ask(path, *args, **options)

        monkeypatch.setattr(os, name, noting)

    for name in ("stat", "lstat", "access", "scandir", "listdir"):
        noted(name)
    return found


async def test_no_request_asks_the_disk_whether_a_blob_is_here(
    registry: Registry, asked: list[str]
):
    """Broken: a directory that the kernel has forgotten holds up every client of the node."""
    digest = await registry.push_blob("lib/app", b"data" * 100_000)
    manifest = await registry.push_image("lib/app", "v1")
    for path in (f"blobs/{digest}", "manifests/v1", f"manifests/{manifest}"):
        for method in ("GET", "HEAD"):
            assert (await registry.call(method, f"/v2/lib/app/{path}")).status == 200
    part = {"Range": "bytes=5-9"}
    assert (await registry.call("GET", f"/v2/lib/app/blobs/{digest}", headers=part)).status == 206
    assert (await registry.call("GET", f"/v2/lib/app/blobs/sha256:{'0' * 64}")).status == 404
    mount = f"/v2/lib/other/blobs/uploads/?mount={digest}&from=lib/app"
    assert (await registry.call("POST", mount)).status == 201
    await Holdings(registry.index.replica, registry.blobs, get_logger("holdings")).verify()
    assert asked == []


async def test_the_disk_is_asked_by_a_thread(registry: Registry, asked: list[str]):
    digest = await registry.push_blob("lib/app", b"data")
    assert await registry.blobs.measure([digest]) == [4]
    assert asked == []
    assert registry.blobs.size(digest) == 4
    assert len(asked) == 1, "this test would notice"


async def test_a_file_that_is_gone_is_no_answer_with_other_bytes(registry: Registry):
    """Broken: what memory says is taken for the blob."""
    digest = await registry.push_blob("lib/app", b"data")
    [file] = (registry.data_dir / "blobs").rglob(digest.encoded)
    file.unlink()
    assert registry.index.replica.held_size(digest) == 4
    assert (await registry.call("GET", f"/v2/lib/app/blobs/{digest}")).status == 503
