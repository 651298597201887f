"""The other nodes, as who counts what clients ask for sees them."""

import ipaddress
from collections.abc import Callable, Sequence

from cluster.model import Member, Region


class Vicinity:
    """How many share the clients of a region, and which addresses are nodes' own."""

    def __init__(self, region: Region, living: Callable[[], Sequence[Member]]) -> None:
        """*living* are the other members that are there: the same object as long as they are."""
        self._region = region
        self._living = living
        self._seen: Sequence[Member] | None = None
        self._sharers = 1
        self._addresses: frozenset[str] = frozenset()

    def sharers(self) -> int:
        """The nodes of the region that are there, this one included: each gets some of a client."""
        self._look()
        return self._sharers

    def addresses(self) -> frozenset[str]:
        """
        Those of the members. No names, which would have to be looked up; and none of this machine,
        where anybody may be at the other end.
        """
        self._look()
        return self._addresses

    def _look(self) -> None:
        living = self._living()
        if living is self._seen:
            return
        self._seen = living
        self._sharers = 1 + sum(member.region == self._region for member in living)
        told = (host for member in living for host in (member.http, member.rpc))
        self._addresses = frozenset(filter(None, map(_address, told)))


def _address(text: str) -> str:
    """The address in HOST:PORT; empty where that is a name, or this machine."""
    try:
        found = ipaddress.ip_address(text.rpartition(":")[0].strip("[]"))
    except ValueError:
        return ""
    return "" if found.is_loopback or found.is_unspecified else str(found)
