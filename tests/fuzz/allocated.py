"""How much memory this process uses."""

import ctypes
from pathlib import Path
from typing import Final

_PAGE: Final = 4096


class _Mallinfo(ctypes.Structure):
    """`struct mallinfo2` of glibc 2.33 (malloc.h)."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd",
            "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
        )
    ]  # fmt: skip

    fordblks: int


def used_bytes() -> int:
    """
    Bytes that are in memory, and that somebody uses.

    Without what may be shared: files of the programs, and the table of verified blobs, which has
    its size from the start and is touched bit by bit. And without what was freed and is too much in
    pieces to be given back: manifests of some MiB leave 30 MiB of that, and then no more.
    """
    libc = ctypes.CDLL(None)
    libc.mallinfo2.restype = _Mallinfo
    libc.malloc_trim(ctypes.c_size_t(0))
    _, resident, shareable, *_ = map(int, Path("/proc/self/statm").read_text().split())
    freed: _Mallinfo = libc.mallinfo2()
    return (resident - shareable) * _PAGE - freed.fordblks
