"""Waits until an event of this node may be acknowledged."""

from cluster.driver.leasing import Leasing
from cluster.environment import Environment
from cluster.errors import NotDurable
from cluster.gossip.dissemination import Acknowledgements, Verdict
from cluster.model import Acknowledged, Consistency, Dot, Member, NodeId
from cluster.tasks.changes import Topic


class Acknowledger:
    """Waits, and has `gossip.dissemination` judge at each change. Holds no state."""

    def __init__(
        self, env: Environment, acknowledgements: Acknowledgements, leasing: Leasing
    ) -> None:
        self._env = env
        self._acknowledgements = acknowledgements
        self._leasing = leasing

    async def wait_durable(
        self, dot: Dot, consistency: Consistency = Consistency.REGION
    ) -> Acknowledged:
        """
        Return once enough nodes durably have this node's log up to *dot*, and nobody of the region
        can read an older value of it.

        Raises:
            NotDurable: not so within `durable_timeout_s`.
        """
        assert dot.origin == self._env.events.origin, f"{dot} is not of this log"
        if consistency is Consistency.LOCAL:
            return self._acknowledged(dot, consistency)
        acknowledgements, now = self._acknowledgements, self._env.clock.now_s
        patient_until = now() + self._env.config.laggard_s
        until = now() + self._env.config.durable_timeout_s
        while True:
            leased = self._leasing.granted()
            living = self._env.roll.living() if consistency is Consistency.GLOBAL else ()
            awaited = [member.node for member in living]
            enough = self._env.roll.suffice(self._having(dot))
            verdict = acknowledgements.verdict(dot.seq, leased, awaited, enough=enough)
            wake_at = until
            if verdict is Verdict.DURABLE:
                acknowledgements.note_acknowledged(dot.seq)
                acknowledged = self._acknowledged(dot, consistency)
                if acknowledged.degraded:
                    self._note_degraded(dot)
                return acknowledged
            if now() >= until:
                raise NotDurable(dot)
            if verdict is Verdict.LEASED:
                lacking = acknowledgements.lacking(dot.seq, leased)
                ends_at = min(leased[node] for node in lacking)
                wake_at = min(until, ends_at if now() >= patient_until else patient_until)
                if now() >= patient_until:
                    self._withhold(lacking, dot)
            await self._env.changes.wait_at_most(wake_at - now(), dot, Topic.MEMBERS)

    def _having(self, dot: Dot) -> list[Member]:
        """The other members that durably have *dot*, by their word."""
        acked = self._acknowledgements.acked
        return [m for m in self._env.roll.others() if acked(m.node) >= dot.seq]

    def _acknowledged(self, dot: Dot, consistency: Consistency) -> Acknowledged:
        wanted = 1 if consistency is Consistency.LOCAL else self._env.roll.copies
        return Acknowledged(1 + len(self._having(dot)), wanted)

    def _withhold(self, nodes: list[NodeId], dot: Dot) -> None:
        for node in nodes:
            if self._acknowledgements.withhold(node, dot.seq):
                self._env.counters.laggards += 1
                self._env.log.info("waiting for a lease to end", peer=node, dot=str(dot))

    def _note_degraded(self, dot: Dot) -> None:
        if self._env.roll.names() or self._env.config.seeds:
            self._env.counters.degraded += 1
            self._env.log.warning(
                "acknowledged with too few copies",
                dot=str(dot),
                connected=len(self._env.roll.connected()),
            )
