"""
Bodies that are gathered in memory, and who gives way when they are too many.

A manifest has to be whole before anything can be done with it. Who sends many of them and ends none
would use up the memory of a node, and who is refused for that must not be the next honest client.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, cast

from aiohttp import web

from node.errors import RegistryError, TooManyBodies
from node.http.limits import HELD_BYTES


class Interruptible(Protocol):
    """A connection (`node.http.connection`), as this part sees it."""

    def give_up(self, error: RegistryError) -> None:
        """Read no more of the body in progress: its reader raises *error*."""
        ...


def give_up_of(request: web.BaseRequest) -> Callable[[RegistryError], None]:
    """What ends the body of *request*."""
    return cast("Interruptible", request.protocol).give_up


class Gathered:
    """One body on its way in."""

    def __init__(self, request: web.BaseRequest) -> None:
        self.client = request.remote or ""
        self.give_up = give_up_of(request)
        self.pieces: list[bytes] = []
        self.size = 0


class Bodies:
    """All of them on this node."""

    def __init__(self, bytes_max: int = HELD_BYTES.number) -> None:
        self._bytes_max = bytes_max
        self._bodies: dict[Gathered, None] = {}  # the one that began first is the first
        self._bytes = 0

    @property
    def bytes_held(self) -> int:
        return self._bytes

    @contextmanager
    def gather(self, request: web.BaseRequest) -> Iterator[Gathered]:
        """Hold the body of *request* until it is whole, or has to give way."""
        body = Gathered(request)
        self._bodies[body] = None
        try:
            yield body
        finally:
            self._drop(body)

    def add(self, body: Gathered, piece: bytes) -> None:
        """
        Take *piece*.

        When all have too much, the client address that holds the most gives up its oldest body: an
        honest one is here for milliseconds. Behind a load balancer all have one address, and the
        oldest of all goes. Its reader ends with `TooManyBodies`.
        """
        body.pieces.append(piece)
        if body in self._bodies:
            body.size += len(piece)
            self._bytes += len(piece)
        while self._bytes > self._bytes_max:
            held: Counter[str] = Counter()
            for each in self._bodies:
                held[each.client] += each.size
            heaviest = max(held, key=held.__getitem__)
            victim = next(each for each in self._bodies if each.client == heaviest and each.size)
            self._drop(victim)
            victim.pieces.clear()
            victim.give_up(TooManyBodies(self._bytes_max))

    def _drop(self, body: Gathered) -> None:
        if body in self._bodies:
            del self._bodies[body]
            self._bytes -= body.size
