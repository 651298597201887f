"""A disk that fails is known, and so is its recovery."""

import asyncio
import errno
import os

import pytest

from cluster.model import Digest
from node.blobs import health
from node.blobs.errors import DiskFailure
from node.blobs.filesystem import FilesystemBlobs
from node.blobs.health import DiskHealth


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(health, "_FAILING_S", 0.01)


async def until(condition):
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.mark.parametrize(
    ("number", "reads_work"),
    [(errno.EIO, False), (errno.EROFS, True), (errno.EMFILE, False), (errno.ENFILE, False)],
)
async def test_a_failing_disk_is_noticed_without_traffic_and_recovers_by_itself(
    tmp_path, monkeypatch, number, reads_work
):
    """Broken: one bad minute of a disk, and the node is not ready until it is restarted."""
    real, fails = os.open, [True]

    def sometimes(path, *args, **more):
        if fails[0]:
            raise OSError(number, os.strerror(number))
        return real(path, *args, **more)

    monkeypatch.setattr(os, "open", sometimes)
    disk = DiskHealth(str(tmp_path / "probe"))
    task = asyncio.create_task(disk.watch())
    await until(lambda: disk.failing is not None)
    assert os.strerror(number) in disk.failing
    assert "by itself" in disk.failing
    assert disk.reads_work is reads_work
    fails[0] = False
    await until(lambda: disk.failing is None)
    assert disk.reads_work
    assert os.listdir(tmp_path) == []
    task.cancel()


async def test_an_error_of_one_file_passes_with_the_next_probe(tmp_path):
    """Broken: a node with one bad sector gets no traffic for half a minute."""
    disk = DiskHealth(str(tmp_path / "probe"))
    task = asyncio.create_task(disk.watch())
    await until(lambda: disk._wake() is None)  # the watch has begun
    disk.note(OSError(errno.EIO, "Input/output error"))
    assert disk.failures == 1
    assert "Input/output error" in disk.failing
    await until(lambda: disk.failing is None)
    task.cancel()


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "full"),
        OSError(errno.EDQUOT, "quota"),
        FileNotFoundError(errno.ENOENT, "gone"),
    ],
)
def test_what_is_no_sign_of_a_failing_disk(tmp_path, error):
    """Broken: a full disk, which serves reads, is taken for a broken one."""
    disk = DiskHealth(str(tmp_path / "probe"))
    disk.note(error)
    assert disk.failing is None
    assert disk.failures == 0


async def test_a_full_disk_does_not_fail_the_probe(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    disk = DiskHealth(str(tmp_path / "probe"))
    disk.note(OSError(errno.EIO, "Input/output error"))
    disk._look()
    assert disk.failing is None


@pytest.mark.parametrize("call", ["fsync", "pwrite"])
async def test_a_step_of_the_store_that_fails_is_noted(tmp_path, monkeypatch, call):
    """Broken: pushes fail one after the other, and `/readyz` says ready."""
    async with FilesystemBlobs(tmp_path) as blobs:

        def broken(*_):
            raise OSError(errno.EIO, "Input/output error")

        with monkeypatch.context() as failing:
            failing.setattr(os, call, broken)
            with pytest.raises(DiskFailure, match="Input/output"):
                await blobs.put(Digest.of(b"x"), b"x")
            assert blobs.health.failing is not None
            assert blobs.statistics().disk_failures == 1
            blobs.health._look()
            assert blobs.health.failing is not None
        blobs.health._look()
        assert blobs.health.failing is None
