"""The body of one request of an upload: from the client to the staging, within its bounds."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final, NamedTuple

from node.errors import BlobTooLarge, BodyIncomplete, BodyStalled, RegistryError, SizeInvalid
from node.registry.ports import StagedUpload

CUT: Final = (BodyIncomplete, BodyStalled, asyncio.CancelledError)
"""A body that ended before its end: the client is gone, stalls, or this node is stopping."""

_APPEND_BYTES: Final = 1 << 20
"""Bytes gathered before they go to the disk thread: one hand-over per MiB, two MiB per upload."""

_GATHERED_BYTES: Final = 64 << 20
_GATHER_MIN_BYTES: Final = 64 << 10
"""With many uploads open each gathers less: they may all be slow, and hold what they gather."""


class Chunk(NamedTuple):
    """
    The body of one request.

    *start* is where the client says it belongs, *length* how many bytes it says there are; None
    where it does not say.
    """

    body: AsyncGenerator[bytes, None]
    start: int | None = None
    length: int | None = None
    give_up: Callable[[RegistryError], None] | None = None
    """Has *body* raise this error instead of going on."""


def gather_bytes(uploads_open: int) -> int:
    """How much each may gather: all of them together no more than `_GATHERED_BYTES`."""
    share = _GATHERED_BYTES // max(1, uploads_open)
    return max(_GATHER_MIN_BYTES, min(_APPEND_BYTES, share))


async def pour(
    staged: StagedUpload, chunk: Chunk, blob_max_bytes: int, to_gather: Callable[[], int]
) -> None:
    """
    Write the body while the next piece of it is being received.

    Args:
        blob_max_bytes: how much *staged* may have then; 0 for no limit.
        to_gather: tells how much to gather before it is written.

    Raises:
        SizeInvalid, BlobTooLarge: it has not the announced length, or too much of it.
        BodyIncomplete, BodyStalled, CancelledError: what came before is written.
    """
    before = staged.offset
    received = 0
    gathered: list[bytes] = []
    gathered_bytes = 0
    writing: asyncio.Task[None] | None = None
    cut: BaseException | None = None
    try:
        async with aclosing(chunk.body) as body:
            async for piece in body:
                received += len(piece)
                _check_size(before + received, received, chunk.length, blob_max_bytes)
                gathered.append(piece)
                gathered_bytes += len(piece)
                if gathered_bytes >= to_gather():
                    if writing is not None:
                        await writing
                    writing = asyncio.create_task(staged.append(b"".join(gathered)))
                    gathered, gathered_bytes = [], 0
    except CUT as exc:
        cut = exc
    finally:
        if writing is not None:
            await asyncio.shield(writing)
    if cut is None:
        _check_complete(received, chunk.length)
    if gathered:
        await staged.append(b"".join(gathered))
    if cut is not None:
        raise cut


async def take_whole(chunk: Chunk, blob_max_bytes: int) -> bytes:
    """
    The body in memory; for one whose announced length is small.

    Raises:
        SizeInvalid, BlobTooLarge, BodyIncomplete, BodyStalled: it could not be had.
    """
    pieces: list[bytes] = []
    received = 0
    async with aclosing(chunk.body) as body:
        async for piece in body:
            received += len(piece)
            _check_size(received, received, chunk.length, blob_max_bytes)
            pieces.append(piece)
    _check_complete(received, chunk.length)
    return b"".join(pieces)


def _check_size(total: int, received: int, announced: int | None, limit: int) -> None:
    if announced is not None and received > announced:
        raise SizeInvalid(f"more than the announced {announced} bytes came")
    if limit and total > limit:
        raise BlobTooLarge(limit)


def _check_complete(received: int, announced: int | None) -> None:
    if announced is not None and received != announced:
        raise SizeInvalid(f"{announced} bytes were announced, {received} came")
