"""Holder rows say the truth: a copy that is not on disk is not counted."""

import pytest

from cluster.errors import StorageFailure
from cluster.model import Digest, Dot, Key, Origin
from cluster.objects.events import Hold
from node.copies.holdings import Holdings
from node.logs import get_logger
from tests.api.conftest import Registry
from tests.builders import an_event


async def test_rows_without_a_file_are_taken_back(registry: Registry):
    kept = await registry.push_blob("lib/app", b"kept")
    lost = await registry.push_blob("lib/app", b"lost")
    cut = await registry.push_blob("lib/app", b"cut short")
    [lost_file] = (registry.data_dir / "blobs").rglob(lost.encoded)
    lost_file.unlink()
    [cut_file] = (registry.data_dir / "blobs").rglob(cut.encoded)
    cut_file.write_bytes(b"cut")
    replica = registry.index.replica
    await Holdings(replica, registry.blobs, get_logger("holdings")).verify()
    assert list(replica.holders(kept)) == ["solo"]
    assert list(replica.holders(lost)) == list(replica.holders(cut)) == []
    assert len(registry.index.journal.own) == 1


async def test_cached_copies_without_a_file_are_forgotten(registry: Registry):
    """Broken: a pull of such a blob meets its missing file each time."""
    kept, lost = Digest.of(b"kept"), Digest.of(b"lost")
    await registry.blobs.put(kept, b"kept")
    replica = registry.index.replica
    for digest in (kept, lost):
        await replica.cache(digest, 4)
    await Holdings(replica, registry.blobs, get_logger("holdings")).verify()
    assert (replica.size_here(kept), replica.size_here(lost)) == (4, None)


async def test_a_blob_pushed_again_counts_again(registry: Registry):
    digest = await registry.push_blob("lib/app", b"data")
    [file] = (registry.data_dir / "blobs").rglob(digest.encoded)
    file.unlink()
    holdings = Holdings(registry.index.replica, registry.blobs, get_logger("holdings"))
    await holdings.verify()
    assert list(registry.index.replica.holders(digest)) == []
    await registry.push_blob("lib/app", b"data")
    assert list(registry.index.replica.holders(digest)) == ["solo"]
    await holdings.verify()
    assert list(registry.index.replica.holders(digest)) == ["solo"]


async def test_a_disk_that_cannot_tell_changes_nothing(registry: Registry, monkeypatch):
    """P9. At a start that is an error: peers would count rows that nobody has looked after."""
    digest = await registry.push_blob("lib/app", b"data")

    def broken(asked: object) -> None:
        raise StorageFailure("Input/output error")

    monkeypatch.setattr(registry.blobs, "size", broken)
    holdings = Holdings(registry.index.replica, registry.blobs, get_logger("holdings"))
    with pytest.raises(StorageFailure, match="Input/output"):
        await holdings.verify()
    await holdings.renew()
    assert list(registry.index.replica.holders(digest)) == ["solo"]


async def test_an_index_that_cannot_be_read_ends_no_node_that_serves(
    registry: Registry, monkeypatch
):
    """Broken: one read error in the moment in which a node is ready, and its process ends."""
    digest = await registry.push_blob("lib/app", b"data")

    def broken(*asked: object) -> None:
        raise StorageFailure("Input/output error")

    holdings = Holdings(registry.index.replica, registry.blobs, get_logger("holdings"))
    with monkeypatch.context() as failing:
        failing.setattr(registry.index.journal.store, "scan", broken)
        await holdings.renew()
    assert list(registry.index.replica.holders(digest)) == ["solo"]


@pytest.mark.parametrize("is_here", [True, False])
async def test_rows_that_came_back_from_peers_are_looked_after(registry: Registry, is_here: bool):
    """They count for nobody: what was brought over with the files has to be said anew."""
    before = await registry.push_blob("lib/app", b"before")
    index = registry.index
    origin = Origin("solo", index.replica.origin.epoch - 1)
    digest = Digest.of(b"brought over")
    if is_here:
        await registry.blobs.put(digest, b"brought over")
    body = Hold(held=True, size=len(b"brought over"))
    lost = an_event(Dot(*origin, 1), Key("holder", "", digest), body, stamp=1)
    await index.replica.apply([lost])
    stands = {held.digest: held.stands for held in index.replica.held_here(None, 100)}
    assert stands == {before: True, digest: False}
    await Holdings(index.replica, registry.blobs, get_logger("holdings")).renew()
    assert all(held.stands for held in index.replica.held_here(None, 100))
    assert (digest in {held.digest for held in index.replica.held_here(None, 100)}) == is_here


async def test_rows_that_are_being_replaced_are_checked_afterwards(registry: Registry):
    """Broken: a node that takes over an index ends, as the index takes no change meanwhile."""
    lost = await registry.push_blob("lib/app", b"lost")
    [file] = (registry.data_dir / "blobs").rglob(lost.encoded)
    file.unlink()
    registry.index.journal.restoring = True
    holdings = Holdings(registry.index.replica, registry.blobs, get_logger("holdings"))
    await holdings.verify()
    registry.index.journal.restoring = False
    assert {held.digest for held in registry.index.replica.held_here(None, 100)} == {lost}
    await holdings.renew()
    assert not registry.index.replica.held_here(None, 100)
