"""Noticing that a stream has stopped without ending."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final, TypeVar

from cluster.errors import PeerUnreachable

T = TypeVar("T")

DRIP_BYTES_S: Final = 16 << 10
"""What a stream has to bring. With the default `stall_timeout_s`, each full message of any stream
is worth all the patience there is: who sends whole messages may take as long for each."""


async def watched(
    stream: AsyncGenerator[T, None], stall_s: float, size_of: Callable[[T], int]
) -> AsyncGenerator[T, None]:
    """
    Pass *stream* on; closes it at the end, whatever the end is.

    The patience with its source is *stall_s* at first and at most. Waiting takes from that, each
    byte gives 1 / `DRIP_BYTES_S` s back: who sends one byte now and then is as good as silent.
    A slow consumer is no stall: only the time spent waiting for the next item counts.

    Raises:
        PeerUnreachable: the patience is at its end.
    """
    loop, patience_s = asyncio.get_running_loop(), stall_s
    async with aclosing(stream):
        while True:
            asked_s = loop.time()
            try:
                async with asyncio.timeout(patience_s):
                    item = await anext(stream)
            except StopAsyncIteration:
                return
            except TimeoutError as exc:
                raise PeerUnreachable(f"the stream brought too little for {stall_s} s") from exc
            patience_s -= loop.time() - asked_s
            patience_s = min(stall_s, patience_s + size_of(item) / DRIP_BYTES_S)
            yield item
