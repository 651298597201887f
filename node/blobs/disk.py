"""
The threads of the blob store, and what makes them safe to share with cancellable tasks.

A thread cannot be cancelled. So a descriptor is closed only when no thread uses it any more
(`OpenFile`), and what concerns one staging file runs strictly one step after the other, even if
the task that asked for the last step is long gone (`BlobDisk.run_in_turn`).
"""

import asyncio
import ctypes
import errno
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Final, TypeVar, TypeVarTuple, cast

from cluster.errors import StorageFull
from node.blobs.errors import DiskFailure
from node.blobs.health import DiskHealth

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class BlobDisk:
    """
    The only place where the blob store blocks, and its edge: an OSError of the system leaves as
    `StorageFull` or `DiskFailure` (P9).

    Used from one event loop. The queue in front of the threads holds at most one step per staging
    name plus what readers and `put` wait for, all of which their callers bound.
    """

    def __init__(self, threads: int, health: DiskHealth) -> None:
        self.health = health
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="atoll-blobs")
        self._in_turn: dict[str, asyncio.Future[object]] = {}

    def submit(self, call: Callable[[*Ts], T], *args: *Ts) -> Future[T]:
        """Run *call* in a thread."""
        return self._pool.submit(self._carry_out, partial(call, *args))

    async def run(self, call: Callable[[*Ts], T], *args: *Ts) -> T:
        """Run *call* in a thread. On cancellation it runs to its end or not at all."""
        return await asyncio.wrap_future(self.submit(call, *args))

    async def run_in_turn(
        self, name: str, admit: Callable[[], None], call: Callable[[*Ts], T], *args: *Ts
    ) -> T:
        """
        Run *call* in a thread after all earlier steps for *name* have ended.

        *admit* is called in the event loop just before and may refuse by raising. On cancellation
        a step that has started goes on to its end, and the next one waits for it.
        """
        while (earlier := self._in_turn.get(name)) is not None:
            await asyncio.wait([earlier])
        admit()
        step = asyncio.wrap_future(self.submit(call, *args))
        self._in_turn[name] = step  # type: ignore[assignment] # Future is invariant; only awaited
        step.add_done_callback(lambda _: self._in_turn.pop(name))
        return await asyncio.shield(step)

    def after_turn(self, name: str, call: Callable[[], None]) -> None:
        """Call *call* in the event loop: now, or when the running step for *name* has ended."""
        running = self._in_turn.get(name)
        if running is None:
            call()
        else:
            running.add_done_callback(lambda _: call())

    def _carry_out(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except OSError as exc:
            self.health.note(exc)
            if exc.errno in _FULL:
                raise StorageFull(os.strerror(exc.errno)) from exc
            raise DiskFailure(exc) from exc

    async def close(self) -> None:
        """Let every started step end, then stop the threads."""
        await asyncio.to_thread(self._pool.shutdown)


class OpenFile:
    """A file descriptor with several users; the last one to let go closes it. Thread-safe."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._users = 1
        self._lock = threading.Lock()

    def share(self) -> None:
        """Add a user."""
        with self._lock:
            assert self._users > 0, "the file is closed"
            self._users += 1

    def close(self) -> None:
        """Remove a user."""
        with self._lock:
            self._users -= 1
            last = self._users == 0
        if last:
            os.close(self.fd)


async def read_file(
    disk: BlobDisk, file: OpenFile, offset: int, length: int, inline_max: int
) -> bytes:
    """
    Read up to *length* bytes; fewer only at the end of the file.

    Raises:
        DiskFailure: an error is never taken for the end (P9).
    """
    if length <= inline_max:
        try:
            buffer = bytearray(length)
            got = os.preadv(file.fd, [buffer], offset, os.RWF_NOWAIT)
        except OSError as exc:
            # EAGAIN: not in the page cache; EOPNOTSUPP: this filesystem cannot tell.
            if exc.errno not in (errno.EAGAIN, errno.EOPNOTSUPP):
                raise DiskFailure(exc) from exc
        else:
            if got == length:
                return bytes(buffer)
    file.share()
    reading = disk.submit(_read_fully, file.fd, offset, length)
    reading.add_done_callback(lambda _: file.close())
    return await asyncio.wrap_future(reading)


def _read_fully(fd: int, offset: int, length: int) -> bytes:
    data = os.pread(fd, length, offset)
    if not data or len(data) == length:
        return data
    parts = [data]
    missing = length - len(data)
    while missing and (data := os.pread(fd, missing, offset + length - missing)):
        parts.append(data)
        missing -= len(data)
    return b"".join(parts)


def write_fully(fd: int, data: bytes, offset: int) -> None:
    """Write all of *data* at *offset*. Blocks."""
    written = os.pwrite(fd, data, offset)
    if written < len(data):
        rest = memoryview(data)
        while written < len(data):
            written += os.pwrite(fd, rest[written:], offset + written)


def _load_sync_file_range() -> Callable[[int, int, int, int], int] | None:
    """The C library's sync_file_range(2), which Python does not offer; None where there is none."""
    function = getattr(ctypes.CDLL(None), "sync_file_range", None)
    if function is None:
        return None
    function.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    return cast("Callable[[int, int, int, int], int]", function)


_SYNC_FILE_RANGE: Final = _load_sync_file_range()
_SYNC_FILE_RANGE_WRITE: Final = 2


def start_writeback(fd: int, offset: int, length: int) -> None:
    """
    Have the kernel begin to write a range to disk. May block for a moment.

    A hint: it makes nothing durable, so its failure means nothing. What it gains is that the
    `fsync` at the end finds little left to do: 64 MiB took 55 ms in all instead of 75.
    """
    if _SYNC_FILE_RANGE is not None:
        _SYNC_FILE_RANGE(fd, offset, length, _SYNC_FILE_RANGE_WRITE)
