"""The links of this node: one to every member, dialed again whenever it is lost."""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from contextvars import Context
from typing import Final

from cluster.driver.link import Link, Parts
from cluster.driver.watcher import Watcher
from cluster.environment import Environment
from cluster.errors import ClusterError, PeerRefused, PeerUnreachable, StorageFailure
from cluster.membership.backoff import Backoff
from cluster.model import Dot, NodeId, Status
from cluster.peer import Peer, Transport
from cluster.tasks.changes import Topic
from cluster.tasks.groups import task_group

_ENDING_S: Final = 2.0
"""Pause before calling a member that said it stops: longer than its run can still take."""


class Links(Watcher):
    """
    Dials every member, and keeps a session with each that answers (`driver.link`).

    Implements `replication.peers.Peers`. Is told of members by the roster.
    """

    def __init__(
        self,
        env: Environment,
        transport: Transport,
        parts: Parts,
    ) -> None:
        self._env = env
        self._transport = transport
        self._parts = parts
        self._live: dict[NodeId, Link] = {}
        self._kept: dict[NodeId, asyncio.Event] = {}
        """Who is linked to, or dialed now and then; the event ends the pause between two calls."""
        self._hindered: set[NodeId] = set()
        self._first_pulls = asyncio.Semaphore(1)
        self._group: asyncio.TaskGroup | None = None
        self._stopping = False

    async def run(self) -> None:
        """
        Keep the links until cancelled.

        Raises:
            DuplicateNode: while joining, a peer knew another running node of this name.
        """
        try:
            async with task_group() as group:
                self._group = group
                for member in self._env.members.others():
                    self._keep_linked(member.node)
                try:
                    await asyncio.Event().wait()
                finally:
                    self._stopping = True
                    # A greeting may still arrive, and an ending group takes no new task.
                    self._group = None
        finally:
            self._kept.clear()

    def live(self) -> list[Link]:
        return list(self._live.values())

    def link(self, node: NodeId) -> Link | None:
        return self._live.get(node)

    def peer(self, node: NodeId) -> Peer | None:
        link = self._live.get(node)
        return None if link is None else link.peer

    def has_caught_up(self, node: NodeId) -> bool:
        link = self._live.get(node)
        return link is not None and link.caught_up

    def vouches(self, dot: Dot) -> bool:
        link = self._live.get(NodeId(dot.node))
        return link is not None and link.vouches(dot)

    def hindered(self) -> Collection[NodeId]:
        """
        Members whose links ended because the storage here failed: they are there, as far as is
        known, and what they have is not here.
        """
        return [node for node in self._hindered if not self.has_caught_up(node)]

    async def wait_for_any(self, nodes: Collection[NodeId], timeout_s: float) -> None:
        await self._env.changes.wait_until(
            lambda: not nodes or not self._live.keys().isdisjoint(nodes),
            Topic.MEMBERS,
            at_most_s=timeout_s,
        )

    def report_unreachable(self, node: NodeId, error: PeerUnreachable) -> None:
        link = self._live.get(node)
        if link is not None:
            self._take_down(link)
            link.lose(error)

    def heard_of(self, node: NodeId, *, lives: bool) -> None:
        self._keep_linked(node)
        if lives and node in self._kept and node not in self._live:
            self._kept[node].set()

    def ended(self, node: NodeId, reason: str) -> None:
        self.report_unreachable(node, PeerUnreachable(reason))

    def _keep_linked(self, node: NodeId) -> None:
        if self._group is None or node in self._kept:
            return
        self._kept[node] = asyncio.Event()
        self._env.absences.begin(node, self._env.clock.now_s())
        # In a context of its own: the request id of the call that made the member known ends.
        self._group.create_task(self._keep(node), name=f"member {node}", context=Context())

    async def _keep(self, node: NodeId) -> None:
        """Open a link to *node* whenever there is none; pauses grow while that fails."""
        config, kick, reason = self._env.config, self._kept[node], ""
        backoff = Backoff(config.backoff_min_s, config.backoff_max_s, self._env.rng)
        # Before Python 3.13 a TaskGroup that is cancelled while a child fails raises the child's
        # error only, so a session may end with an error though this task was told to stop.
        while True:
            kick.clear()
            try:
                await self._session(node, backoff)
            except (ClusterError, StorageFailure) as exc:
                # The peer or the local disk failed: both may be back at the next attempt.
                if isinstance(exc, ClusterError):
                    self._hindered.discard(node)
                if not self._parts.roster.is_excused(node):
                    reason = self._parts.roster.note_failure(exc, reason, peer=node)
                self._env.join.failed(node)
                self._env.changes.beat(Topic.JOINED)
            if self._stopping or self._env.members.status(node) in (None, Status.LEFT):
                del self._kept[node]
                self._env.absences.end(node)
                # Nobody will pull from it any more.
                self._hindered.discard(node)
                return
            with suppress(TimeoutError):
                # It may still answer while it ends.
                patience_s = _ENDING_S if self._parts.roster.is_excused(node) else 0.0
                async with asyncio.timeout(max(backoff.next_s(), patience_s)):
                    await kick.wait()

    async def _session(self, node: NodeId, backoff: Backoff) -> None:
        member = self._env.members.get(node)
        assert member is not None, "members that may be linked to are not forgotten"
        peer = self._transport.connect(member.rpc)
        try:
            greeting = await self._parts.roster.first_greeting(peer.presence)
            if greeting.member.node != node:
                raise PeerRefused(f"{greeting.member.node} answers at the address of {node}")
            link = Link(self._env, peer, greeting, self._parts, self._first_pulls)
            self._bring_up(link)
            try:
                await link.run()
            except StorageFailure:
                # Before the link counts as down: or a reader takes the member for absent.
                self._hindered.add(node)
                raise
            except ClusterError as exc:
                self._env.counters.links_lost += 1
                if not self._parts.roster.is_excused(node):
                    self._env.log.warning("link lost", peer=node, reason=str(exc))
                raise
            finally:
                self._take_down(link)
                if link.caught_up:
                    # A peer that greets and then fails at once has to wait its turn.
                    backoff.reset()
        finally:
            await peer.close()

    def _bring_up(self, link: Link) -> None:
        self._live[link.node] = link
        # From here on a kick says that the member was restarted: then the next link must not wait.
        self._kept[link.node].clear()
        self._env.members.connect(link.node)
        self._env.absences.end(link.node)
        self._env.changes.beat(Topic.MEMBERS)
        self._env.log.info("link up", peer=link.node, peer_region=link.region)
        self._parts.roster.note_link(link.node)

    def _take_down(self, link: Link) -> None:
        if self._live.get(link.node) is link:
            del self._live[link.node]
            self._env.members.disconnect(link.node)
            self._env.absences.begin(link.node, self._env.clock.now_s())
            self._env.changes.beat(Topic.MEMBERS)
            self._parts.roster.note_doubt(link.node)
