"""
Genesis: how exactly one cluster begins, and what a node does that meets another one. Pure.

The nodes named in `initial` begin a cluster if all of them are there, all are empty, and none has
heard of a cluster for `quiet_s`. The smallest name does it. A node whose disk was replaced is
empty, too: the others of its cluster tell it so, which is why it asks everybody and waits.
"""

from collections.abc import Collection
from enum import Enum, auto

from cluster.control.context import Context
from cluster.control.messages import Empty, Hail, Letter, Lineage
from cluster.control.state import ControlState
from cluster.control.values import NOTHING, Author, Batch, Found, Hash, Seat
from cluster.control.voters import VoterCandidate, choose


class Founder:
    """The part of a participant that is busy while its log is empty."""

    def __init__(
        self, context: Context, initial: Collection[str], *, now: float, wall_ms: int
    ) -> None:
        self._context = context
        self._wall_ms = wall_ms - int(now * 1000)
        self._initial = tuple(sorted(initial))
        self._quiet_at = now + context.config.quiet_s
        self._has_heard = False
        self._round = 0
        self._round_at = now
        self._empty: dict[str, tuple[Seat, str]] = {}

    def hear(self) -> None:
        """Note that there is a cluster: this run will not found another one."""
        self._has_heard = True

    def ask_for(self, initial: Collection[str]) -> None:
        """An operator says who begins: `atoll layout init`."""
        self._initial = tuple(sorted(initial))
        self._empty.clear()
        self._round += 1

    def _is_empty(self, now: float) -> bool:
        return self._context.log.last == 0 and not self._has_heard and now >= self._quiet_at

    def on_hail(self, letter: Letter, ask: Hail, now: float) -> None:
        """Answer another empty node, if this one has been empty for long enough."""
        if self._is_empty(now):
            answer = Empty(self._context.region, self._initial, ask.round)
            self._context.outbox.send(letter.node, answer)

    def on_empty(self, letter: Letter, answer: Empty, now: float) -> Batch | None:
        """Count one more that is empty; returns genesis when all are."""
        if answer.round != self._round or answer.initial != self._initial:
            return None
        seat = Seat(letter.node, letter.store, letter.run)
        self._empty[letter.node] = (seat, answer.region)
        named = set(self._initial) - {self._context.node}
        return self._genesis(now) if named <= set(self._empty) else None

    def tick(self, now: float, peers: Collection[str]) -> Batch | None:
        """
        Ask everybody, again and again; returns genesis when this node begins alone.

        The answers of one round count together: they are of one time.
        """
        if self._context.log.last or self._has_heard or now < self._round_at:
            return None
        if self._round and self._initial == (self._context.node,):
            batch = self._genesis(now)
            if batch is not None:
                return batch
        self._round += 1
        self._round_at = now + 2 * self._context.config.retry_s
        self._empty.clear()
        for peer in sorted({*peers, *self._initial} - {self._context.node}):
            self._context.outbox.send(peer, Hail(self._initial, self._round))
        return None

    def _genesis(self, now: float) -> Batch | None:
        context = self._context
        if not self._is_empty(now) or self._initial[:1] != (context.node,):
            return None
        run = context.outbox.run
        own = Seat(context.node, context.store, run)
        empty = {**self._empty, context.node: (own, context.region)}
        nodes = choose(VoterCandidate(node, empty[node][1]) for node in self._initial)
        seats = tuple(empty[node][0] for node in nodes)
        nonce = context.chance.getrandbits(63)
        found = Found(seats, self._wall_ms + int(now * 1000), nonce)
        return Batch(NOTHING, 1, NOTHING, Author(context.node, run, 0), (found,))


class Meeting(Enum):
    """What a node does that met one of another generation."""

    WAIT = auto()
    """The other one yields, or an operator forced two generations, which never merge."""

    COME_BACK_EMPTY = auto()
    """The other's generation follows this one, or is older and nothing was decided in this one."""

    STOP = auto()
    """Two clusters, and something was decided in this one, which is the younger: say so."""


def meet(state: ControlState, *, used: bool, other: Lineage) -> Meeting:
    """Compare the own generations with those of *other*."""
    if not state.lineage or not other.lineage or state.generation == other.lineage[-1]:
        return Meeting.WAIT
    if state.generation in other.lineage:
        return Meeting.COME_BACK_EMPTY
    if state.cluster == other.lineage[0]:
        return Meeting.WAIT
    if _age(state.founded_ms, state.cluster) < _age(other.founded_ms, other.lineage[0]):
        return Meeting.WAIT
    return Meeting.STOP if used else Meeting.COME_BACK_EMPTY


def _age(founded_ms: int, cluster: Hash) -> tuple[int, Hash]:
    """Older clusters come first."""
    return founded_ms, cluster
