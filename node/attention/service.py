"""What needs attention now: the one who answers everybody that asks."""

import asyncio
from dataclasses import dataclass
from typing import Final

from node.attention.codes import Severity
from node.attention.collector import Collector
from node.attention.facts import Facts
from node.attention.findings import Concern
from node.attention.order import ranked
from node.attention.rules import findings
from node.attention.since import FirstSeen

_LOOK_S: Final = 10.0
"""Between two looks while nobody asks: by so much may a finding be older than it says."""

_COUNT_S: Final = 600.0
"""Between two counts of copies while nobody asks. Each looks at all blobs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """One look: the facts, and what they come to, the worst first."""

    facts: Facts
    concerns: tuple[Concern, ...]

    @property
    def pressing(self) -> tuple[Concern, ...]:
        """Those for which a person should come."""
        return tuple(each for each in self.concerns if each.severity is not Severity.NOTICE)


class Attention:
    """Belongs to one event loop. Whoever asks, the answer comes of the same rules."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector
        self._seen = FirstSeen()

    async def look(self) -> Assessment:
        """How it is, with everything counted now, or a moment ago."""
        await self._collector.count()
        return self.see()

    def see(self) -> Assessment:
        """The same at once: what takes long to count is as it was at the last count."""
        facts = self._collector.facts()
        found = findings(facts)
        self._seen.note([finding.key for finding in found], facts.now)
        return Assessment(facts=facts, concerns=tuple(ranked(found, self._seen.since)))

    async def run(self) -> None:
        """Look now and then, for ever: what is found keeps the time when it began."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._see(), name="looks")
            tasks.create_task(self._count(), name="counts")

    async def _see(self) -> None:
        self.see()
        while True:
            await asyncio.sleep(_LOOK_S)
            await self._collector.count_conflicts()
            self.see()

    async def _count(self) -> None:
        while True:
            # Not at the start: a node that joins has enough to do.
            await asyncio.sleep(_COUNT_S)
            await self._collector.count()
