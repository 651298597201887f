"""Whose request it is, behind proxies and with fields that clients made up."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.http.client_address import TrustedProxies, client_network, is_here
from node.http.rate_limits import FORWARDED_HOPS

PROXIES = TrustedProxies([ip_network("10.0.0.0/8"), ip_network("fd00::/8")], lambda: {"192.0.2.9"})


@pytest.mark.parametrize(
    ("peer", "fields", "client"),
    [
        ("203.0.113.7", [], "203.0.113.7"),
        ("203.0.113.7", ["198.51.100.1"], "203.0.113.7"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", ["198.51.100.1, 203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", ["198.51.100.1", "203.0.113.7,10.0.0.2"], "203.0.113.7"),
        ("10.0.0.1", ["198.51.100.1,10.9.9.9, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["203.0.113.7, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.7, _hidden, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["203.0.113.7:4711"], "203.0.113.7"),
        ("10.0.0.1", ['"[2001:db8::1]:4711"'], "2001:db8::1"),
        ("10.0.0.1", ["2001:db8::1"], "2001:db8::1"),
        ("::ffff:10.0.0.1", ["203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", ["::ffff:203.0.113.7"], "203.0.113.7"),
        ("fd00::1", ["2001:db8::1"], "2001:db8::1"),
        ("192.0.2.9", ["203.0.113.7"], "203.0.113.7"),
        ("192.0.2.8", ["203.0.113.7"], "192.0.2.8"),
        ("", ["203.0.113.7"], ""),
        ("/run/a.sock", ["203.0.113.7"], "/run/a.sock"),
    ],
)
def test_the_last_word_of_who_is_trusted_counts(peer: str, fields: list[str], client: str):
    """Broken: whoever is throttled makes up another address, or one proxy is throttled for all."""
    assert PROXIES.client_behind(peer, fields) == client


@given(st.lists(st.text(alphabet="0123456789abcdef.:[], ", max_size=40), max_size=4))
def test_no_field_of_a_stranger_counts(fields: list[str]):
    assert PROXIES.client_behind("203.0.113.7", fields) == "203.0.113.7"
    mine = PROXIES.client_behind("10.0.0.1", [*fields, "203.0.113.7"])
    assert mine == "203.0.113.7", "what is in front of what the proxy wrote is anybody's"


def test_a_long_field_is_not_read_to_its_beginning():
    fields = ["203.0.113.7," + ",".join(["10.0.0.2"] * FORWARDED_HOPS.number)]
    assert PROXIES.client_behind("10.0.0.1", fields) == "10.0.0.2"


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::dead:beef", "2001:db8::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("", ""),
    ],
)
def test_a_client_is_an_address_or_a_network_of_its_own(address: str, network: str):
    """Broken: one IPv6 client is 2^64 of them."""
    assert client_network(address) == network


@pytest.mark.parametrize(
    ("address", "here"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("10.0.0.1", False), ("", False)],
)
def test_this_machine(address: str, here: bool):
    assert is_here(address) is here
