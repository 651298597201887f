"""How a node stops: `/readyz` says no for a while, then the port closes, then what runs may end."""

import asyncio
from contextlib import suppress
from typing import Final, Protocol

CUT_S: Final = 0.05
"""What a request gets to end once it is cut off."""


class Stop:
    """What the process was told by signals. Belongs to one event loop."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        """To stop, with the time that clients and load balancers need."""
        self.hurried = asyncio.Event()
        """To wait no longer: who asks twice means it."""

    def ask(self) -> None:
        """Stop; said again: at once."""
        (self.hurried if self.asked.is_set() else self.asked).set()


class Listener(Protocol):
    """A port, as it closes (`node.http.server`)."""

    async def close(self) -> None:
        """Take no new connection, and no new request on those that there are."""
        ...

    async def wait_idle(self) -> None:
        """Return once no request is running, but for those that stay until the node ends."""
        ...

    async def end(self, grace_s: float) -> None:
        """End the requests that are running, but for those."""
        ...


async def wait(seconds: float, hurried: asyncio.Event) -> None:
    """Wait *seconds*, or until somebody is in a hurry."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await hurried.wait()


async def close(listener: Listener, grace_s: float, hurried: asyncio.Event) -> None:
    """Close the port; what is running has *grace_s* to end, or until somebody is in a hurry."""
    await listener.close()
    idle = asyncio.ensure_future(listener.wait_idle())
    hurry = asyncio.ensure_future(hurried.wait())
    try:
        await asyncio.wait({idle, hurry}, timeout=grace_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for waiter in (idle, hurry):
            waiter.cancel()
    await listener.end(CUT_S)
