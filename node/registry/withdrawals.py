"""Taking back what could not be acknowledged, on a disk that may be failing just then."""

import asyncio
from collections import deque
from typing import Final, NamedTuple

from cluster.errors import NotCaughtUp
from cluster.model import Digest
from cluster.ports import Log
from cluster.waiting.pulse import Pulse
from node.registry.names import RepositoryName
from node.registry.ports import MetadataIndex, StoredManifest

_TRY_AGAIN_S: Final = 1.0
"""Between two attempts: as long as clients are told to wait."""


class _Withdrawal(NamedTuple):
    repository: RepositoryName
    digest: Digest
    stored: StoredManifest


class Withdrawals:
    """
    Withdraws pushes that got 503, again and again where the disk does not take that either.

    They are remembered by this run only. After a crash such a push may stand, as may any that was
    never answered: what should tell of it had to be written to the same disk.
    """

    def __init__(self, index: MetadataIndex, log: Log, pause_s: float = _TRY_AGAIN_S) -> None:
        self._index = index
        self._log = log
        self._pause_s = pause_s
        self._due: deque[_Withdrawal] = deque()
        self._changes = Pulse()

    @property
    def due(self) -> int:
        """How many pushes are still to be withdrawn."""
        return len(self._due)

    async def withdraw(
        self, repository: RepositoryName, digest: Digest, stored: StoredManifest
    ) -> None:
        """
        Take back a push, now or as soon as that is possible.

        Raises:
            StorageFailure: it was not possible now.
            NotCaughtUp: nor was this, while the index of another node is taken over.
        """
        withdrawal = _Withdrawal(repository, digest, stored)
        try:
            await self._take_back(withdrawal)
        except BaseException as exc:
            # A client that has gone away is no reason to let its push stand, either.
            self._log.warning("push not taken back yet", repository=repository, reason=repr(exc))
            self._due.append(withdrawal)
            self._changes.beat()
            raise

    async def run(self) -> None:
        """Try again what failed, for ever."""
        while True:
            await self._changes.wait_until(lambda: bool(self._due))
            await asyncio.sleep(self._pause_s)
            try:
                while self._due:
                    await self._take_back(self._due[0])
                    self._due.popleft()
            except (OSError, NotCaughtUp) as exc:
                self._log.debug("pushes not taken back yet", count=self.due, reason=str(exc))

    async def _take_back(self, withdrawal: _Withdrawal) -> None:
        await self._index.withdraw_manifest(*withdrawal)
        self._index.settle(withdrawal.stored)
