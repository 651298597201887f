"""Whether the disk below the blob store works."""

import asyncio
import errno
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

_HEALTHY_S: Final = 30.0
"""Between two looks at a disk that works: a filesystem that turned read-only is known this soon,
also where nobody pushes."""

_FAILING_S: Final = 5.0
"""Between two looks at one that does not."""

_PROBE: Final = b"atoll" * 100

_ELSEWHERE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.ENOENT, errno.ECANCELED})
"""No sign of a failing disk: that it is full is said elsewhere, and reads go on."""

_WAYS_OUT: Final = {
    errno.EMFILE: "raise the limit of open files of this process (ulimit -n)",
    errno.ENFILE: "raise the limit of open files of this machine (fs.file-max)",
    errno.EROFS: "repair the filesystem and mount it writable again",
    errno.EACCES: "let the user of this process read and write the data directory",
    errno.EPERM: "let the user of this process read and write the data directory",
}
_WAY_OUT: Final = "see the kernel's log; repair or replace the disk"


class DiskHealth:
    """
    Says that the disk fails from the first error on until a probe goes well.

    A probe writes, syncs, reads and removes a small file: at once after an error, and now and then
    without one. So one file that cannot be read, on a disk that works, is forgotten in a moment.
    """

    def __init__(self, probe_path: str) -> None:
        self._probe_path = probe_path
        self._lock = threading.Lock()
        self._wake: Callable[[], object] = lambda: None
        self.failing: str | None = None
        """What is the matter and what to do about it, in one sentence; None when all is well."""
        self.reads_work = True
        """Whether it can still be read: false while it fails, unless it is just read-only."""
        self.failures = 0
        """Errors of the disk since the start."""

    def note(self, error: OSError) -> None:
        """The disk refused a call. From any thread."""
        if error.errno in _ELSEWHERE:
            return
        with self._lock:
            self.failures += 1
            self._fails(error)
        self._wake()

    async def watch(self) -> None:
        """Probe until cancelled."""
        loop, woken = asyncio.get_running_loop(), asyncio.Event()
        self._wake = lambda: loop.call_soon_threadsafe(woken.set)
        try:
            while True:
                woken.clear()
                # A thread of its own: those of the store may all be waiting for the disk.
                await asyncio.to_thread(self._look)
                with suppress(TimeoutError):
                    async with asyncio.timeout(_HEALTHY_S if self.failing is None else _FAILING_S):
                        await woken.wait()
        finally:
            self._wake = lambda: None

    def _look(self) -> None:
        before = self.failures
        try:
            self._probe()
        except OSError as exc:
            if exc.errno not in _ELSEWHERE:
                with self._lock:
                    self._fails(exc)
                return
        with self._lock:
            # What failed while the probe ran is looked at by the next one.
            if self.failures == before:
                self.failing, self.reads_work = None, True

    def _fails(self, error: OSError) -> None:
        self.failing, self.reads_work = _sentence(error), error.errno == errno.EROFS

    def _probe(self) -> None:
        fd = os.open(self._probe_path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            os.pwrite(fd, _PROBE, 0)
            os.fsync(fd)
            if os.pread(fd, len(_PROBE), 0) != _PROBE:
                raise OSError(errno.EIO, "what was written is not what is read")
        finally:
            os.close(fd)
            with suppress(FileNotFoundError):
                os.unlink(self._probe_path)


def _sentence(error: OSError) -> str:
    # Not `str(error)`: with the name of a file each error would be a new one.
    way_out = _WAYS_OUT.get(error.errno or 0, _WAY_OUT)
    return f"{error.strerror}: {way_out}; this node goes on by itself then"
