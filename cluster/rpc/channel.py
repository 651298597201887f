"""Options that both ends of a connection share, and the one place for credentials."""

from dataclasses import dataclass
from typing import Final

import grpc
import grpc.aio

MESSAGE_MAX: Final = 16 << 20
"""Bytes in one message, as `protos/cluster.proto` promises."""

REQUEST_ID: Final = "x-request-id"
"""Metadata key under which the id of the client's request travels."""

Option = tuple[str, int | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RpcConfig:
    """Tuning of the transport. Durations are seconds."""

    unary_deadline_s: float = 30.0
    """Backstop for calls with one answer; the engine has its own, shorter limits. Holding a blob
    is not among them: its time depends on its size, and the engine limits it."""

    keepalive_interval_s: float = 10.0
    """Time between pings on a connection. Lower finds a dead host sooner, which no TCP reset
    announces; each ping is a packet and wakes both processes."""

    keepalive_timeout_s: float = 5.0
    """How long a ping may be unanswered before the connection is closed."""

    calls_max: int = 1024
    """Calls served at the same time; further ones are refused, and the caller tries later. Each
    may hold one batch or one chunk in memory."""

    write_timeout_s: float = 60.0
    """How long a caller may leave a message of a stream unread. It answers pings all the same, and
    keeps a place of `calls_max` and an open file; longer is patient with a disk that hiccups."""

    stop_grace_s: float = 1.0
    """How long running calls may take when the server stops. Peers repeat what is cut off."""


def _common(config: RpcConfig) -> list[Option]:
    return [
        ("grpc.max_send_message_length", MESSAGE_MAX),
        ("grpc.max_receive_message_length", MESSAGE_MAX),
        ("grpc.keepalive_time_ms", int(config.keepalive_interval_s * 1000)),
        ("grpc.keepalive_timeout_ms", int(config.keepalive_timeout_s * 1000)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
    ]


def client_options(config: RpcConfig) -> list[Option]:
    return [
        *_common(config),
        # The engine repeats calls itself, and its links have their own back-off: a channel that
        # inherited the pauses of an earlier one would stay down after its peer is back.
        ("grpc.enable_retries", 0),
        ("grpc.use_local_subchannel_pool", 1),
        # Peers are reached directly, whatever proxy the environment names for the outside.
        ("grpc.enable_http_proxy", 0),
    ]


def server_options(config: RpcConfig) -> list[Option]:
    return [
        *_common(config),
        # Without this a peer's pings count as abuse and close its connection.
        ("grpc.http2.min_ping_interval_without_data_ms", 1000),
        # A port in use has to be an error, not a port shared with another process.
        ("grpc.so_reuseport", 0),
    ]


def open_channel(address: str, config: RpcConfig) -> grpc.aio.Channel:
    """A channel to *address*. Connects with the first call."""
    return grpc.aio.insecure_channel(address, options=client_options(config))


def listen(server: grpc.aio.Server, address: str) -> int:
    """Bind *server* to *address* and return the port; raises RuntimeError when it is taken."""
    port: int = server.add_insecure_port(address)
    return port
