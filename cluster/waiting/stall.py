"""Noticing that a stream has stopped without ending."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypeVar

from cluster.errors import PeerUnreachable

T = TypeVar("T")


async def watched(stream: AsyncGenerator[T, None], stall_s: float) -> AsyncGenerator[T, None]:
    """
    Pass *stream* on; closes it at the end, whatever the end is.

    A slow consumer is no stall: only the time spent waiting for the next item counts.

    Raises:
        PeerUnreachable: nothing came for *stall_s* seconds.
    """
    async with aclosing(stream):
        while True:
            try:
                async with asyncio.timeout(stall_s):
                    item = await anext(stream)
            except StopAsyncIteration:
                return
            except TimeoutError as exc:
                raise PeerUnreachable(f"the stream brought nothing for {stall_s} s") from exc
            yield item
