"""Checkpoints of this node's state for peers that are below the floor of a log."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final

from cluster.environment import Environment
from cluster.errors import CheckpointUnavailable
from cluster.model import CheckpointPiece, NodeId
from cluster.ports import Checkpoint
from cluster.state import Act

_LEFT_S: Final = 2.0
"""A reader that is connected and has not read for so long is done: one that was cut off goes on at
once."""


@dataclass(slots=True)
class _Open:
    """One open checkpoint, and since when nobody reads it."""

    reader: NodeId
    checkpoint: Checkpoint
    opened_s: float
    left_s: float
    readers: int = 0


class Checkpoints:
    """
    Gives out checkpoints piece by piece, and keeps each for a while for a reader that was cut off.

    While one is open the store keeps old files, so their number and their age are bounded. Each
    member has one: it loses that when it begins again. Otherwise a member whose disk is full, so
    that it begins again and again, would keep all others out.
    """

    def __init__(self, env: Environment) -> None:
        self._env = env
        self._open: dict[int, _Open] = {}
        self._making = 0

    async def run(self) -> None:
        """Close what was abandoned, until cancelled; then the rest."""
        try:
            while True:
                await asyncio.sleep(self._env.config.checkpoint_keep_s / 2)
                self._close_abandoned()
        finally:
            for number in list(self._open):
                self._close(number)

    async def read(
        self, reader: NodeId, number: int, after: bytes
    ) -> AsyncGenerator[CheckpointPiece, None]:
        """See `EventCalls.checkpoint`."""
        if number == 0:
            number = await self._begin(reader)
        found = self._open.get(number)
        if found is None:
            raise CheckpointUnavailable("it is closed; begin again")
        found.readers += 1
        try:
            head = found.checkpoint.head
            while True:
                part = found.checkpoint.part(after)
                self._env.counters.checkpoint_rows_served += part.rows
                yield CheckpointPiece(number, head, part)
                after = part.next
                if not after:
                    break
                # The parts are read on the event loop, and a reader on this machine never waits.
                await asyncio.sleep(0)
                if self._open.get(number) is not found:
                    raise CheckpointUnavailable("it was open for too long; begin again")
        finally:
            found.readers -= 1
            found.left_s = self._env.clock.now_s()

    async def _begin(self, reader: NodeId) -> int:
        if not self._env.state.allows(Act.CHECKPOINT):
            raise CheckpointUnavailable("what it has is no state to take over")
        self._close_abandoned(reader)
        if len(self._open) + self._making >= self._env.config.checkpoints_max:
            raise CheckpointUnavailable("as many checkpoints as may be are open already")
        self._making += 1
        try:
            checkpoint = await self._env.checkpoints.checkpoint()
        finally:
            self._making -= 1
        number = self._env.rng.getrandbits(63) + 1
        now_s = self._env.clock.now_s()
        self._open[number] = _Open(reader, checkpoint, now_s, now_s)
        self._env.log.info("checkpoint opened", rows=checkpoint.head.rows)
        return number

    def _close_abandoned(self, by: NodeId | None = None) -> None:
        """Close what was left or is too old, and what the member *by* has, which begins again."""
        now, config = self._env.clock.now_s(), self._env.config
        connected = {member.node for member in self._env.members.connected()}
        for number, each in list(self._open.items()):
            keep_s = _LEFT_S if each.reader in connected else config.checkpoint_keep_s
            unread = not each.readers and now - each.left_s >= keep_s
            if unread or each.reader == by or now - each.opened_s >= config.checkpoint_age_max_s:
                self._close(number)

    def _close(self, number: int) -> None:
        self._open.pop(number).checkpoint.close()
        self._env.log.info("checkpoint closed")
