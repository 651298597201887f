"""
Logs: one structured line per thing that happened, on standard error.

JSON lines for machines, a readable line for terminals. Standard-library logging and Python
warnings go the same way. Writing a log line never raises and never makes two lines of one event,
whatever a client put into a field.
"""

import datetime
import logging
import re
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import BinaryIO, Final, NamedTuple, cast

import msgspec
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The request that the current task works for; travels to peers. Empty: none, and not logged."""

who: ContextVar[str] = ContextVar("who", default="")
"""
Who asked for what the current task does: part of every line, and of what is changed. Empty: nobody
did, or it is for another node to say.
"""

_LINE_BYTES_MAX: Final = 64 << 10
_FIELD_CHARS_MAX: Final = 4 << 10
"""Every string of an event whose line would pass the first bound is cut to the second."""

_FIELDS_MAX: Final = 32
"""And no more than this many of its fields are kept."""

_INT_MAX: Final = (1 << 63) - 1

_LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}

# JSON escapes C0 controls only. The rest are the characters that end lines for some readers
# (NEL, U+2028/9), steer terminals (DEL, C1) or reorder what a person reads (bidi controls).
_UNSAFE: Final = re.compile("[\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class _Identity(NamedTuple):
    """Which node writes: part of every line."""

    node: str = ""
    region: str = ""


class _Sink:
    """
    Whole lines to one binary stream, from any thread.

    A stream that fails (full disk, closed pipe) loses the line and counts it in *dropped*: a
    registry that cannot log still has to serve. A stream that blocks, blocks.
    """

    def __init__(self) -> None:
        self.stream: BinaryIO | None = None
        self.dropped = 0
        self._lock = threading.Lock()

    def write(self, line: bytes) -> None:
        stream = sys.stderr.buffer if self.stream is None else self.stream
        with self._lock:
            try:
                stream.write(line)
                stream.flush()
            except (OSError, ValueError):  # ValueError: the stream is closed.
                self.dropped += 1


_Render = Callable[[EventDict], bytes]


class _Pipeline:
    """What `configure` sets. Loggers cache their set-up on first use, so it is changed in place."""

    def __init__(self) -> None:
        self.identity = _Identity()
        self.render: _Render = _json_line
        self.sink = _Sink()

    def __call__(self, _logger: WrappedLogger, method: str, event: EventDict) -> str:
        """Write one event: the only processor, which leaves nothing to do for the logger."""
        line: EventDict = {
            "ts": _timestamp(),
            "level": "error" if method in ("exception", "critical") else method,
            "event": event.pop("event", ""),
        }
        for name, value in zip(_Identity._fields, self.identity, strict=True):
            if value:
                line[name] = value
        if current := request_id.get():
            line["request_id"] = current
        if asking := who.get():
            line["who"] = asking
        exception = event.pop("exc_info", None)
        for name, value in event.items():
            # An event may not pretend to be another node's, another request's or another time's.
            line[f"{name}_" if name in _RESERVED else name] = value
        if exception:
            line["exception"] = _traceback(exception)
        self.sink.write(self.render(line))
        return ""


_RESERVED: Final = frozenset(
    {"ts", "level", "event", "node", "region", "request_id", "who", "exception"}
)


def _timestamp() -> str:
    now = datetime.datetime.now(datetime.UTC)
    return now.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _traceback(exception: object) -> str:
    match exception:
        case BaseException():
            return "".join(traceback.format_exception(exception))
        case (_, BaseException() as error, _):
            return "".join(traceback.format_exception(error))
        case _:
            return traceback.format_exc()


def _json_line(event: EventDict) -> bytes:
    try:
        line = msgspec.json.encode(event, enc_hook=str)
    except Exception:  # noqa: BLE001 - a field's own str() may raise anything; the event counts.
        line = msgspec.json.encode(_plain(event))
    if len(line) > _LINE_BYTES_MAX:
        line = msgspec.json.encode(_plain(event))
    if not line.isascii() or b"\x7f" in line:
        line = _UNSAFE.sub(_json_escape, line.decode()).encode()
    return line + b"\n"


def _json_escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def _plain(event: Mapping[str, object]) -> dict[str, object]:
    """Reduce an event to values that every encoder takes, within bounds."""
    plain: dict[str, object] = {}
    for name, value in list(event.items())[:_FIELDS_MAX]:
        if isinstance(value, int) and -_INT_MAX <= value <= _INT_MAX:
            plain[_clip(name)] = value
        else:
            plain[_clip(name)] = _clip(value if isinstance(value, str) else _repr(value))
    return plain


def _repr(value: object) -> str:
    try:
        return repr(value)
    except Exception as exc:  # noqa: BLE001 - somebody else's repr() may raise anything.
        return f"<{type(value).__name__} whose repr() raised {type(exc).__name__}>"


def _clip(text: str) -> str:
    clean = text[:_FIELD_CHARS_MAX].encode(errors="backslashreplace").decode()
    return clean if len(text) <= _FIELD_CHARS_MAX else f"{clean}... ({len(text)} characters)"


def _text_line(event: EventDict) -> bytes:
    stamp, level, message = str(event["ts"]), str(event["level"]), event["event"]
    details = [
        f"{_visible(name)}={_quoted(value)}"
        for name, value in event.items()
        if name not in ("ts", "level", "event", "node", "region", "exception")
    ]
    line = f"{stamp[11:23]} {level.upper():7} {_visible(_clip(str(message)))}"
    if details:
        line = f"{line:<48}  {' '.join(details)}"
    # A traceback stays readable: its lines are indented, which no event's first line is.
    for row in str(event.get("exception", "")).splitlines()[-_FIELDS_MAX * 4 :]:
        line += f"\n    {_visible(_clip(row))}"
    return line.encode() + b"\n"


def _quoted(value: object) -> str:
    text = _clip(value if isinstance(value, str) else _repr(value))
    if not isinstance(value, str) or (text and not set(text) & set(' "=\\') and text.isprintable()):
        return _visible(text)
    return '"' + _visible(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def _visible(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


_PIPELINE: Final = _Pipeline()


class _StdlibHandler(logging.Handler):
    """Carries records of the standard library's loggers (aiohttp, grpc, asyncio) over."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except (TypeError, ValueError, KeyError):  # The arguments do not fit the format.
            message = str(record.msg)
        fields: EventDict = {"event": message, "component": record.name}
        if record.exc_info:
            fields["exc_info"] = record.exc_info
        method = next(
            (name for name, level in reversed(_LEVELS.items()) if record.levelno >= level), "debug"
        )
        _PIPELINE(None, method, fields)


def configure(
    *,
    level: str = "info",
    form: str = "auto",
    node: str = "",
    region: str = "",
    stream: BinaryIO | None = None,
) -> None:
    """
    Set up logging for the process: once, before the first event, from the main thread.

    Args:
        level: the least severe level to write (`Settings.log_level`).
        form: json, text, or auto for text on a terminal (`Settings.log_format`).
        node: name of this node, part of every JSON line.
        region: its region, likewise.
        stream: where lines go; standard error when None.
    """
    if form == "auto":
        terminal = stream.isatty() if stream is not None else sys.stderr.isatty()
        form = "text" if terminal else "json"
    _PIPELINE.identity = _Identity(node, region)
    _PIPELINE.render = _text_line if form == "text" else _json_line
    _PIPELINE.sink.stream = stream
    structlog.configure(
        processors=[_PIPELINE],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.ReturnLoggerFactory(),
        # Building a logger per event costs five times what a cached one does.
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers[:] = [_StdlibHandler()]
    # What libraries say of their own insides is about them; `debug` is about Atoll.
    root.setLevel(max(_LEVELS[level], logging.INFO))
    logging.captureWarnings(True)


def get_logger(name: str) -> FilteringBoundLogger:
    """
    Get the logger of the component *name*; works before `configure`, too.

    Event names are constant text, and what varies goes into fields. Fields named like the line's
    own (ts, level, event, node, region, request_id, who, exception) get a trailing underscore.
    """
    return cast("FilteringBoundLogger", structlog.get_logger(component=name))


def dropped_lines() -> int:
    """Lines that could not be written since the process started."""
    return _PIPELINE.sink.dropped
