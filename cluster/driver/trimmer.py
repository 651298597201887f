"""Forgets the events that nobody will ask for, and what is stable: deletions, and ended logs."""

import asyncio

from cluster.clock import COUNTER_BITS, stamp_ms
from cluster.driver.retirer import Retirer
from cluster.environment import Environment
from cluster.errors import ClusterError, StorageFailure
from cluster.gossip import floor
from cluster.gossip.stability import Stability
from cluster.model import Origin


class Trimmer:
    """Trims what `gossip.floor` says nobody needs, once it is old enough."""

    def __init__(self, env: Environment, retirer: Retirer) -> None:
        self._env = env
        self._retirer = retirer
        self._stability = Stability()

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self._env.config.trim_interval_s)
            try:
                await self.trim()
                await self.forget_deletions()
            except (ClusterError, StorageFailure) as exc:
                # The log only grows meanwhile, and the next round does all of it.
                self._env.log.warning("log not trimmed", reason=str(exc))

    async def trim(self) -> None:
        events, config = self._env.events, self._env.config
        if self._env.checkpoints.restoring:
            return
        before, roll = events.floor(), self._env.roll
        upto: dict[Origin, int] = {}
        for candidate in floor.candidates(
            events.vector(),
            before,
            {member.node: self._env.progress.of(member.node) for member in roll.others()},
            roll.names(),
            [member.node for member in roll.connected()],
            settled_age_s=config.log_settled_s,
            away_age_s=config.log_away_s,
        ):
            origin, _, age_s = candidate
            begin = max(before.get(origin, 0), upto.get(origin, 0))
            aged = self._aged(origin, begin, candidate.upto, age_s)
            if aged > begin:
                upto[origin] = aged
        if upto:
            await self._env.retention.trim(upto)
            trimmed = sum(seq - before.get(origin, 0) for origin, seq in upto.items())
            self._env.counters.events_trimmed += trimmed
            self._env.log.info("log trimmed", logs=len(upto), events=trimmed)

    async def forget_deletions(self) -> None:
        """Forget the deletions that no unseen push can be older than, and logs that are over."""
        events, roll = self._env.events, self._env.roll
        # By an earlier layout it would not ask those that have come since.
        joined = self._env.join.joined and roll.has_me
        if self._env.checkpoints.restoring or not joined:
            return
        for member in roll.others():
            self._stability.note(member.node, self._env.progress.of(member.node), events.vector())
            await asyncio.sleep(0)  # a vector may have thousands of logs
        stable = self._stability.stable(roll.names(), events.vector())
        await self._env.retention.forget_deletions(stable)
        await self._retirer.retire(stable)

    def _aged(self, origin: Origin, begin: int, upto: int, age_s: float) -> int:
        """The last event after *begin*, up to *upto*, that is *age_s* old; *begin* if none is."""
        now_ms = self._env.clock.now_ms()
        youngest_ms = now_ms - age_s * 1000
        # A node stamps without the time before it has joined. Such an event is no older than its
        # run, whose epoch tells when that began; unless a clock was wrong.
        began_ms = origin.epoch >> COUNTER_BITS
        began_ms = began_ms if began_ms <= now_ms else 0
        # Stamps rise along a log, so that a search finds the place without reading the log.
        low, high = begin, upto
        while low < high:
            middle = (low + high + 1) // 2
            (event, *_) = self._env.events.events_after(origin, middle - 1, max_bytes=1)
            if max(stamp_ms(event.stamp), began_ms) <= youngest_ms:
                low = middle
            else:
                high = middle - 1
        return low
