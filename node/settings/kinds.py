"""
The kinds of value that a setting can have: how text becomes a value, and what is accepted.

Each kind reads both the strings of flags and environment and the native values of TOML, and
raises `ValueError` with the end of a sentence that starts with the setting's name.
"""

import ipaddress
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, Protocol, Self, TypeAlias

from cluster.model import NODE_ID

_HOST: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_-]+)*\.?")
"""Host names and IPv4 addresses. The underscore is for Compose service names."""

_HOST_MAX: Final = 253  # RFC 1035 §2.3.4, without the root's length byte.


class Address(NamedTuple):
    """A host and a TCP port. `str()` gives the HOST:PORT that `parse` reads back."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str, *, port_min: int = 1) -> Self:
        """
        Read HOST:PORT; an IPv6 address stands in brackets, as in a URL.

        Port 0 (any free port) is refused unless it is the *port_min*: who has to be found by others
        could not tell them where.

        Raises:
            ValueError: there is no host or no port from *port_min* to 65535.
        """
        host, colon, port = text.strip().rpartition(":")
        if not colon:
            raise ValueError(f"must be HOST:PORT, not {text!r}")
        if not (port.isascii() and port.isdigit() and port_min <= int(port[:6]) <= 65535):
            raise ValueError(f"needs a port from {port_min} to 65535, not {port!r}")
        return cls(_parse_host(host), int(port))

    @property
    def is_wildcard(self) -> bool:
        """Whether this means every local address: fit for listening, not for telling others."""
        address = _literal(self.host)
        return address is not None and address.is_unspecified

    @property
    def is_loopback(self) -> bool:
        """Whether this is reachable from the same machine only. Looks nothing up."""
        address = _literal(self.host)
        return self.host.lower() == "localhost" if address is None else address.is_loopback

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _parse_host(text: str) -> str:
    if text.startswith("[") and text.endswith("]"):
        try:
            return str(ipaddress.IPv6Address(text[1:-1]))
        except ValueError:
            raise ValueError(f"has no IPv6 address between the brackets: {text!r}") from None
    if ":" in text:
        raise ValueError(f"needs brackets around an IPv6 address: [{text}]:PORT")
    if len(text) > _HOST_MAX or _HOST.fullmatch(text) is None:
        raise ValueError(f"has no valid host name or address: {text!r}")
    return text


class SettingKind(Protocol):
    """How one setting is read and described."""

    @property
    def accepts(self) -> str:
        """What may be written, for people."""
        ...

    def parse(self, raw: object) -> object:
        """
        Turn what was written into a value.

        Raises:
            ValueError: it is not acceptable; the message continues "SETTING ...".
        """
        ...


def _text(raw: object) -> str:
    if not isinstance(raw, str):
        raise ValueError(f"must be a string, not {raw!r}")
    return raw.strip()


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number within limits, both included."""

    low: int
    high: int

    @property
    def accepts(self) -> str:
        return f"{self.low} to {self.high}"

    def parse(self, raw: object) -> int:
        try:
            # A bool is an int to Python, and `copies = true` is not a number to anybody.
            if isinstance(raw, bool) or not isinstance(raw, int | str):
                raise ValueError
            value = int(raw)
        except ValueError:
            raise ValueError(f"must be a whole number, not {raw!r}") from None
        if not self.low <= value <= self.high:
            raise ValueError(f"must be {self.accepts}, not {value}")
        return value


@dataclass(frozen=True, slots=True)
class Seconds:
    """A duration in seconds within limits, both included."""

    low: float
    high: float

    @property
    def accepts(self) -> str:
        return f"{self.low:g} to {self.high:.0f}"

    def parse(self, raw: object) -> float:
        try:
            if isinstance(raw, bool) or not isinstance(raw, int | float | str):
                raise ValueError
            value = float(raw)
        except (ValueError, OverflowError):
            raise ValueError(f"must be a number of seconds, not {raw!r}") from None
        if math.isnan(value) or not self.low <= value <= self.high:
            raise ValueError(f"must be {self.accepts} seconds, not {value:g}")
        return value


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of a few words."""

    words: tuple[str, ...]

    @property
    def accepts(self) -> str:
        return ", ".join(self.words)

    def parse(self, raw: object) -> str:
        word = _text(raw).lower()
        if word not in self.words:
            raise ValueError(f"must be one of {self.accepts}, not {raw!r}")
        return word


@dataclass(frozen=True, slots=True)
class Name:
    """The name of a node, a region or a cluster."""

    accepts: str = "1 to 63 of a-z 0-9 . _ -, with a letter or digit at both ends"

    def parse(self, raw: object) -> str:
        name = _text(raw)
        if NODE_ID.fullmatch(name) is None:
            raise ValueError(f"must be {self.accepts}, not {name!r}")
        return name


@dataclass(frozen=True, slots=True)
class Directory:
    """A path. A leading `~` is the home directory; a relative one starts where the node does."""

    accepts: str = "a path"

    def parse(self, raw: object) -> Path:
        text = _text(raw)
        if not text or "\0" in text:
            raise ValueError(f"must be a path, not {raw!r}")
        try:
            return Path(text).expanduser()
        except RuntimeError:
            raise ValueError(f"names a home directory that is not known: {text!r}") from None


@dataclass(frozen=True, slots=True)
class HostPort:
    """One HOST:PORT."""

    any_port: bool = False
    """Whether the port may be 0: the system chooses one."""

    @property
    def accepts(self) -> str:
        return "HOST:PORT; port 0 is any that is free" if self.any_port else "HOST:PORT"

    def parse(self, raw: object) -> Address:
        return Address.parse(_text(raw), port_min=0 if self.any_port else 1)


@dataclass(frozen=True, slots=True)
class Origins:
    """
    Origins of web pages, as browsers write them: an array in TOML, commas, a repeated flag.

    `*` is every origin, and then needs no other. `null` is refused: every sandboxed page has it.
    """

    most: int

    @property
    def accepts(self) -> str:
        return f"http(s)://HOST[:PORT], up to {self.most} times, or *"

    def parse(self, raw: object) -> tuple[str, ...]:
        texts = _texts(raw, "origins")
        if len(texts) > self.most:
            raise ValueError(f"has {len(texts)} origins, and {self.most} are enough")
        if "*" in texts and len(texts) > 1:
            raise ValueError("names * and others: * is all of them, and grants less to each")
        return tuple(dict.fromkeys(map(_parse_origin, texts)))


_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def _parse_origin(text: str) -> str:
    """An origin in the one form that browsers send (RFC 6454 §6.2)."""
    if text == "*":
        return text
    scheme, separator, rest = text.lower().partition("://")
    if not separator or scheme not in _DEFAULT_PORTS:
        raise ValueError(f"must be origins such as https://ui.example.com, not {text!r}")
    if re.search(r":[0-9]+$", rest) is None:
        return f"{scheme}://{_bracketed(_parse_host(rest))}"
    address = Address.parse(rest)
    if address.port == _DEFAULT_PORTS[scheme]:
        return f"{scheme}://{_bracketed(address.host)}"
    return f"{scheme}://{address}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _texts(raw: object, what: str) -> list[str]:
    """The items of an array, or of text with commas; repeated flags may hold commas too."""
    items = [raw] if isinstance(raw, str) else raw
    if not isinstance(items, list | tuple):
        raise ValueError(f"must be an array of {what}, not {raw!r}")
    parts = (part.strip() for item in items for part in _text(item).split(","))
    return [part for part in parts if part]


@dataclass(frozen=True, slots=True)
class BaseUrl:
    """Where clients find a registry: scheme and host, as they write it."""

    accepts: str = "http(s)://HOST[:PORT]"

    def parse(self, raw: object) -> str:
        try:
            return _parse_origin(_text(raw).rstrip("/").replace("*", "%"))
        except ValueError:
            raise ValueError(f"must be {self.accepts}, not {raw!r}") from None


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Several HOST:PORT: an array in TOML, commas in the environment, a repeated flag."""

    most: int

    @property
    def accepts(self) -> str:
        return f"HOST:PORT, up to {self.most} times"

    def parse(self, raw: object) -> tuple[Address, ...]:
        texts = _texts(raw, "HOST:PORT")
        if len(texts) > self.most:
            raise ValueError(f"has {len(texts)} addresses, and {self.most} are enough")
        # The order is kept, duplicates are not.
        return tuple(dict.fromkeys(map(Address.parse, texts)))


Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Networks:
    """Several networks: an array in TOML, commas in the environment, a repeated flag."""

    most: int

    @property
    def accepts(self) -> str:
        return f"networks such as 10.0.0.0/8, or addresses, up to {self.most} times"

    def parse(self, raw: object) -> tuple[Network, ...]:
        texts = _texts(raw, "networks")
        if len(texts) > self.most:
            raise ValueError(f"has {len(texts)} networks, and {self.most} are enough")
        return tuple(dict.fromkeys(map(_parse_network, texts)))


def _parse_network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as exc:
        raise ValueError(f"must be networks such as 10.0.0.0/8: {exc}") from None


@dataclass(frozen=True, slots=True)
class Names:
    """Several node names: an array in TOML, commas in the environment, a repeated flag."""

    most: int

    @property
    def accepts(self) -> str:
        return f"{Name().accepts}; up to {self.most} times"

    def parse(self, raw: object) -> tuple[str, ...]:
        texts = _texts(raw, "NAME")
        if len(texts) > self.most:
            raise ValueError(f"has {len(texts)} names, and {self.most} are enough")
        return tuple(sorted({Name().parse(text) for text in texts}))
