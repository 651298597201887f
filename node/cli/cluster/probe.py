"""Ask a node whether it may take traffic, with no more than a socket."""

import asyncio
import contextlib
from typing import Final

from node.settings import Address

_TIMEOUT_S: Final = 2.0
_ANSWER_BYTES_MAX: Final = 16 << 10


async def why_not_ready(address: Address) -> str | None:
    """Ask `/readyz` at *address* once; None means ready. Takes 2 s at the most, raises nothing."""
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            answer = await _get(address, "/readyz")
    except TimeoutError:
        return f"no answer within {_TIMEOUT_S:.0f} s"
    except OSError as exc:
        return f"cannot connect: {exc.strerror or exc}"
    head, _, body = answer.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1:2]
    if status == [b"200"]:
        return None
    return body.decode(errors="replace").strip() or f"answered {head[:40]!r}"


async def _get(address: Address, path: str) -> bytes:
    reader, writer = await asyncio.open_connection(*address)
    try:
        request = f"GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
        writer.write(request.encode())
        await writer.drain()
        answer = b""
        while len(answer) < _ANSWER_BYTES_MAX and (data := await reader.read(_ANSWER_BYTES_MAX)):
            answer += data
        return answer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
