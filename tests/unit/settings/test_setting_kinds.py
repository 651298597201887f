"""How what an operator writes becomes a value."""

from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.settings.kinds import (
    Address,
    BaseUrl,
    Directory,
    Endpoints,
    Name,
    Networks,
    OneOf,
    Origins,
    Seconds,
    Whole,
)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:5000", "127.0.0.1", 5000),
        ("registry.example.com:1", "registry.example.com", 1),
        ("node_1:65535", "node_1", 65535),
        ("localhost:5000", "localhost", 5000),
        ("[::1]:5000", "::1", 5000),
        ("[::]:5000", "::", 5000),
        ("[2001:DB8::0001]:80", "2001:db8::1", 80),
        (" 0.0.0.0:5000 ", "0.0.0.0", 5000),
    ],
)
def test_address_parses(text, host, port):
    """An address that operators commonly write would be refused or misread."""
    assert Address.parse(text) == (host, port)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "HOST:PORT"),
        ("5000", "HOST:PORT"),
        ("localhost", "HOST:PORT"),
        (":5000", "host"),
        ("localhost:", "port"),
        ("localhost:0", "port"),
        ("localhost:65536", "port"),
        ("localhost:99999999999999999999", "port"),
        ("localhost:-1", "port"),
        ("localhost:http", "port"),
        ("localhost:\u0665\u0660\u0660\u0660", "port"),
        ("::1:5000", "brackets"),
        ("[::1:5000", "brackets"),
        ("[nonsense]:5000", "IPv6"),
        ("http://localhost:5000", "brackets"),
        ("a b:5000", "host"),
        ("a/b:5000", "host"),
        ("-a:5000", "host"),
        ("a\n:5000", "host"),
        ("a" * 254 + ":5000", "host"),
    ],
)
def test_address_refuses(text, problem):
    """A malformed address would surface only when a connection fails."""
    with pytest.raises(ValueError, match=problem):
        Address.parse(text)


@given(st.ip_addresses(), st.integers(1, 65535))
def test_address_round_trips(ip, port):
    """An address written to cluster.json or a flag would come back as another one."""
    address = Address(str(ip), port)
    assert Address.parse(str(address)) == address


@pytest.mark.parametrize(
    ("text", "wildcard", "loopback"),
    [
        ("0.0.0.0:1", True, False),
        ("[::]:1", True, False),
        ("127.8.9.1:1", False, True),
        ("[::1]:1", False, True),
        ("LocalHost:1", False, True),
        ("10.0.0.1:1", False, False),
        ("node-1:1", False, False),
    ],
)
def test_address_reach(text, wildcard, loopback):
    """A node would advertise an address that leads its peers back to themselves."""
    address = Address.parse(text)
    assert (address.is_wildcard, address.is_loopback) == (wildcard, loopback)


@pytest.mark.parametrize(
    ("kind", "raw", "value"),
    [
        (Whole(1, 7), 1, 1),
        (Whole(1, 7), "7", 7),
        (Whole(0, 1 << 30), "1_000_000", 1_000_000),
        (Seconds(0, 60), 1, 1.0),
        (Seconds(0, 60), "0.5", 0.5),
        (Seconds(0, 60), 60.0, 60.0),
        (OneOf(("info", "error")), "INFO", "info"),
        (Name(), "eu-1", "eu-1"),
        (Directory(), "a/b", Path("a/b")),
        (Endpoints(3), "a:1,b:2", (Address("a", 1), Address("b", 2))),
        (Endpoints(3), ["a:1", "b:2"], (Address("a", 1), Address("b", 2))),
        (Endpoints(3), ["a:1, b:2", "a:1"], (Address("a", 1), Address("b", 2))),
        (Endpoints(3), [], ()),
        (Endpoints(3), "a:1,", (Address("a", 1),)),
        (Origins(3), "*", ("*",)),
        (Origins(3), [], ()),
        (
            Origins(3),
            "https://UI.example.com:443, http://localhost:8080",
            ("https://ui.example.com", "http://localhost:8080"),
        ),
        (Origins(3), ["http://a:80", "http://a", "http://b:443"], ("http://a", "http://b:443")),
        (Origins(3), ["https://[2001:DB8::1]:8443"], ("https://[2001:db8::1]:8443",)),
        (Origins(3), ["https://[::1]:443", "https://[::1]"], ("https://[::1]",)),
        (Networks(3), "10.0.0.0/8, ::1", (ip_network("10.0.0.0/8"), ip_network("::1"))),
        (Networks(3), [], ()),
        (BaseUrl(), "https://R.example.com:443/", "https://r.example.com"),
        (BaseUrl(), "http://r:5000", "http://r:5000"),
    ],
)
def test_kind_parses(kind, raw, value):
    """A setting given in one of its documented forms would be refused."""
    parsed = kind.parse(raw)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        (Whole(1, 7), 0),
        (Whole(1, 7), 8),
        (Whole(1, 7), "2.0"),
        (Whole(1, 7), 2.0),
        (Whole(1, 7), True),
        (Whole(1, 7), None),
        (Whole(1, 7), "9" * 5000),
        (Seconds(0, 60), "nan"),
        (Seconds(0, 60), float("inf")),
        (Seconds(0, 60), -1),
        (Seconds(0, 60), "10s"),
        (Seconds(0, 60), False),
        (Seconds(0, 60), 10**400),
        (OneOf(("info", "error")), "loud"),
        (OneOf(("info", "error")), 1),
        (Name(), "EU"),
        (Name(), "-eu"),
        (Name(), ""),
        (Name(), "a" * 64),
        (Name(), ["eu"]),
        (Directory(), ""),
        (Directory(), "a\0b"),
        (Directory(), 5),
        (Directory(), "~nobody-has-this-name/x"),
        (Endpoints(3), 5),
        (Endpoints(3), [5]),
        (Endpoints(3), "a:1,b:2,c:3,d:4"),
        (Endpoints(3), ["a:1,b:2,c:3,d:4"]),
        (Endpoints(3), ["a:1", "b"]),
        (Origins(3), 5),
        (Origins(3), "http://a,http://b,http://c,http://d"),
        (Origins(3), "*,http://a"),
        (Origins(3), "null"),
        (Origins(3), "a.example.com"),
        (Origins(3), "ftp://a"),
        (Origins(3), "http://"),
        (Origins(3), "http://a/"),
        (Origins(3), "http://a/x"),
        (Origins(3), "http://user@a"),
        (Origins(3), "http://*.a"),
        (Origins(3), "http://a:0"),
        (Origins(3), "http://a:99999"),
        (Networks(3), "10.0.0.1/8"),
        (Networks(3), "example.com"),
        (Networks(3), ["10.0.0.1"] * 4),
        (BaseUrl(), "*"),
        (BaseUrl(), "https://r/v2"),
        (BaseUrl(), "r:5000"),
    ],
)
def test_kind_refuses(kind, raw):
    """A value outside a setting's limits would reach the code that relies on them."""
    with pytest.raises(ValueError, match=r"^(must|needs|has|names) "):
        kind.parse(raw)
