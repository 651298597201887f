"""
A range of a file on its way to a client's socket, in threads.

A small pool copies from the page cache to a duplicate of the connection's socket. One bulk transfer
takes turns with the others, so a few threads serve any number of clients, and a client that does
not keep up costs no thread at all: the event loop waits for it.

Why a copy and not `sendfile(2)`: measured over loopback (four clients, 256 MiB file, two cores)
a copy through one reused buffer that stays in the CPU's second-level cache moved 1.2 to 1.4 times
the bytes of `sendfile`, which hands cold page-cache pages to the receiver one by one. The price:
next to four such transfers a client of small requests gets about a fifth fewer of them.
"""

import array
import asyncio
import os
import select
import socket
import termios
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from enum import Enum, auto
from fcntl import ioctl
from typing import Final

from node.http.filesource import OTHER_BYTES, SourceFailed, read_some
from node.http.limits import STALL
from node.registry.ports import ContentCheck

CHUNK_BYTES: Final = 128 * 1024
"""Bytes per system call. Higher makes fewer calls; beyond the second-level cache the copy slows."""

UNSENT_MAX_BYTES: Final = 128 * 1024
"""Bytes that the kernel queues beyond the congestion window (TCP_NOTSENT_LOWAT). Lower wakes us
more often; higher pushes the bytes out of the CPU's caches before they are sent (measured: 20 %
slower) and pins memory for slow clients. It does not limit what is in flight on a long path."""

SENDER_THREADS: Final = 4
"""Clients served at the same moment. Copying saturates a core, so more than a few gain nothing;
fewer make clients wait for a disk read that somebody else needs."""

TURN_S: Final = 0.05
"""How long one client may keep a thread before the next in line gets it."""

PATIENCE_MS: Final = 20
"""How long a thread waits for a client's socket. It spares a quick client the way through the
event loop; a client that exhausts it once is waited for in the loop from then on."""

LOOKS: Final = 60
"""How often to look within `STALL` whether a client takes anything. With one, what its
kernel takes at the beginning counts as progress a whole timeout later."""

_THREADS: Final = ThreadPoolExecutor(SENDER_THREADS, thread_name_prefix="atoll-sendfile")
"""Threads start on first use and belong to the process: turns are bounded, so they never delay
its exit by more than `TURN_S`. Waiting turns queue without loss, at most one per connection."""

_LOCAL: Final = threading.local()


class _Turn(Enum):
    """How a thread's turn at a client ended."""

    DONE = auto()
    OVER = auto()
    BLOCKED = auto()


class Transmission:
    """
    One file range on its way to one socket.

    Owns duplicates of both descriptors, so that a thread that is still in a system call when the
    request is cancelled can never touch a number that has been given to another file. The event
    loop and at most one thread use it, never both at once, except for `stop`.
    """

    def __init__(
        self,
        sock: socket.socket,
        fd: int,
        offset: int,
        count: int,
        check: ContentCheck | None = None,
    ) -> None:
        self._position = offset
        self._end = offset + count
        self._check = check
        self._stopped = False
        self._patience_ms = PATIENCE_MS
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_MAX_BYTES)
        self._file = os.dup(fd)
        try:
            self._socket = os.dup(sock.fileno())
        except OSError:
            os.close(self._file)
            raise
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLOUT)

    def take_turn(self) -> _Turn:
        """Send until done, the turn is over or the client does not keep up. Runs in a thread."""
        buffer = _thread_buffer()
        over_at = time.monotonic() + TURN_S
        while self._position < self._end:
            if self._stopped or time.monotonic() > over_at:
                return _Turn.OVER
            want = min(CHUNK_BYTES, self._end - self._position)
            got = read_some(self._file, buffer[:want], self._position)
            if self._check is not None and self._position + got == self._end:
                if not self._check.completes(buffer[:got]):
                    raise SourceFailed(OTHER_BYTES)
                self._check = None
            if not self._send(buffer[:got]):
                return _Turn.BLOCKED
        return _Turn.DONE

    def _send(self, data: memoryview) -> bool:
        """
        Send all of *data*; False when the client is too slow for that.

        What was not sent is read again in the next turn, which spares a buffer per client.
        """
        sent = 0
        while sent < len(data):
            try:
                n = os.write(self._socket, data[sent:])
            except BlockingIOError:
                if not self._poll.poll(self._patience_ms):
                    self._patience_ms = 0
                    return False
            except OSError as exc:
                raise ConnectionResetError("the client went away") from exc
            else:
                if self._check is not None:
                    self._check.update(data[sent : sent + n])
                sent += n
                self._position += n
        return True

    async def wait_writable(self) -> None:
        """
        Wait in the event loop until the socket takes more, as long as the client takes any.

        Raises:
            ConnectionResetError: it took nothing for `STALL`.
        """
        loop = asyncio.get_running_loop()
        since = loop.time()
        queued, stalled = self._queued_bytes(), 0
        while not await self._becomes_writable(loop):
            # The kernel reports room only when half of its queue is free, so silence alone
            # does not mean that nothing moves.
            before, queued = queued, self._queued_bytes()
            stalled = stalled + 1 if queued >= before else 0
            if stalled >= LOOKS:
                raise ConnectionResetError(f"the client took nothing for {STALL.number} s")
        if (loop.time() - since) * 1000 < PATIENCE_MS:
            self._patience_ms = PATIENCE_MS

    async def _becomes_writable(self, loop: asyncio.AbstractEventLoop) -> bool:
        ready = loop.create_future()
        loop.add_writer(self._socket, _set_ready, ready)
        try:
            async with asyncio.timeout(STALL.number / LOOKS):
                await ready
        except TimeoutError:
            return False
        finally:
            loop.remove_writer(self._socket)
        return True

    def _queued_bytes(self) -> int:
        """Bytes that the client has not acknowledged."""
        queued = array.array("i", [0])
        ioctl(self._socket, termios.TIOCOUTQ, queued)
        return queued[0]

    def stop(self, turn: Future[_Turn]) -> None:
        """Close the descriptors as soon as the thread of the last *turn* has left them."""
        self._stopped = True
        turn.add_done_callback(self._close)

    def _close(self, _: Future[_Turn]) -> None:
        os.close(self._socket)
        os.close(self._file)


def _set_ready(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def _thread_buffer() -> memoryview:
    """The calling thread's own buffer of `CHUNK_BYTES`."""
    buffer: memoryview | None = getattr(_LOCAL, "buffer", None)
    if buffer is None:
        buffer = _LOCAL.buffer = memoryview(bytearray(CHUNK_BYTES))
    return buffer


async def transmit(
    transport: asyncio.Transport, fd: int, offset: int, count: int, check: ContentCheck | None
) -> None:
    sending = Transmission(transport.get_extra_info("socket"), fd, offset, count, check)
    turn = _THREADS.submit(sending.take_turn)
    try:
        while (outcome := await asyncio.wrap_future(turn)) is not _Turn.DONE:
            if outcome is _Turn.BLOCKED:
                await sending.wait_writable()
            if transport.is_closing():
                raise ConnectionResetError("the connection is closing")
            turn = _THREADS.submit(sending.take_turn)
    finally:
        sending.stop(turn)
