"""What this node and the members tell each other of themselves, and what follows from it."""

import asyncio

from cluster.driver.freshness import FreshnessDriver
from cluster.driver.greetings import Greetings
from cluster.driver.retirer import Retirer
from cluster.driver.settings_check import SettingsCheck
from cluster.driver.stages import Stages
from cluster.driver.watcher import Watcher
from cluster.environment import Environment
from cluster.errors import DuplicateNode, PeerRefused, PeerUnreachable, WrongCluster
from cluster.messages import Greeting
from cluster.model import Member, NodeId, Rumour, Status
from cluster.peer import PresenceCalls
from cluster.tasks.changes import Topic


class Roster:
    """
    Exchanges greetings, and takes note of them and of what the failure detector finds.

    Each thing that a greeting tells has an owner of its own; this hands it to them, and tells the
    watchers who is there.
    """

    def __init__(
        self,
        env: Environment,
        greetings: Greetings,
        freshness: FreshnessDriver,
        settings_check: SettingsCheck,
        stages: Stages,
        retirer: Retirer,
    ) -> None:
        self._env = env
        self._retirer = retirer
        self._greetings = greetings
        self._freshness = freshness
        self._settings_check = settings_check
        self._stages = stages
        self._watchers: list[Watcher] = []

    def watch(self, watcher: Watcher) -> None:
        self._watchers.append(watcher)

    async def first_greeting(self, peer: PresenceCalls) -> Greeting:
        """
        Greet somebody to whom there is no link.

        Raises:
            ClusterError: nobody answers, or it is no member.
        """
        try:
            return await self._exchange(
                peer, self._greetings.whole(), self._env.config.dial_timeout_s
            )
        except TimeoutError as exc:
            raise PeerUnreachable("no answer to the first greeting") from exc

    async def greet(self, node: NodeId, peer: PresenceCalls, timeout_s: float) -> Greeting:
        """
        Greet the member at the other end of a link.

        Raises:
            TimeoutError, ClusterError: it did not answer, or is no member any more.
        """
        return await self._exchange(peer, self._greetings.brief(node), timeout_s)

    async def _exchange(
        self, peer: PresenceCalls, question: Greeting, timeout_s: float
    ) -> Greeting:
        """Greet with *question* and take note of the answer."""
        asked_at = self._env.clock.now_s()
        async with asyncio.timeout(timeout_s):
            answer = await peer.hello(question)
        member = answer.member
        if self._env.members.is_me(member):
            return answer
        try:
            self._note(answer)
        except DuplicateNode as exc:
            if member.node == self._env.me.node:
                raise
            # Two others share a name. That is not this node's end, but no link either.
            raise PeerRefused(str(exc)) from exc
        self._greetings.note(answer)
        if self._env.members.status(member.node) is not Status.LEFT:
            self._env.clocks.note(member.node, answer.wall_ms, asked_at)
            self._env.distances.note(member.node, self._env.clock.now_s() - asked_at)
        at_one = question.stage == answer.stage == self._stages.mine
        if answer.current and at_one:
            self._freshness.take(member, asked_at)
        return answer

    def answer(self, question: Greeting) -> Greeting:
        """
        Take note of a greeting and answer it, with a lease if the sender may have one.

        Raises:
            PeerRefused: the sender cannot be a member.
        """
        self.check_cluster(question.cluster)
        sender = question.member
        if self._env.members.is_me(sender):
            return self._greetings.answer(question)
        self._note(question)
        if question.brief:
            self._greetings.note(question)
        granted = question.stage == self._stages.mine and self._freshness.grant(question)
        return self._greetings.answer(question, current=granted)

    def check_cluster(self, name: str) -> None:
        """Return if *name* is the name of this cluster; raises `WrongCluster`."""
        cluster = self._env.config.cluster
        if name != cluster:
            raise WrongCluster(f"this is cluster {cluster!r}, not {name!r}")

    def _note(self, greeting: Greeting) -> None:
        """
        Take note of what a peer said in a greeting, whoever began it.

        Raises:
            PeerRefused: it cannot be a member (`Members.greet`).
        """
        member, members = greeting.member, self._env.members
        before = members.get(member.node)
        is_later = before is not None and before.epoch > member.epoch
        # Of another disk it may be the later one, if the clock of its machine is behind.
        same = before is not None and before.store == member.store
        if is_later and (same or members.is_connected(member.node)):
            raise PeerRefused(f"a later run of {member.node} is known than {member.epoch}")
        members.greet(member, greeting.protocol)
        if not greeting.brief:
            self._settings_check.note(member.node, greeting.settings)
        if before is not None and before.epoch != member.epoch:
            self._env.absences.end_excuse(member.node)
            self._end_run_of(before)
        self._stages.note(greeting)
        self._env.vitals.note(member, greeting.vitals)
        have, since, version = greeting.have, greeting.since, greeting.version
        if greeting.stage != self._stages.mine:
            # It is told again once both are at one stage.
            have, since, version = {}, 0, 0
        said = self._env.progress.heard(member, have, since=since, version=version)
        self._retirer.hear(greeting)
        self._freshness.note(greeting)
        self._env.changes.note_progress(member.node, said)
        if before is None:
            self._env.changes.beat(Topic.MEMBERS)
        # It lives: no reason to wait for the end of a pause.
        self._tell_of(member.node, lives=not self.is_excused(member.node))
        for watcher in self._watchers:
            watcher.met(member)
            if greeting.known:
                watcher.told(greeting.known)
        if (greeting.joined or greeting.began) and self._env.join.vouch(member.node):
            self._env.changes.beat(Topic.JOINED)

    def note_standing(self, before: Rumour | None, after: Rumour) -> None:
        """What is known of a member has changed: who is linked to and waited for may change too."""
        node, status = after.member.node, after.standing.status
        if before is not None and before.member.epoch != after.member.epoch:
            self._end_run_of(before.member)
        if status is Status.LEFT:
            self._env.join.excuse(node)
            self._settings_check.forget(node)
            self._env.clocks.forget(node)
            self._env.distances.forget(node)
            self._env.vitals.forget(node)
        else:
            self._tell_of(node, lives=status is Status.ALIVE)
        self._env.changes.beat(Topic.MEMBERS, Topic.JOINED)

    def note_ending(self, node: NodeId, epoch: int) -> None:
        """
        *node* ends the run *epoch*, and means to be back soon: nobody looks for it meanwhile.

        A word of an earlier run came late, and means nothing.
        """
        member, back_soon_s = self._env.members.get(node), self._env.config.back_soon_s
        if member is None or member.epoch != epoch:
            return
        self._env.absences.excuse(node, self._env.clock.now_s() + back_soon_s)
        self._env.log.info("member stops for a moment", peer=node, expected_in_s=back_soon_s)
        for watcher in self._watchers:
            watcher.ended(node, f"{node} stopped, to be back soon")

    def is_excused(self, node: NodeId) -> bool:
        return self._env.absences.is_excused(node, self._env.clock.now_s())

    def note_link(self, node: NodeId) -> None:
        for watcher in self._watchers:
            watcher.link_up(node)

    def note_doubt(self, node: NodeId) -> None:
        """The link to *node* is lost, or a greeting on it was not answered in time."""
        for watcher in self._watchers:
            watcher.doubted(node)

    def note_failure(self, error: Exception, before: str, **where: object) -> str:
        """
        Log why somebody was not greeted, aloud when it is not what it was *before*; returns the
        reason.

        Raises:
            DuplicateNode: that was it, while joining. A node that has joined stays: the
                newcomer has to go.
        """
        if isinstance(error, DuplicateNode) and not self._env.join.joined:
            raise error
        reason = f"{type(error).__name__}: {error}"
        log = self._env.log.debug if reason == before else self._env.log.warning
        log("no link", reason=reason, **where)
        return reason

    def _end_run_of(self, member: Member) -> None:
        """*member* has started anew: what its last run said of itself need not hold any more."""
        self._freshness.end_run(member, disk_said=self._env.progress.of(member.node))
        self._env.progress.end_run(member.node)
        for watcher in self._watchers:
            watcher.ended(member.node, f"{member.node} was restarted")

    def _tell_of(self, node: NodeId, *, lives: bool) -> None:
        for watcher in self._watchers:
            watcher.heard_of(node, lives=lives)
