"""How late the runner's own timers are: whether a slow answer may be the machine's doing."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

_TICK_S: Final = 0.05
_NOTED_S: Final = 0.1


@dataclass
class Lateness:
    """
    Notes when a timer of this process was late. That excuses nothing: it stands beside what was
    found, so that a machine with too much to do can be told from a fault.
    """

    now: Callable[[], float]
    noted: list[tuple[float, float]] = field(default_factory=list)
    """When, in seconds of the run, and by how much."""

    async def watch(self) -> None:
        """Look until cancelled."""
        while True:
            due = self.now() + _TICK_S
            await asyncio.sleep(_TICK_S)
            self.note(due)

    def note(self, due: float) -> None:
        """A timer that was *due* then has gone off."""
        now = self.now()
        if now - due >= _NOTED_S:
            self.noted.append((now, now - due))

    @property
    def worst_s(self) -> float:
        return self.worst_between(0.0, self.now())

    def worst_between(self, start: float, end: float) -> float:
        """How late a timer was at worst that was due, or went off, in between."""
        within = [late_s for at, late_s in self.noted if at >= start and at - late_s <= end]
        return max(within, default=0.0)
