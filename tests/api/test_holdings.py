"""Holder rows say the truth: a copy that is not on disk is not counted."""

import pytest

from cluster.model import Digest
from node.holdings import Holdings
from node.logs import get_logger
from tests.api.conftest import Registry


async def test_rows_without_a_file_are_taken_back(registry: Registry):
    kept = await registry.push_blob("lib/app", b"kept")
    lost = await registry.push_blob("lib/app", b"lost")
    cut = await registry.push_blob("lib/app", b"cut short")
    [lost_file] = (registry.data_dir / "blobs").rglob(lost.encoded)
    lost_file.unlink()
    [cut_file] = (registry.data_dir / "blobs").rglob(cut.encoded)
    cut_file.write_bytes(b"cut")
    replica = registry.index.replica
    holdings = Holdings(replica, registry.blobs, get_logger("holdings"))
    assert await holdings.check() == 2
    assert list(replica.holders(kept)) == ["solo"]
    assert list(replica.holders(lost)) == list(replica.holders(cut)) == []
    assert registry.index.journal.totals.blobs == 1
    assert await holdings.check() == 0


async def test_a_blob_pushed_again_counts_again(registry: Registry):
    digest = await registry.push_blob("lib/app", b"data")
    [file] = (registry.data_dir / "blobs").rglob(digest.encoded)
    file.unlink()
    holdings = Holdings(registry.index.replica, registry.blobs, get_logger("holdings"))
    assert await holdings.check() == 1
    await registry.push_blob("lib/app", b"data")
    assert list(registry.index.replica.holders(digest)) == ["solo"]
    assert await holdings.check() == 0


async def test_a_disk_that_cannot_tell_changes_nothing(registry: Registry, monkeypatch):
    digest = await registry.push_blob("lib/app", b"data")

    def broken(asked: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(registry.blobs, "size", broken)
    holdings = Holdings(registry.index.replica, registry.blobs, get_logger("holdings"))
    assert await holdings.check() == 0
    assert list(registry.index.replica.holders(digest)) == ["solo"]


async def test_what_was_brought_over_to_a_new_disk_counts_again(registry: Registry):
    """Rows of an earlier store count for nobody, so files that are here need rows of this one."""
    digest = await registry.push_blob("lib/app", b"data")
    replica = registry.index.replica
    registry.index.journal.store_id += 1
    assert list(replica.holders(digest).values()) != [registry.index.journal.store_id]
    assert await Holdings(replica, registry.blobs, get_logger("holdings")).check() == 0
    assert replica.holders(digest) == {"solo": registry.index.journal.store_id}


@pytest.mark.parametrize("begun", ["before", "meanwhile"])
async def test_rows_that_are_being_replaced_are_left_alone(
    registry: Registry, monkeypatch, begun: str
):
    """Broken: a node that takes over an index ends, as the index takes no change meanwhile."""
    lost = await registry.push_blob("lib/app", b"lost")
    [file] = (registry.data_dir / "blobs").rglob(lost.encoded)
    file.unlink()
    journal, size = registry.index.journal, registry.blobs.size

    def size_then(digest: Digest) -> int | None:
        journal.restoring = True
        return size(digest)

    if begun == "before":
        journal.restoring = True
    else:
        monkeypatch.setattr(registry.blobs, "size", size_then)
    holdings = Holdings(registry.index.replica, registry.blobs, get_logger("holdings"))
    assert await holdings.check() == 0
    monkeypatch.undo()
    journal.restoring = False
    assert await holdings.check() == 1
