"""
Whether the process is alive, and whether it may take traffic.

Logic only; `node.lifetime.conditions` has what is looked at, and `node.admin.probes` gives the
answers.
"""

from collections.abc import Callable
from typing import NamedTuple

import msgspec

Check = Callable[[], str | None]
"""Looks whether a condition holds now: None when it does, else why not. Must not block."""


class HealthReply(NamedTuple):
    """An HTTP status and a JSON body."""

    status: int
    body: bytes


class Readiness:
    """
    Named conditions that must all hold before the node may take traffic.

    Some are told (`meet`, `require`), others are looked at when somebody asks (`watch`). Those for
    writes alone (`watch_writes`) count where somebody asks for a node to write to. Used from the
    event loop only.
    """

    def __init__(self, *conditions: str) -> None:
        """Declare the conditions that will be told; they start unmet."""
        self._told: dict[str, str | None] = dict.fromkeys(conditions, "starting")
        self._watched: dict[str, list[Check]] = {}
        self._watched_writes: dict[str, list[Check]] = {}
        self._remarks: dict[str, list[Check]] = {}

    def meet(self, condition: str) -> None:
        """Say that *condition* holds now."""
        self.require(condition, None)

    def require(self, condition: str, reason: str | None) -> None:
        """
        Say why *condition* does not hold; None when it does.

        Raises:
            KeyError: it was never declared, so the probe could not have waited for it.
        """
        if condition not in self._told:
            raise KeyError(condition)
        self._told[condition] = reason

    def watch(self, condition: str, check: Check) -> None:
        """
        Look by *check* whether *condition* holds, whenever somebody asks.

        Several checks may be of one condition, and it may be told as well: the first reason counts,
        that of a check before what was told.
        """
        self._watched.setdefault(condition, []).append(check)

    def watch_writes(self, condition: str, check: Check) -> None:
        """The same for a condition without which the node serves reads and takes no writes."""
        self._watched_writes.setdefault(condition, []).append(check)

    def remark(self, name: str, check: Check) -> None:
        """Show what *check* has to say, if anything; it stops nothing."""
        self._remarks.setdefault(name, []).append(check)

    @property
    def ready(self) -> bool:
        """Whether the node may take traffic."""
        return not self.reasons()

    @property
    def writable(self) -> bool:
        """Whether the node may take writes, too."""
        return self.ready and not _reasons(self._writes())

    def reasons(self) -> dict[str, str]:
        """The conditions that do not hold, and why; those for writes alone are left out."""
        return _reasons(self._conditions())

    def all_reasons(self) -> dict[str, str]:
        """The same with those for writes."""
        # A name that both have is told where either has a reason.
        reasons = self.reasons()
        return reasons | {n: why for n, why in _reasons(self._writes()).items() if n not in reasons}

    def healthz(self) -> HealthReply:
        """Answer for `/healthz`: whoever can call this is alive."""
        return HealthReply(200, msgspec.json.encode({"status": "alive"}))

    def readyz(self, *, for_writes: bool = False) -> HealthReply:
        """
        Answer for `/readyz`: 200 with all conditions, or 503 with the reasons why not.

        Those for writes are always shown, and count when the question is *for_writes*.
        """
        conditions, writes = self._conditions(), self._writes()
        bad = _reasons(conditions) | (_reasons(writes) if for_writes else {})
        body: dict[str, object] = {
            "status": "unavailable" if bad else "ready",
            "conditions": {name: why or "ok" for name, why in conditions.items()},
            "writes": {name: why or "ok" for name, why in writes.items()},
        }
        remarks = {name: _first(checks) for name, checks in self._remarks.items()}
        if told := _reasons(remarks):
            body["remarks"] = told
        return HealthReply(503 if bad else 200, msgspec.json.encode(body))

    def _conditions(self) -> dict[str, str | None]:
        return self._told | {
            name: _first(checks) or self._told.get(name) for name, checks in self._watched.items()
        }

    def _writes(self) -> dict[str, str | None]:
        return {name: _first(checks) for name, checks in self._watched_writes.items()}


def _first(checks: list[Check]) -> str | None:
    """The reason of the first check that has one."""
    return next((reason for check in checks if (reason := check()) is not None), None)


def _reasons(conditions: dict[str, str | None]) -> dict[str, str]:
    return {name: why for name, why in conditions.items() if why is not None}
