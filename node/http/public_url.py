"""Under which address a client reached this registry."""

import re
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Final

from aiohttp import hdrs, web

from node.http.client_address import Network

_HOST: Final = re.compile(r"([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")
_SCHEMES: Final = ("http", "https")


class PublicUrl:
    """
    The scheme and host that clients are to use: the configured ones, or those that they used.

    Clients send their password there, so what a proxy says counts from *trusted* proxies alone.
    """

    def __init__(self, external_url: str = "", trusted: Sequence[Network] = ()) -> None:
        """
        Args:
            external_url: what clients use, whatever they used this time; empty: not known.
            trusted: addresses of proxies whose `X-Forwarded-Proto` and `X-Forwarded-Host` count.
        """
        self._external = external_url.rstrip("/")
        self._trusted = tuple(trusted)

    def of(self, request: web.BaseRequest) -> str:
        """`http://HOST` or `https://HOST`; empty where no well-formed host was named."""
        if self._external:
            return self._external
        scheme, host = request.scheme, request.headers.get(hdrs.HOST, "")
        if self._is_trusted(request.remote):
            # Each proxy adds what it was asked for at the end, so that the client's is the first.
            scheme = _first(request, hdrs.X_FORWARDED_PROTO).lower() or scheme
            host = _first(request, hdrs.X_FORWARDED_HOST) or host
        return _url(scheme, host)

    def vouched_for(self, request: web.BaseRequest) -> str:
        """The same by somebody's word who is trusted, and not by that of any client; else empty."""
        if self._external:
            return self._external
        if not self._is_trusted(request.remote):
            return ""
        scheme, host = (
            _first(request, field) for field in (hdrs.X_FORWARDED_PROTO, hdrs.X_FORWARDED_HOST)
        )
        return _url(scheme.lower() or request.scheme, host or request.headers.get(hdrs.HOST, ""))

    def _is_trusted(self, address: str | None) -> bool:
        if not self._trusted or not address:
            return False
        try:
            peer = ip_address(address.partition("%")[0])
        except ValueError:
            return False
        return any(peer in network for network in self._trusted)


def _url(scheme: str, host: str) -> str:
    known = scheme in _SCHEMES and _HOST.fullmatch(host) is not None
    return f"{scheme}://{host}" if known else ""


def _first(request: web.BaseRequest, name: str) -> str:
    return request.headers.get(name, "").partition(",")[0].strip()
