"""Waiting until an event of this node may be acknowledged."""

import asyncio

from cluster.driver.links import Links
from cluster.environment import Environment
from cluster.errors import NotDurable
from cluster.gossip.dissemination import Verdict
from cluster.model import Dot


class Acknowledging:
    """The clock around `gossip.dissemination`: it judges, this waits. Holds no state."""

    def __init__(self, env: Environment, links: Links) -> None:
        self._env = env
        self._links = links

    async def wait_durable(self, dot: Dot) -> None:
        """
        Return once enough connected nodes durably have this node's log up to *dot*.

        Raises:
            NotDurable: they did not in `durable_timeout_s`, though they are connected.
        """
        assert (dot.node, dot.epoch) == self._env.records.origin, f"{dot} is not of this log"
        now = asyncio.get_running_loop().time
        laggards_until = now() + self._env.config.laggard_s
        until = now() + self._env.config.durable_timeout_s
        while True:
            wake_at = until
            match self._links.acknowledgements.verdict(dot.seq):
                case Verdict.DURABLE:
                    return
                case Verdict.DEGRADED:
                    self._note_degraded(dot)
                    return
                case Verdict.LAGGARD:
                    if now() >= laggards_until:
                        self._env.log.info("acknowledged without a laggard", dot=str(dot))
                        return
                    wake_at = laggards_until
                case Verdict.WAIT:
                    if now() >= until:
                        raise NotDurable(dot)
            await self._look_again(wake_at)

    async def _look_again(self, at: float) -> None:
        try:
            async with asyncio.timeout_at(at):
                await self._links.changes.wait()
        except TimeoutError:
            return

    def _note_degraded(self, dot: Dot) -> None:
        if self._links.known() or self._env.config.seeds:
            self._env.counters.degraded += 1
            self._env.log.warning(
                "acknowledged with too few copies",
                dot=str(dot),
                connected=len(self._links.connected()),
            )
