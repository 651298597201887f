"""Bytes of a file for an answer: exactly those that were asked for, or an error that says why."""

import asyncio
import errno
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from cluster.errors import StorageFailure

_READERS: Final = ThreadPoolExecutor(2, thread_name_prefix="atoll-fileread")
"""Reads of uncached small ranges; apart, so that they never queue behind bulk transfers."""

_SHORTER: Final = "it has become shorter"
OTHER_BYTES: Final = "its bytes do not hash to its digest"


class SourceFailed(StorageFailure):
    """The file cannot be read, is shorter than promised, or holds other bytes than it should."""

    def __init__(self, error: OSError | str) -> None:
        super().__init__(str(error))
        self.error = error


async def read(fd: int, offset: int, count: int) -> bytearray:
    """
    Read exactly *count* bytes, in this thread when they are cached, else in another one.

    Raises:
        SourceFailed: the file cannot be read or ends too early.
    """
    data = bytearray(count)
    try:
        got = os.preadv(fd, [data], offset, os.RWF_NOWAIT)
    except OSError as exc:
        # EAGAIN: not in the page cache; EOPNOTSUPP: this filesystem cannot tell.
        if exc.errno not in (errno.EAGAIN, errno.EOPNOTSUPP):
            raise SourceFailed(exc) from exc
        got = 0
    if got < count:
        # The thread gets a descriptor of its own: it may outlive a cancelled request.
        own_fd = os.dup(fd)
        reading = _READERS.submit(_read_rest, own_fd, offset, data, got)
        reading.add_done_callback(lambda _: os.close(own_fd))
        await asyncio.wrap_future(reading)
    return data


def _read_rest(fd: int, offset: int, data: bytearray, got: int) -> None:
    """Fill *data* from its *got*-th byte on. Runs in a thread."""
    view = memoryview(data)
    while got < len(data):
        got += read_some(fd, view[got:], offset + got)


def read_some(fd: int, buffer: memoryview, offset: int) -> int:
    """Read into *buffer*, one byte at least. Blocks."""
    try:
        got = os.preadv(fd, [buffer], offset)
    except OSError as exc:
        raise SourceFailed(exc) from exc
    if got == 0:
        raise SourceFailed(_SHORTER)
    return got
