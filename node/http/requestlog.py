"""One line of the log for a request that was answered."""

from collections.abc import Callable, Mapping
from typing import Final

from aiohttp import web

from cluster.ports import Log
from node.http.client_address import CLIENT
from node.http.endpoint import ADMITTED
from node.http.errors import code_of
from node.http.routing import Target

_READS: Final = ("GET", "HEAD")
_UNAVAILABLE: Final = 500

SUBJECT: Final = web.RequestKey("subject", str)
"""Under which a request has what it is about, where its handler knows more than its path tells."""

NO_MORE: Final[Mapping[str, object]] = {}


def more_of(http: web.BaseRequest, target: Target) -> Mapping[str, object]:
    """
    What the line of a form of a page says besides: what was to be done, to what, and in whose
    session. That is told by its id, which opens nothing; the cookie's token is in no line.

    The client is who is behind trusted proxies: pages are what a proxy with TLS is in front of.
    """
    if not target.endpoint.is_page or http.method in _READS:
        return NO_MORE
    asker = http.get(ADMITTED)
    session = None if asker is None else asker.session
    told = {
        "action": target.endpoint.action.value,
        "repository": str(target.repository),
        "subject": http.get(SUBJECT, target.variable),
        "session": "" if session is None else session.id,
        "client": http.get(CLIENT, ""),
    }
    return {name: value for name, value in told.items() if value}


class RequestLog:
    """
    Logs changes and refusals; reads that succeed only where somebody wants them.

    Those are thousands a second and are counted in the metrics: a line each would cost more than
    the answer. Who asks, and the request's id, are in each line (`node.logs`).
    """

    def __init__(
        self, log: Log, *, every: bool, wanted: Callable[[str], bool] = lambda repository: False
    ) -> None:
        """
        Args:
            every: whether all reads that succeed are logged (`log_requests = all`).
            wanted: whether those of a repository are.
        """
        self._log = log
        self._every = every
        self._wanted = wanted

    def has_read(self, repository: str) -> bool:
        """Whether a read that succeeds has a line; *repository* is empty where it is of none."""
        return self._every or (bool(repository) and self._wanted(repository))

    def has_line(self, method: str, status: int) -> bool:
        """Whether a request has one, whatever it is about."""
        return self._every or status >= 400 or method not in _READS

    def done(
        self,
        method: str,
        path: str,
        client: str | None,
        status: int,
        seconds: float,
        error: Exception | None,
        more: Mapping[str, object] = NO_MORE,
    ) -> None:
        """*error* is what the answer tells, for refusals; *more* is said besides (`more_of`)."""
        fields: dict[str, object] = {
            "method": method,
            "path": path,
            "status": status,
            "ms": round(seconds * 1000, 1),
            "client": client,
            **more,
        }
        if error is not None:
            fields |= {"code": code_of(error), "reason": str(error)}
        if status >= _UNAVAILABLE:
            # Not the client's doing: whoever looks after the node should see why.
            self._log.warning("request not served", **fields)
        else:
            self._log.info("request", **fields)
