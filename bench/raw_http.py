"""
HTTP/1.1 over a plain blocking socket: as little client as possible.

The client shares two cores with the server it measures, so what it spends is missing there.
Socket calls release the GIL; use one connection per thread.
"""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

TIMEOUT_S: Final = 60.0
_HEAD_BYTES_MAX: Final = 64 << 10
_DISCARD_BYTES: Final = 4 << 20


class UnexpectedAnswer(Exception):
    """The server did not do what the benchmark asked, so its speed says nothing."""


@dataclass(frozen=True)
class Answer:
    """Status, headers (lower-case names) and body of a response."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Connection:
    """One kept-alive connection. Use as a context manager, from one thread."""

    def __init__(self, address: str, fields: Mapping[str, str] | None = None) -> None:
        """*fields* go with each request."""
        self._address = address
        self._fields = dict(fields or {})
        host, _, port = address.partition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def request(
        self,
        method: str,
        target: str,
        expected: int | None,
        *,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request, read the whole answer; its status must be *expected*, if given."""
        self._send(method, target, body, headers or {})
        status, answered, rest = self._read_head()
        length = int(answered.get("content-length", "0"))
        content = rest + self._read_exactly(length - len(rest))
        if expected is not None and status != expected:
            raise UnexpectedAnswer(f"{method} {target}: {status} {content[:300]!r}")
        return Answer(status, answered, content)

    def download(self, target: str) -> int:
        """Read a body without looking at it, and return its length in bytes."""
        self._send("GET", target, b"", {})
        status, headers, rest = self._read_head()
        length = int(headers["content-length"])
        if status != 200:
            raise UnexpectedAnswer(f"GET {target}: {status}")
        missing = length - len(rest)
        sink = bytearray(_DISCARD_BYTES)
        while missing > 0:
            # MSG_TRUNC makes the kernel count the bytes and drop them without a copy (tcp(7)).
            got = self._socket.recv_into(sink, min(missing, _DISCARD_BYTES), socket.MSG_TRUNC)
            if got == 0:
                raise UnexpectedAnswer(f"GET {target}: {missing} bytes are missing")
            missing -= got
        return length

    def _send(self, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> None:
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self._address}"]
        if body or method in ("POST", "PUT", "PATCH"):
            lines.append(f"Content-Length: {len(body)}")
        lines += [f"{name}: {value}" for name, value in {**self._fields, **headers}.items()]
        head = "\r\n".join([*lines, "", ""]).encode()
        if len(body) > _HEAD_BYTES_MAX:
            # Joining would copy the body.
            self._socket.sendall(head)
            self._socket.sendall(body)
        else:
            self._socket.sendall(head + body)

    def _read_head(self) -> tuple[int, dict[str, str], bytes]:
        data = b""
        while b"\r\n\r\n" not in data:
            if len(data) > _HEAD_BYTES_MAX:
                raise UnexpectedAnswer("response headers without end")
            data += self._receive()
        head, _, rest = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        if "chunked" in headers.get("transfer-encoding", ""):
            raise UnexpectedAnswer("a chunked response, which this client cannot read")
        return int(first.split(" ", 2)[1]), headers, rest

    def _read_exactly(self, count: int) -> bytes:
        parts = []
        while count > 0:
            part = self._receive(count)
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def _receive(self, count: int = 64 << 10) -> bytes:
        data = self._socket.recv(min(count, 1 << 20))
        if not data:
            raise UnexpectedAnswer("the server closed the connection")
        return data


def push_blob(connection: Connection, repository: str, digest: str, blob: bytes) -> None:
    """Upload a blob with POST and PUT (distribution-spec, "POST then PUT")."""
    opened = connection.request("POST", f"/v2/{repository}/blobs/uploads/", 202)
    where = urlsplit(opened.headers["location"])
    query = f"{where.query}&digest={digest}" if where.query else f"digest={digest}"
    kind = {"Content-Type": "application/octet-stream"}
    connection.request("PUT", f"{where.path}?{query}", 201, body=blob, headers=kind)


def push_manifest(
    connection: Connection, repository: str, tag: str, media_type: str, manifest: bytes
) -> None:
    """Upload a manifest under a tag."""
    kind = {"Content-Type": media_type}
    target = f"/v2/{repository}/manifests/{tag}"
    connection.request("PUT", target, 201, body=manifest, headers=kind)
