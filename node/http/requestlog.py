"""One line of the log for a request that was answered."""

from collections.abc import Callable
from typing import Final

from cluster.ports import Log
from node.http.errors import code_of

_READS: Final = ("GET", "HEAD")
_UNAVAILABLE: Final = 500


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
    ) -> None:
        """*error* is what the answer tells, for refusals."""
        fields: dict[str, object] = {
            "method": method,
            "path": path,
            "status": status,
            "ms": round(seconds * 1000, 1),
            "client": client,
        }
        if error is not None:
            fields |= {"code": code_of(error), "reason": str(error)}
        if status >= _UNAVAILABLE:
            # Not the client's doing: whoever looks after the node should see why.
            self._log.warning("request not served", **fields)
        else:
            self._log.info("request", **fields)
