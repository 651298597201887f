"""A full disk is answered 503 and forgotten as soon as there is room, without a restart."""

import os
import random
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from node.disk.ballast import BYTES
from node.errors import IndexFull
from node.index.rocks import RocksStore
from node.index.store import Mutation
from tests.e2e.processes import is_ready
from tests.e2e.registry_client import Image, Refused, RegistryClient, make_image, registry_clients
from tests.e2e.serve_cluster import ServeProcess
from tests.e2e.small_disk import SmallDisk, small_disk

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk"),
]

_MIB = 1 << 20
_DISK_BYTES = 64 * _MIB
_RESERVE_BYTES = 16 * _MIB
_BLOB_BYTES = 300_000
_PUSHES_MAX = 500


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", _DISK_BYTES) as mounted:
        yield mounted


def node_on(disk: SmallDisk, reserve_bytes: int) -> ServeProcess:
    return ServeProcess.alone(
        disk.path / "node", options=("--disk-reserve-bytes", str(reserve_bytes))
    )


async def push_until_refused(client: RegistryClient, rng: random.Random) -> dict[str, Image]:
    """Push images until one is refused with 503; returns the acknowledged ones by tag."""
    acknowledged: dict[str, Image] = {}
    for number in range(_PUSHES_MAX):
        image = make_image(rng, [_BLOB_BYTES])
        status = await status_of(client.push("lib/app", f"v{number}", image))
        if status != 201:
            assert status == 503
            return acknowledged
        acknowledged[f"v{number}"] = image
    raise AssertionError(f"{_PUSHES_MAX} pushes of {_BLOB_BYTES} bytes went onto a full disk")


@pytest.mark.parametrize("reserve_bytes", [_RESERVE_BYTES, 0], ids=["reserve", "no reserve"])
async def test_pushes_fill_the_disk(disk: SmallDisk, rng: random.Random, reserve_bytes: int):
    """Broken: a node that was filled needs a restart, or has lost what it acknowledged."""
    node = node_on(disk, reserve_bytes)
    node.start()
    try:
        node.wait_ready()
        async with registry_clients([node.http]) as [client]:
            disk.fill(leave_bytes=reserve_bytes + 8 * _MIB)
            acknowledged = await push_until_refused(client, rng)
            assert acknowledged
            assert disk.free_bytes >= reserve_bytes - _BLOB_BYTES
            assert is_ready(node.http), "it can still serve"
            for tag, image in acknowledged.items():
                assert await client.pull("lib/app", tag) == image
            disk.free()
            image = make_image(rng, [_BLOB_BYTES])
            await client.push("lib/app", "after", image)
            assert await client.pull("lib/app", "after") == image
    finally:
        node.stop()
    node.fsck()


async def test_others_fill_the_disk_under_the_index(disk: SmallDisk, rng: random.Random):
    """Broken: the index stays latched after its log met a full disk, or lost acknowledged rows."""
    node = node_on(disk, 0)
    node.start()
    try:
        node.wait_ready()
        async with registry_clients([node.http]) as [client]:
            first = make_image(rng, [1000])
            await client.push("lib/app", "first", first)
            disk.fill()
            statuses = [await status_of(client.tag("lib/app", f"t{i}", first)) for i in range(100)]
            assert set(statuses[:-1]) <= {201, 503}, statuses
            assert statuses[-1] == 503, "its log still had room: nothing was tested"
            assert is_ready(node.http)
            assert await client.pull("lib/app", "first") == first
            disk.free()
            await client.tag("lib/app", "after", first)
            kept = {f"t{i}" for i, status in enumerate(statuses) if status == 201}
            assert {"first", "after", *kept} <= set(await client.tags("lib/app"))
    finally:
        node.stop()
    node.fsck()


@pytest.mark.parametrize("ballast", [True, False], ids=["ballast", "a little room"])
async def test_a_node_starts_on_a_full_disk(disk: SmallDisk, rng: random.Random, ballast: bool):
    """Broken: a node that fills its disk and is restarted serves nothing, and cannot be emptied."""
    node = node_on(disk, _RESERVE_BYTES)
    node.start()
    try:
        node.wait_ready()
        async with registry_clients([node.http]) as [client]:
            images = {f"v{number}": make_image(rng, [_BLOB_BYTES]) for number in range(10)}
            for tag, image in images.items():
                await client.push("lib/app", tag, image)
            node.kill()
            file = node.data_dir / "ballast"
            assert file.stat().st_size == file.stat().st_blocks * 512 == BYTES
            if not ballast:
                file.unlink()
            disk.fill(leave_bytes=0 if ballast else 4 * _MIB)
            node.start()
            node.wait_ready()
            assert not file.exists()
            for tag, image in images.items():
                assert await client.pull("lib/app", tag) == image
            await client.delete_tag("lib/app", "v0")
            assert await status_of(client.push("lib/app", "new", images["v1"])) == 503
            disk.free()
            await client.push("lib/app", "new", images["v1"])
            assert "v0" not in await client.tags("lib/app")
    finally:
        node.stop()
    node.fsck()


async def status_of(call) -> int:
    try:
        await call
    except Refused as refusal:
        return refusal.status
    return 201


def test_the_store_recovers_what_it_synced(disk: SmallDisk):
    """Broken: rows are lost with the torn end of the log, or reads fail on a full disk."""
    store = RocksStore(disk.path / "index")
    rows: list[bytes] = []
    disk.fill(leave_bytes=_MIB // 2)
    with suppress(IndexFull):
        for number in range(_PUSHES_MAX):
            store.write([Mutation("meta", b"%d" % number, os.urandom(4000))])
            store.sync()
            rows.append(b"%d" % number)
    assert 0 < len(rows) < _PUSHES_MAX
    with pytest.raises(IndexFull):
        store.recover()
    assert all(store.get("meta", row) for row in rows)
    disk.free()
    with pytest.raises(IndexFull):
        store.write([Mutation("meta", b"early", b"")])
    store.recover()
    store.write([Mutation("meta", b"after", b"x")])
    store.sync()
    store.close()
    again = RocksStore(disk.path / "index")
    assert all(again.get("meta", row) for row in [*rows, b"after"])
    again.close()


def test_an_index_with_a_long_log_opens_on_a_disk_that_is_nearly_full(disk: SmallDisk):
    """Broken: opening needs as much room as its log has, the more the longer it was."""
    index, crashed = disk.path / "index", disk.path / "crashed"
    store = RocksStore(index)
    rows = {b"%d" % number: os.urandom(4000) for number in range(3000)}
    for key, value in rows.items():
        store.write([Mutation("meta", key, value)])
    store.sync()
    shutil.copytree(index, crashed)
    shutil.copyfile(disk.path / "index.mark", disk.path / "crashed.mark")
    store.close()
    shutil.rmtree(index)
    with max(crashed.glob("*.log")).open("ab") as log:
        log.write(b"torn" * 100)  # of a write that a crash cut off
    disk.fill(leave_bytes=2 * _MIB)
    for number in range(3):
        store = RocksStore(crashed)
        assert store.sequence >= len(rows) + number
        store.write([Mutation("meta", b"start %d" % number, b"")])
        store.sync()
        # Killed: what it wrote is there, and nothing was closed.
        again = disk.path.parent / f"crashed{number}"
        shutil.copytree(crashed, again)
        shutil.copyfile(disk.path / "crashed.mark", disk.path.parent / f"crashed{number}.mark")
        store.close()
        with_room = RocksStore(again)
        assert all(with_room.get("meta", key) == value for key, value in rows.items())
        assert with_room.get("meta", b"start %d" % number) == b""
        with_room.close()
