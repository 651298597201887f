"""Copies of blobs: bringing a new blob to enough nodes before anything is acknowledged (P1)."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

from cluster.environment import Environment
from cluster.errors import (
    BlobUnavailable,
    BlobUnknown,
    ClusterError,
    CopiesUnfinished,
    PeerUnreachable,
    StorageFailure,
    StorageFull,
)
from cluster.model import Consistency, Digest, Dot, Member, NodeId, Vector
from cluster.replication.asks import Asks
from cluster.replication.fetcher import Fetcher
from cluster.replication.jobs import BlobJobs
from cluster.replication.peers import Peers
from cluster.tasks.groups import task_group

Goal = Callable[[Digest], int]
"""How many nodes are to have a blob; asked again after each step, as members come and go."""

UnderWay = dict[asyncio.Task[Exception | None], NodeId]
"""Who is being asked to hold a blob; each task returns why it does not, if so."""


_AT_ONCE: Final = 256
"""Blobs looked at between two turns of the event loop: some milliseconds."""


class Durability:
    """
    Counts the copies of blobs and makes those that are missing.

    A copy counts while its node is connected, or is this one: a holder that is away may be gone
    for good, and the promise is about what survives the loss of this node now. One job per blob
    at a time; whoever needs the same blob waits for it. What came with a pull is no copy: it may go
    without a word to anybody (decision 22). The first who needs it makes it one.
    """

    def __init__(self, env: Environment, peers: Peers, fetcher: Fetcher) -> None:
        self._env = env
        self._peers = peers
        self._fetcher = fetcher
        self._confirmed: OrderedDict[Digest, dict[NodeId, Dot]] = OrderedDict()
        self.jobs = BlobJobs(env.config.replications_max, env.config.copies_timeout_s)

    def replicate(self, digest: Digest, size: int) -> None:
        """
        Start bringing a new local blob to its other holders. Does not wait, and cannot fail.

        A head start only: what is dropped or fails here is done again, and waited for, by
        `ensure_copies`.
        """
        if self.jobs.get(digest) is not None:
            return
        if self.jobs.waiting >= self._env.config.replications_queue_max:
            self._env.counters.replications_dropped += 1
            return
        with suppress(BlobUnavailable):
            _ = self._start(digest, size, self._reachable)

    async def ensure_copies(
        self,
        blobs: Sequence[tuple[Digest, int]],
        consistency: Consistency = Consistency.REGION,
    ) -> int | None:
        """
        Return once every blob is durable on `Roll.required` nodes; if those are fewer
        than `copies`, that is counted as degraded.

        Raises:
            BlobUnavailable, StorageFull: connected nodes refused or failed, and no other is left.
            CopiesUnfinished: not so within `copies_timeout_s`.
            StorageFailure: the local disk failed.
        """
        timeout_s = self._env.config.copies_timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                copies = await self._make_copies(blobs, partial(self._required_of, consistency))
        except TimeoutError as exc:
            raise CopiesUnfinished(timeout_s) from exc
        if consistency is not Consistency.LOCAL:
            self._note_degraded(copies)
        return min(copies.values(), default=None)

    async def _make_copies(
        self, blobs: Sequence[tuple[Digest, int]], goal: Goal
    ) -> Mapping[Digest, int]:
        """Return how many copies of each there are, once those are enough."""
        # Until none is short at one and the same time: while the last one got its copies, a member
        # that holds the first may have gone.
        while True:
            copies = await self._copies(blobs)
            lacking = {digest: size for digest, size in blobs if copies[digest] < goal(digest)}
            if not lacking:
                return copies
            for digest, size in lacking.items():
                # All at once; the loop below only waits.
                if self.jobs.get(digest) is None:
                    _ = self._start(digest, size, goal)
            for digest, size in lacking.items():
                await self._secure(digest, size, goal)

    async def lacks_copies(
        self, blobs: Sequence[tuple[Digest, int]], consistency: Consistency
    ) -> bool:
        """Whether `ensure_copies` would have to wait now: members come and go."""
        copies = await self._copies(blobs)
        required = partial(self._required_of, consistency)
        return any(count < required(digest) for digest, count in copies.items())

    def is_short(self, digest: Digest) -> bool:
        """
        Whether a blob that is here has fewer than `copies` copies, and a connected member could
        take one.

        A member that is away counts as it said: it may be back in a moment, and if not, what it
        had is here. What it never had is what is looked for.
        """
        if self._env.holders.held_size(digest) is None:
            return False
        roll, rows = self._env.roll, self._env.holders.holders(digest)
        holding, present = set(self.holding(digest)), roll.present_keepers()
        away = [node for node in roll.keepers() if node not in present and node in rows]
        return len(holding) + len(away) < roll.wanted() and not set(roll.takers()) <= holding

    async def repair(self, digest: Digest, size: int) -> None:
        """
        Make the copies that a blob lacks.

        Raises:
            BlobUnavailable, StorageFull, StorageFailure: see `ensure_copies`.
        """
        before = len(self.holding(digest))
        await self._secure(digest, size, self._reachable)
        made = len(self.holding(digest)) - before
        self._env.counters.copies_repaired += max(0, made)

    async def _secure(self, digest: Digest, size: int, goal: Goal) -> None:
        """Wait for the job on this blob; one that began before this call may be tried again."""
        job = self.jobs.get(digest)
        if job is not None:
            with suppress(ClusterError, StorageFailure):
                await asyncio.shield(job)
        # Again after a job of somebody else, who may have needed fewer copies.
        while self._wanted(digest, goal):
            job = self.jobs.get(digest) or self._start(digest, size, goal)
            await asyncio.shield(job)

    def _start(self, digest: Digest, size: int, goal: Goal) -> asyncio.Future[None]:
        return self.jobs.start(digest, lambda: self._bring(digest, size, goal))

    def holding(self, digest: Digest) -> list[NodeId]:
        """Connected nodes whose copy of the blob counts and is durable, this one first."""
        keepers = self._env.roll.keepers()
        return [node for node in self.having(digest) if node in keepers]

    def having(self, digest: Digest) -> list[NodeId]:
        """The same, with those that are about to go, and whose copies do not count."""
        # In this order: another thread writes both, and rows that are older than the vector would
        # seem to deny what they are about to say.
        vector, rows = self._env.events.vector(), self._env.holders.holders(digest)
        others = [
            member.node
            for member in self._env.roll.connected()
            if self._has(digest, member, rows.get(member.node), vector)
        ]
        mine = self._env.holders.held_size(digest)
        return others if mine is None else [self._env.me.node, *others]

    def _has(self, digest: Digest, member: Member, row: Dot | None, vector: Vector) -> bool:
        if row is not None and self._peers.vouches(row):
            return True
        answer = self._confirmed.get(digest, {}).get(member.node)
        if answer is None or answer.epoch != member.epoch:
            # Another run of it may have another disk.
            return False
        # Once its log is here up to its answer, it has taken back what its rows do not say. What
        # its earlier runs said of the blob comes with the first pull.
        if row is not None or not self._peers.has_caught_up(member.node):
            return True
        if vector.get(answer.origin, 0) < answer.seq:
            return True
        # For good: the next link to it has not caught up at first.
        del self._confirmed[digest][member.node]
        return False

    def required(self, consistency: Consistency) -> int:
        """How many nodes must have a blob before a manifest that names it is acknowledged."""
        if consistency is Consistency.LOCAL:
            return 1
        required = self._env.roll.required
        if consistency is Consistency.GLOBAL:
            return max(required, len(self._living().intersection(self._env.roll.keepers())))
        return required

    def _living(self) -> set[NodeId]:
        return {self._env.me.node, *(m.node for m in self._env.roll.living())}

    def _required_of(self, consistency: Consistency, digest: Digest) -> int:
        """The same of one blob: a store that is paused counts if it has it, and need not get it."""
        if consistency is not Consistency.GLOBAL:
            return self.required(consistency)
        roll = self._env.roll
        able = self._living().intersection({*roll.active(), *self.holding(digest)})
        return max(roll.required, len(able))

    def _reachable(self, _: Digest) -> int:
        """How many can have it now, for work that nobody waits for."""
        return min(self._env.roll.copies, len(self._env.roll.present_keepers()))

    async def _copies(self, blobs: Sequence[tuple[Digest, int]]) -> dict[Digest, int]:
        """How many nodes have each blob; where they are a great many, not quite at one time."""
        copies: dict[Digest, int] = {}
        for start in range(0, len(blobs), _AT_ONCE):
            if start:
                await asyncio.sleep(0)
            for digest, _ in blobs[start : start + _AT_ONCE]:
                copies[digest] = len(self.holding(digest))
        return copies

    def _wanted(self, digest: Digest, goal: Goal) -> int:
        """How many copies are missing; 0 when there are enough."""
        return max(0, goal(digest) - len(self.holding(digest)))

    async def _bring(self, digest: Digest, size: int, goal: Goal) -> None:
        """
        Ask one node after the other, until there are enough copies.

        Whoever does not answer soon is not waited for alone (`Asks`): a node whose disk hangs, or a
        call that was lost, would hold up all that wait for this job or for its place.
        """
        under_way: UnderWay = {}
        failure: Exception | None = None
        async with task_group() as group:
            try:
                await self._ask_around(group, under_way, digest, size, goal)
            except (ClusterError, StorageFailure) as exc:
                failure = exc  # The group would raise it as one of many.
            for task in under_way:
                task.cancel()
        if failure is not None:
            raise failure

    async def _ask_around(
        self, group: asyncio.TaskGroup, under_way: UnderWay, digest: Digest, size: int, goal: Goal
    ) -> None:
        """
        See `_bring`. Those that need not answer any more are left *under_way*.

        The count is taken anew after each answer: nodes come and go meanwhile.
        """
        config, clock = self._env.config, self._env.clock
        asks = Asks(config.hold_patience_s + size / config.rate_min_bytes_s)
        while wanted := self._wanted(digest, goal):
            holding, having = self.holding(digest), self.having(digest)
            if not having and self._env.holders.size_here(digest) is None:
                raise BlobUnavailable(digest, "no connected node holds it")
            placed = [n for n in self._env.roll.places(digest, having) if n not in holding]
            if chosen := asks.choose(placed, wanted, clock.now_s()):
                data = await self._inline(digest, size)
                for node in chosen:
                    asks.begin(node, clock.now_s())
                    ask = self._ask(node, digest, size, having, data)
                    under_way[group.create_task(ask)] = node
            if not asks.awaited:
                raise _verdict(digest, asks.refusals)
            done, _ = await asyncio.wait(
                under_way,
                timeout=asks.pause_s(clock.now_s()),
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in done:
                node, refusal = under_way.pop(task), task.result()
                if refusal is None and node not in self.holding(digest):
                    # Or it would be asked again at once, and for ever.
                    refusal = BlobUnavailable(digest, f"the log of {node} denies what it says")
                asks.end(node, refusal)

    async def _inline(self, digest: Digest, size: int) -> bytes | None:
        """The bytes to send along, when they are few and here."""
        small = size <= self._env.config.hold_inline_max_bytes
        if not small or self._env.holders.size_here(digest) is None:
            return None
        data = b""
        with suppress(BlobUnknown):  # its file is gone: the holder finds another source
            async with self._env.blobs.open(digest) as reader:
                data = await reader.read(0, size)
        return data if len(data) == size else None

    async def _ask(
        self,
        node: NodeId,
        digest: Digest,
        size: int,
        sources: Sequence[NodeId],
        data: bytes | None,
    ) -> Exception | None:
        """Have *node* hold the blob; returns why it does not, if so."""
        config = self._env.config
        deadline_s = config.hold_timeout_s + size / config.rate_min_bytes_s
        try:
            async with asyncio.timeout(deadline_s):
                if node == self._env.me.node:
                    await self._fetcher.ensure(digest, size, sources)
                    return None
                members = {member.node: member for member in self._env.roll.connected()}
                member, peer = members.get(node), self._peers.peer(node)
                if member is None or peer is None:
                    # Or it is there again, with another disk, since it was chosen.
                    return PeerUnreachable(f"the link to {node} is down")
                seq = await peer.blobs.hold(digest, size, sources, data)
        except TimeoutError:
            return PeerUnreachable(f"{node} did not hold it within {deadline_s:.0f} s")
        except PeerUnreachable as exc:
            self._peers.report_unreachable(node, exc)
            return exc
        except (ClusterError, StorageFailure) as exc:
            return exc
        self._confirm(digest, Dot(node, member.epoch, seq))
        self._env.counters.copies_made += 1
        return None

    def _confirm(self, digest: Digest, upto: Dot) -> None:
        """Go by the answer until the holder's own record arrives, which its log has *upto* here."""
        self._confirmed.setdefault(digest, {})[NodeId(upto.node)] = upto
        self._confirmed.move_to_end(digest)
        while len(self._confirmed) > self._env.config.confirmed_max:
            self._confirmed.popitem(last=False)

    def _note_degraded(self, copies: Mapping[Digest, int]) -> None:
        target = self._env.roll.wanted()
        short = [digest for digest, count in copies.items() if count < target]
        if short:
            self._env.counters.degraded += 1
            self._env.log.warning(
                "accepted with too few copies",
                blobs=len(short),
                digest=short[0],
                connected=len(self._env.roll.connected()),
            )


def _verdict(digest: Digest, refusals: Mapping[NodeId, Exception]) -> ClusterError:
    """One error for many refusals: a full disk is worth telling apart, the rest is 'try again'."""
    full = [error for error in refusals.values() if isinstance(error, StorageFull)]
    if full and len(full) == len(refusals):
        return StorageFull(str(full[0]))
    told = "; ".join(f"{node}: {error}" for node, error in refusals.items())
    return BlobUnavailable(digest, told or "no node is left to ask")
