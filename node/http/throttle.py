"""
How often clients may ask: by their address, by their account, and for manifests without one.

The rules are `node.shares.rates`; this has the clock, and knows who sends a request. Each node
counts what it serves for all that share the clients of its region.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Protocol

from aiohttp import web

from node.errors import TooManyRequests
from node.http.client_address import CLIENT, client_network, is_here
from node.http.endpoint import Endpoint, Principal
from node.identity.actions import Action
from node.shares.rates import Meter, Metered, Rate

NO_FIELDS: Final[Mapping[str, str]] = MappingProxyType({})

_AT_ONCE: Final = 10_000
"""The part of what an account may ask for that is taken from its rate at once, for answers from
memory: they take less time than to count each of them."""

_CREDITS_MAX: Final = 4096
"""Accounts that have some of that left. With one more, all lose it."""

_FREE: Final = frozenset({Action.ALIVE, Action.READY})
"""What balancers ask, each second and from one address."""


class Throttle(Protocol):
    """Counts requests, and refuses some."""

    def arrive(self, http: web.BaseRequest, endpoint: Endpoint[Any]) -> None:
        """
        Count a request by where it comes from, before anything is done for it.

        Raises:
            TooManyRequests: its address sends too many.
        """
        ...

    def admit(
        self, http: web.BaseRequest, endpoint: Endpoint[Any], principal: Principal
    ) -> Mapping[str, str]:
        """
        Count it by who sends it; returns fields for its answer.

        Raises:
            TooManyRequests: they send too many.
        """
        ...

    @property
    def asks_whence(self) -> bool:
        """Whether it has to see each request: nothing is answered from memory then."""
        ...

    def again(self, who: str) -> bool:
        """Count a request of an account that is answered from memory; false: it is one too many."""
        ...


class Neighbourhood(Protocol):
    """The nodes around (`node.shares.vicinity`)."""

    def sharers(self) -> int:
        """How many share the clients, this one included."""
        ...

    def addresses(self) -> Collection[str]:
        """Those of the members, none of them this machine's."""
        ...


class Unthrottled:
    """Everybody may ask as often as they like."""

    def arrive(self, http: web.BaseRequest, endpoint: Endpoint[Any]) -> None:
        return

    def admit(
        self, http: web.BaseRequest, endpoint: Endpoint[Any], principal: Principal
    ) -> Mapping[str, str]:
        return NO_FIELDS

    @property
    def asks_whence(self) -> bool:
        return False

    def again(self, who: str) -> bool:
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class RateConfig:
    """How often, for all nodes of a region together. None: as often as they like."""

    address: Rate | None = None
    """Requests of one client address."""

    account: Rate | None = None
    """Requests of one account, from wherever."""

    pulls: Rate | None = None
    """GETs of manifests without an account, of one client address."""


class RateThrottle:
    """
    Goes by rates. Belongs to one event loop.

    Who is on this machine is not counted, nor is a member that passes a request on and does not say
    whose it is: uploads go to their owner so. Behind a proxy on this machine clients are counted
    where that is trusted.
    """

    def __init__(
        self,
        config: RateConfig,
        vicinity: Neighbourhood,
        now: Callable[[], float],
    ) -> None:
        """
        Args:
            vicinity: the nodes that share the clients.
            now: seconds of a clock that only goes forward.
        """
        self._by_address = _meter(config.address)
        self._by_account = _meter(config.account)
        self._by_pulls = _meter(config.pulls)
        self._credits: dict[str, int] = {}
        """Answers from memory that were counted before they were asked for, by account."""
        self._vicinity = vicinity
        self._sharers = vicinity.sharers
        self._now = now
        self.refused: Counter[str] = Counter()
        """By what was asked for too often: `address`, `account`, `pulls`."""

    def arrive(self, http: web.BaseRequest, endpoint: Endpoint[Any]) -> None:
        if self._by_address is None or endpoint.action in _FREE:
            return
        client = self._client(http)
        if client:
            self._take(self._by_address, "address", client)

    def admit(
        self, http: web.BaseRequest, endpoint: Endpoint[Any], principal: Principal
    ) -> Mapping[str, str]:
        if principal.name:
            if self._by_account is not None:
                self._take(self._by_account, "account", principal.name)
            return NO_FIELDS
        if self._by_pulls is None or endpoint.action is not Action.MANIFEST_READ:
            return NO_FIELDS
        client = self._client(http)
        if not client:
            return NO_FIELDS
        if http.method == "GET":
            grant = self._take(self._by_pulls, "pulls", client, told=True)
        else:
            grant = self._by_pulls.look(client, self._now(), sharers=self._sharers())
        return _told(self._by_pulls.rate, grant.remaining)

    def again(self, who: str) -> bool:
        if not who or self._by_account is None:
            return True
        left = self._credits.get(who, 0)
        if not left:
            left = max(1, int(self._by_account.rate.most) // _AT_ONCE)
            now, sharers = self._now(), self._sharers()
            if not self._by_account.take(who, now, sharers=sharers, many=left).granted:
                return False  # its handler counts to the last one
            if len(self._credits) >= _CREDITS_MAX:
                self._credits.clear()
        self._credits[who] = left - 1
        return True

    @property
    def asks_whence(self) -> bool:
        return self._by_address is not None

    def _take(self, meter: Meter, kind: str, key: str, *, told: bool = False) -> Metered:
        grant = meter.take(key, self._now(), sharers=self._sharers())
        if not grant.granted:
            self.refused[kind] += 1
            raise TooManyRequests(
                kind, meter.rate.most, meter.rate.period_s, grant.wait_s,
                _told(meter.rate, 0) if told else NO_FIELDS,
            )  # fmt: skip
        return grant

    def _client(self, http: web.BaseRequest) -> str:
        """Who counts as the client; empty: nobody who is counted."""
        client = http.get(CLIENT, http.remote or "")
        if not client or is_here(client) or client in self._vicinity.addresses():
            return ""
        return client_network(client)


def _meter(rate: Rate | None) -> Meter | None:
    return None if rate is None else Meter(rate)


def _told(rate: Rate, remaining: int) -> Mapping[str, str]:
    """As Docker Hub tells it."""
    window = f";w={rate.period_s:.0f}"
    return {
        "RateLimit-Limit": f"{rate.most:.0f}{window}",
        "RateLimit-Remaining": f"{remaining}{window}",
    }
