"""Keeping the catalogue up: counting all repositories once, and then those that were written to."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import aclosing, suppress
from typing import Final

import msgspec

from cluster.errors import NotCaughtUp, StorageFailure
from cluster.ports import Log
from node.desk.catalogue import Catalogue
from node.desk.counts import RowReader, count, repositories
from node.desk.pace import Pace
from node.index.changed import ChangedNames
from node.index.worded import Observer

_POLL_S: Final = 0.25
"""Between two looks at what was written, while nobody asks."""

_RETRY_S: Final = 1.0
"""Between two attempts to read an index that cannot be read."""

_BUILDING_REST: Final = 4.0
_RECOUNTING_REST: Final = 399.0
"""How long it rests for each second that it counted: pulls and pushes come first. It does not rest
while somebody asks; else a repository that is pushed to without end takes 1/400 of a core."""

_HURRY_S: Final = 0.02
"""What who asks waits for the repositories that were written to a moment ago."""

_DIGEST: Final = b":"
"""In every digest, and in no name of a repository."""


class CatalogueKeeper:
    """Owns the work on one `Catalogue`, which its task alone changes. Belongs to one event loop."""

    def __init__(self, rows_of: RowReader, observe: Callable[[Observer], None], log: Log) -> None:
        """*observe* has its argument hear of all that is written from then on."""
        self.catalogue: Final = Catalogue()
        self.on_changed: Callable[[Iterable[str] | None], None] = lambda names: None
        """Hears whose rows have changed, before they are counted; None: anybody's."""
        self._rows = rows_of
        self._observe = observe
        self._changes = ChangedNames()
        self._log = log
        self._pace = Pace(_BUILDING_REST)
        self._dirty: dict[str, None] = {}
        self._everything = True
        self._building = False
        self._counted: str | None = None
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()

    @property
    def building(self) -> bool:
        """Whether some were not counted since the start, or since everything changed."""
        return self._everything or self._building

    @property
    def dirty(self) -> Iterator[str]:
        """Those that were written to since they were counted."""
        if self._counted is not None:
            yield self._counted
        yield from self._dirty

    async def refresh(self) -> None:
        """Return once what was written before is counted; or soon, as that may take long."""
        self.look()
        if self.building or not any(True for _ in self.dirty):
            return
        self._idle.clear()
        self._wake.set()
        self._pace.hurry(wanted=True)
        try:
            with suppress(TimeoutError):  # the answer says so
                async with asyncio.timeout(_HURRY_S):
                    await self._idle.wait()
        finally:
            self._pace.hurry(wanted=False)

    async def wait_counted(self) -> None:
        """Return once all that was written before is counted, however long that takes."""
        self.look()
        while self.building or any(True for _ in self.dirty):
            self._idle.clear()
            self._wake.set()
            self._pace.hurry(wanted=True)
            try:
                await self._idle.wait()
            finally:
                self._pace.hurry(wanted=False)

    def look(self) -> None:
        """Take note of what was written."""
        changed = self._changes.take()
        if changed.everything:
            self._everything = True
            self._dirty.clear()
            self._wake.set()
            self.on_changed(None)
        names = [name.decode() for name in changed.names if _DIGEST not in name]
        if names:
            self._dirty |= dict.fromkeys(names)
            self.on_changed(names)

    async def run(self) -> None:
        """Count for ever."""
        self._observe(self._changes)
        while True:
            try:
                await self._round()
            except (StorageFailure, NotCaughtUp):
                # Whoever asks is told so as well. What was in the middle is counted again.
                self._everything = True
                await asyncio.sleep(_RETRY_S)

    async def _round(self) -> None:
        self._wake.clear()
        self.look()
        self._pace.begin()
        if self._everything:
            await self._build()
        await self._recount()
        self._idle.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(_POLL_S):
                await self._wake.wait()

    async def _build(self) -> None:
        """Count all. What is there of an earlier count stays until it is counted again."""
        self._everything, self._building = False, True
        self._pace.rest = _BUILDING_REST
        try:
            seen = set[str]()
            async with aclosing(repositories(self._rows, self._pace)) as names:
                async for name in names:
                    seen.add(name)
                    await self._count(name)
            for name in [name for name in self.catalogue if name not in seen]:
                await self._count(name)
        finally:
            self._building = False
            self._pace.rest = _RECOUNTING_REST

    async def _recount(self) -> None:
        while self._dirty and not self._everything:
            name = next(iter(self._dirty))
            del self._dirty[name]
            await self._count(name)

    async def _count(self, name: str) -> None:
        self._counted = name
        try:
            counts = await count(self._rows, name, self._pace)
        except msgspec.MsgspecError as exc:
            self._log.error("a repository cannot be counted", repository=name, reason=str(exc))
            counts = None
        finally:
            self._counted = None
        if counts is None:
            self.catalogue.drop(name)
        else:
            self.catalogue.put(counts)
        self.look()
        await self._pace.turn()
