"""The hash of all of a file."""

import hashlib
import os
from collections.abc import Callable
from typing import Final

_READ_BYTES: Final = 1 << 20


def hash_file(
    fd: int, algorithm: str, advance: Callable[[int], None] = lambda count: None
) -> tuple[str, int]:
    """
    The hash of an open file, in hex, and how many bytes it has. Blocks.

    *advance* hears of the bytes of each step; what it raises ends the hashing.
    """
    hasher, buffer, size = hashlib.new(algorithm), memoryview(bytearray(_READ_BYTES)), 0
    while got := os.preadv(fd, [buffer], size):
        hasher.update(buffer[:got])
        size += got
        advance(got)
    return hasher.hexdigest(), size
