"""One line of the log for a request that was answered."""

from typing import Final

from cluster.ports import Log
from node.http.errors import code_of

_READS: Final = ("GET", "HEAD")
_UNAVAILABLE: Final = 500


class RequestLog:
    """
    Logs changes and refusals; reads that succeed only where somebody wants them.

    Those are thousands a second and are counted in the metrics: a line each would cost more than
    the answer.
    """

    def __init__(self, log: Log, *, every: bool) -> None:
        """*every* is whether reads that succeed are logged too (`log_requests = all`)."""
        self._log = log
        self.every: Final = every

    def has_line(self, method: str, status: int) -> bool:
        """Whether a request has one. To be asked first: most have none, and cost nothing more."""
        return self.every or status >= 400 or method not in _READS

    def done(
        self,
        method: str,
        path: str,
        client: str | None,
        who: str,
        status: int,
        seconds: float,
        error: Exception | None,
    ) -> None:
        """*who* is empty for a stranger; *error* is what the answer tells, for refusals."""
        fields: dict[str, object] = {
            "method": method,
            "path": path,
            "status": status,
            "ms": round(seconds * 1000, 1),
            "client": client,
        }
        if who:
            fields["who"] = who
        if error is not None:
            fields |= {"code": code_of(error), "reason": str(error)}
        if status >= _UNAVAILABLE:
            # Not the client's doing: whoever looks after the node should see why.
            self._log.warning("request not served", **fields)
        else:
            self._log.info("request", **fields)
