"""
Whose request it is: the address of a client, behind proxies too.

A proxy tells it in a header field that any client can send as well. So the field is believed only
from who is trusted, and as far as those wrote it: it is read from its end, and the first address
there that is no trusted one's is the client's. What stands in front of that is the client's word.
"""

import ipaddress
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final, TypeAlias

from aiohttp import hdrs, web

from node.http.rate_limits import FORWARDED_HOPS

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_SITE_BITS: Final = 64
"""Of an IPv6 address: what one client has, whose machines take any address in it."""


CLIENT: Final = web.RequestKey("client", str)
"""Under which a request has the address of its client, once it has arrived."""


class TrustedProxies:
    """Whose word about clients counts: proxies in some networks, and the members of the cluster."""

    def __init__(
        self,
        networks: Iterable[Network] = (),
        members: Callable[[], Collection[str]] = lambda: (),
    ) -> None:
        """
        Args:
            members: the addresses of nodes, which pass requests on to each other. None of them is
                one of this machine: there, anybody could be at the other end.
        """
        self._networks = tuple(networks)
        self._members = members

    def client(self, request: web.BaseRequest) -> str:
        """The address of who sent *request*; empty where the connection has none."""
        return self.client_behind(
            request.remote or "", request.headers.getall(hdrs.X_FORWARDED_FOR, ())
        )

    def client_behind(self, peer: str, forwarded_for: Sequence[str]) -> str:
        """The same by the other end of the connection, and its fields `X-Forwarded-For`."""
        if not forwarded_for:
            return peer
        found = _parsed(peer)
        if found is None or not self._believes(found):
            return peer
        hops = [hop for field in forwarded_for for hop in field.split(",")]
        for hop in reversed(hops[-FORWARDED_HOPS.number :]):
            before = _parsed(hop)
            if before is None:  # nobody can be made of it: who wrote it answers for it
                break
            found = before
            if not self._believes(before):
                break
        return str(found)

    def _believes(self, address: _Address) -> bool:
        return str(address) in self._members() or any(
            address.version == network.version and address in network for network in self._networks
        )


def client_network(address: str) -> str:
    """What counts as one client: an IPv4 address, or the 64 bits that a client has of IPv6."""
    found = _parsed(address)
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((found, _SITE_BITS), strict=False))
    return address if found is None else str(found)


def network_behind(request: web.BaseRequest) -> str:
    """What *request*, which has arrived, counts as: see `client_network`."""
    return client_network(request.get(CLIENT, request.remote or ""))


def is_here(address: str) -> bool:
    """Whether *address* is one of the machine that asks."""
    found = _parsed(address)
    return found is not None and found.is_loopback


def _parsed(text: str) -> _Address | None:
    """An address, with a port or without; an IPv4 address in IPv6's clothes is an IPv4 address."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return found if mapped is None else mapped
