"""
Health: whether the process is alive, and whether it may take traffic.

Logic only; `node.api` gives the answers their routes.
"""

from typing import Final, NamedTuple

import msgspec

CONTENT_TYPE: Final = "application/json"


class Answer(NamedTuple):
    """An HTTP status and a JSON body."""

    status: int
    body: bytes


class Readiness:
    """
    Named conditions that must all hold before the node may take traffic.

    All start unmet. Used from the event loop only.
    """

    def __init__(self, *conditions: str) -> None:
        """Declare every condition there will be; at least one."""
        assert conditions
        self._unmet: dict[str, str | None] = dict.fromkeys(conditions, "starting")

    def meet(self, condition: str) -> None:
        """Say that *condition* holds now."""
        self.require(condition, None)

    def require(self, condition: str, reason: str | None) -> None:
        """
        Say why *condition* does not hold; None when it does.

        Raises:
            KeyError: it was never declared, so the probe could not have waited for it.
        """
        if condition not in self._unmet:
            raise KeyError(condition)
        self._unmet[condition] = reason

    def is_ready(self) -> bool:
        return not self.reasons()

    def reasons(self) -> dict[str, str]:
        """The conditions that do not hold, and why."""
        return {name: why for name, why in self._unmet.items() if why is not None}

    def healthz(self) -> Answer:
        """Answer for `/healthz`: whoever can call this is alive."""
        return Answer(200, msgspec.json.encode({"status": "alive"}))

    def readyz(self) -> Answer:
        """Answer for `/readyz`: 200 with all conditions, or 503 with the reasons why not."""
        reasons = self.reasons()
        body = {
            "status": "unavailable" if reasons else "ready",
            "conditions": {name: why or "ok" for name, why in self._unmet.items()},
        }
        return Answer(503 if reasons else 200, msgspec.json.encode(body))
