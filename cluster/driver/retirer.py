"""Retires the logs of runs that are over, and notices where this run's own would be refused."""

import asyncio
from collections.abc import Mapping
from typing import Final

from cluster import vectors
from cluster.driver.duties import Duties
from cluster.driver.freshness import FreshnessDriver
from cluster.environment import Environment
from cluster.errors import EpochTaken
from cluster.freshness.drift import DRIFT
from cluster.gossip import retirement
from cluster.gossip.retirement import Evidence
from cluster.messages import Greeting, Heard
from cluster.model import RETIRED_LOGS, Member, NodeId, Vector


class Retirer:
    """
    Asks `gossip.retirement` after each round of trimming. Each node decides for itself.

    A member that has not said all of it in its present run holds up everything: it may have what
    nobody else has. The operator ends that by taking it out of the layout.
    """

    def __init__(self, env: Environment, freshness: FreshnessDriver, duties: Duties) -> None:
        self._env = env
        self._freshness = freshness
        self._duties = duties
        config = env.config
        leased_s = (config.lease_s + config.laggard_remote_s) * DRIFT
        # Nor is anything on its way any more that the run before sent, or said.
        self._settles_s: Final = leased_s + config.push_timeout_s + config.heartbeat_timeout_s
        self._runs: dict[NodeId, tuple[int, float]] = {}
        """The present run of each node, and since when this node knows of it."""

        self._words: dict[NodeId, tuple[int, float]] = {}
        """The run in which each member last told all that it has, and when."""

        self._named = 0
        """The latest epoch of this node that makes another run necessary."""
        self._outlived = asyncio.Event()

    def hear(self, greeting: Greeting) -> None:
        """
        Take note of a greeting, of which `Progress` has what it says of the sender's vector.

        A node on a new disk whose clock is behind begins an epoch that is before those of its
        earlier runs. Members may have retired those: they would refuse what it writes. Before it
        has joined it has written nothing that counts, so any later log is reason enough.
        """
        me, said, member = self._env.me, greeting.have, greeting.member
        retired = vectors.watermark(said, me.node).epoch
        named = max((origin.epoch for origin in said if origin.node == me.node), default=0)
        if retired >= me.epoch or (named > me.epoch and not self._env.join.joined):
            self._named = max(self._named, named, retired)
            self._outlived.set()
        # At another stage it says nothing; and where a greeting was lost, not everything.
        heard = self._env.progress.heard_of(member.node)
        complete = heard >= Heard(member.epoch, greeting.version)
        if greeting.stage == self._env.chronicle.stage and complete:
            self._words[member.node] = member.epoch, self._env.clock.now_s()

    async def run(self) -> None:
        """
        Wait for the reason to end this run.

        Raises:
            EpochTaken: members know of a later one.
        """
        await self._outlived.wait()
        raise EpochTaken(self._named)

    async def retire(self, stable: Vector) -> None:
        """Retire what may be, where what is before *stable* is (`gossip.stability`)."""
        env, members = self._env, self._members()
        presents = self._presents(members)
        if members is None or not presents:
            return
        mine = env.events.vector()
        said = {node: env.progress.of(node) for node in members}
        known: dict[str, set[int]] = {}
        for vector in (mine, *said.values()):
            retirement.epochs(known, vector)
            await asyncio.sleep(0)  # a vector may have thousands of logs
        evidence = Evidence(
            mine, env.events.floor(), stable, env.retention.held_back(), said, known
        )
        upto: dict[NodeId, int] = {}
        for node, present in presents.items():
            if epoch := retirement.retirable(node, present, evidence):
                upto[node] = epoch
                await asyncio.sleep(0)
        # A member that began another run meanwhile has yet to say what that has.
        if upto and members == self._members() and not env.checkpoints.restoring:
            await self._carry_out(upto, mine)

    async def _carry_out(self, upto: Mapping[NodeId, int], before: Vector) -> None:
        env = self._env
        await env.retention.retire(upto)
        after = env.events.vector()
        marks = vectors.marks(after).items() - vectors.marks(before).items()
        news = {origin: (before.get(origin, 0), value) for origin, value in marks}
        self._freshness.note_synced(news)
        env.changes.note_progress(env.me.node, news)
        self._duties.forget_retired()
        logs = len(vectors.stood_for(before, after))
        env.counters.logs_retired += logs
        env.log.info("logs retired", nodes=len(news), logs=logs)

    def _members(self) -> Mapping[NodeId, Member] | None:
        """
        The others by the layout, if each has greeted in its present run and reads watermarks, and
        no disk lacks what it once had; None if not so.
        """
        roll, freshness = self._env.roll, self._freshness
        members = {member.node: member for member in roll.others()}
        if not roll.has_me or members.keys() != {*roll.names()} or not freshness.is_continuous():
            return None
        if not roll.uses(RETIRED_LOGS):
            # A node of an earlier version would take what is retired for missing.
            return None
        spoken = self._env.progress.has_spoken
        if not all(spoken(m) and freshness.is_whole(m) for m in members.values()):
            return None
        return members

    def _presents(self, members: Mapping[NodeId, Member] | None) -> Mapping[NodeId, int]:
        """
        The epoch of each node's present run, if each of *members* has told all that it has since
        the run before was over for good.

        An earlier word is not enough. Example: X says what it has, takes an event of W, which
        acknowledges it, and is cut off. W's disk is lost and taken out of the layout, and W runs
        again. By X's last word nobody has that event.
        """
        now, me = self._env.clock.now_s(), self._env.me
        known = (me, *self._env.members.others())
        before = self._runs
        self._runs = {
            m.node: before[m.node] if before.get(m.node, (0,))[0] == m.epoch else (m.epoch, now)
            for m in known
        }
        if members is None:
            return {}
        words = [self._words.get(node, (0, 0.0)) for node in members]
        told_at = min((at for _, at in words), default=now)
        if any(run != m.epoch for (run, _), m in zip(words, members.values(), strict=True)):
            return {}
        return {
            node: epoch
            for node, (epoch, since) in self._runs.items()
            if told_at >= since + self._settles_s
        }
