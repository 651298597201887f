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
    gathered: list[bytes] = []
    gathered_bytes = 0
    writing: asyncio.Task[None] | None = None
    cut: BaseException | None = None
    try:
        async with aclosing(_checked(chunk, staged.offset, blob_max_bytes)) as body:
            async for piece in body:
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
    async with aclosing(_checked(chunk, 0, blob_max_bytes)) as body:
        return b"".join([piece async for piece in body])


async def _checked(chunk: Chunk, before: int, limit: int) -> AsyncGenerator[bytes, None]:
    """The body, which comes behind *before* bytes, as long as it keeps to what was announced."""
    received = 0
    async with aclosing(chunk.body) as body:
        async for piece in body:
            received += len(piece)
            if chunk.length is not None and received > chunk.length:
                raise SizeInvalid(f"more than the announced {chunk.length} bytes came")
            if limit and before + received > limit:
                raise BlobTooLarge(limit)
            yield piece
    if chunk.length is not None and received != chunk.length:
        raise SizeInvalid(f"{chunk.length} bytes were announced, {received} came")
