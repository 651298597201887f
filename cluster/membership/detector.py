"""
The failure detector: SWIM (Das, Gupta and Motivala, 2002) with Lifeguard (Dadgar, Phillips and
Currey, 2018). Pure: signals and the time go in, effects come out; a driver carries them out.

    ALIVE ── probe failed, here or elsewhere ──► SUSPECT ── timeout ──► DEAD
      ▲                                             │                     │
      └──── the member's own word, with a higher incarnation ─────────────┘
    LEFT: the member said so itself; only a new run of it is ALIVE again

A probe asks one member. Without an answer in `probe_timeout_s` others try on this node's behalf,
and without theirs before `probe_interval_s` is over the member is suspected.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import assert_never

from cluster.config import ClusterConfig, MembershipConfig
from cluster.membership import precedence, signals
from cluster.membership.absences import Absences
from cluster.membership.awareness import Awareness
from cluster.membership.members import Members
from cluster.membership.rumours import RumourQueue
from cluster.membership.schedule import Schedule
from cluster.membership.suspicion import Suspicion, confirmations_wanted, timeout_s
from cluster.model import Member, NodeId, Rumour, Standing, Status
from cluster.ports import Chance
from cluster.statistics import Counters


@dataclass(slots=True)
class _Attempt:
    """A probe under way. *helpers* says of each whether it has answered; None: not yet."""

    target: NodeId
    helpers_at: float
    ends_at: float
    unreached: bool = False
    asked: bool = False
    helpers: dict[NodeId, bool | None] = field(default_factory=dict)

    @property
    def hopeless(self) -> bool:
        """Whether everyone asked has said no, so that the rest of the time is not needed."""
        return self.unreached and self.asked and None not in self.helpers.values()


class _Scope:
    """The members on one kind of link, and when the next of them is probed."""

    def __init__(self, tuning: MembershipConfig, rng: Chance) -> None:
        self.tuning = tuning
        self.schedule = Schedule(rng)
        self.next_at = math.inf


class Detector:
    """
    Decides who is alive, suspect or dead, and what is told to whom.

    The only writer of the standings in *members*. It notices by itself when it is woken late: what
    it has seen nothing of then counts neither as an answer nor as silence.
    """

    def __init__(
        self,
        members: Members,
        config: ClusterConfig,
        rng: Chance,
        counters: Counters,
        absences: Absences | None = None,
    ) -> None:
        """Members that *absences* excuse are not looked for."""
        self._members = members
        self._absences = absences or Absences()
        self._config = config
        self._rng = rng
        self._counters = counters
        self.own = precedence.first_word(members.me)
        """What this node says of itself."""
        self._awareness = Awareness(config.health_max)
        self._queue = RumourQueue(config.rumours_max, config.retransmit_factor)
        self._lan, self._wan = _Scope(config.lan, rng), _Scope(config.wan, rng)
        self._attempts: dict[int, _Attempt] = {}
        self._last_number = 0
        self._suspicions: dict[NodeId, Suspicion] = {}
        self._left_at: dict[NodeId, float] = {}
        self._met: set[NodeId] = set()
        self._spread_at = self._exchange_at = math.inf
        self._effects: list[signals.Effect] = []
        self.wake_at = math.inf
        """When the next `Tick` is due; infinite before the first one."""

    @property
    def health(self) -> int:
        """The local health score: 0 is good."""
        return self._awareness.score

    def on_signal(self, signal: signals.Signal, now: float) -> Sequence[signals.Effect]:
        """Apply one signal at *now*, in seconds of a monotonic clock; the caller does the rest."""
        self._note_lag(now)
        self._apply(signal, now)
        self._counters.rumours_dropped = self._queue.dropped
        if self._lan.next_at != math.inf:
            self.wake_at = self._next_wake(now)
        effects, self._effects = self._effects, []
        return effects

    def _apply(self, signal: signals.Signal, now: float) -> None:
        match signal:
            case signals.Tick():
                self._tick(now)
            case signals.News(rumours):
                for rumour in rumours:
                    self._hear(rumour, now)
            case signals.Met(member):
                self._meet(member, now)
            case signals.LinkUp(node):
                self._exchange_with(node)
            case signals.Doubted(node):
                self._doubt(node, now)
            case signals.Reached(number):
                self._reached(number)
            case signals.Unreached(number):
                self._unreached(number, now)
            case signals.HelperSaid(number, helper, answered):
                self._helper_said(number, helper, answered, now)
            case signals.Leave():
                self._leave(now)
            case signals.Removed(node):
                self._remove(node, now)
            case _:
                assert_never(signal)

    def answer(self, sender: NodeId, heard: Sequence[Rumour], *, whole: bool) -> list[Rumour]:
        """
        What to tell *sender*, who told what it *heard*: where it is wrong, what it is accused of
        itself, and some news. *whole*: all that differs from what it told.
        """
        told = {rumour.member.node: rumour for rumour in heard}
        reply = {}
        for node, rumour in told.items():
            known = self._known(node)
            if known is not None and precedence.is_news(known, rumour):
                reply[node] = known
        accused = self._members.rumour(sender)
        if accused is not None and accused.standing.status is not Status.ALIVE:
            reply[sender] = accused
        if whole:
            rest = {r.member.node: r for r in self.table() if r.member.node not in told}
            return list((reply | rest).values())
        room = self._config.rumours_per_message_max - len(reply)
        for rumour in self._queue.peek(max(0, room)):
            reply.setdefault(rumour.member.node, rumour)
        return list(reply.values())

    def table(self) -> list[Rumour]:
        """Everything this node knows, itself included."""
        return [self.own, *self._members.rumours()]

    def tuning(self, member: Member) -> MembershipConfig:
        """How *member* is watched from here."""
        return self._scope(member).tuning

    # Time.

    def _note_lag(self, now: float) -> None:
        """See whether this node slept through its own appointments, and forgive the others."""
        late_s = now - self.wake_at
        if late_s <= self._config.lag_max_s:
            return
        self._awareness.worsen(1 + int(late_s))
        self._counters.stalls += 1
        # Answers may have come in time, with nobody awake to take them.
        self._attempts.clear()
        for suspicion in self._suspicions.values():
            suspicion.since += late_s

    def _tick(self, now: float) -> None:
        if self._lan.next_at == math.inf:
            self._begin(now)
        for number, attempt in list(self._attempts.items()):
            if now >= attempt.ends_at:
                self._fail(number, now)
            elif now >= attempt.helpers_at and not attempt.asked:
                self._ask_helpers(number, now)
        for node in list(self._suspicions):
            if now >= self._verdict_at(node):
                self._declare_dead(node, now)
        for scope in (self._lan, self._wan):
            if now >= scope.next_at:
                self._probe_next(scope, now)
        if now >= self._spread_at:
            self._spread(now)
        if now >= self._exchange_at:
            self._exchange_at = now + self._config.exchange_interval_s
            for member in self._some(1, self._members.connected()):
                self._exchange_with(member.node)
        self._forget_the_left(now)

    def _begin(self, now: float) -> None:
        """Start at a random point, so that nodes started together do not probe together."""
        for rumour in self._members.rumours():
            if rumour.standing.status is Status.LEFT:
                self._left_at.setdefault(rumour.member.node, now)
        for scope in (self._lan, self._wan):
            scope.next_at = now + self._rng.random() * scope.tuning.probe_interval_s
        self._exchange_at = now + self._config.exchange_interval_s
        self._spread_at = now

    def _next_wake(self, now: float) -> float:
        due = [
            now + self._config.lag_check_s,
            self._lan.next_at,
            self._wan.next_at,
            self._exchange_at,
        ]
        if len(self._queue):
            due.append(self._spread_at)
        for attempt in self._attempts.values():
            due.append(attempt.ends_at if attempt.asked else attempt.helpers_at)
        due.extend(self._verdict_at(node) for node in self._suspicions)
        return max(now, min(due))

    # Probes.

    def _scope(self, member: Member) -> _Scope:
        return self._lan if member.region == self._members.me.region else self._wan

    def _watched(self, scope: _Scope) -> list[Member]:
        """Whom to probe: a dead member is looked for by its link alone."""
        return [
            member
            for member in self._members.others()
            if self._scope(member) is scope and self._members.status(member.node) != Status.DEAD
        ]

    def _probe_next(self, scope: _Scope, now: float) -> None:
        # Bad health lengthens the wait for an answer, not the time to the next probe: those that
        # are answered are how it ends.
        scope.next_at = now + scope.tuning.probe_interval_s
        watched = (member.node for member in self._watched(scope))
        node = scope.schedule.next({n for n in watched if not self._absences.is_excused(n, now)})
        if node is not None:
            self._probe(node, now)

    def _probe(self, node: NodeId, now: float) -> None:
        known = self._members.rumour(node)
        if known is None or any(attempt.target == node for attempt in self._attempts.values()):
            return
        tuning = self.tuning(known.member)
        interval_s = self._awareness.patient(tuning.probe_interval_s)
        helpers_at = now + self._awareness.patient(tuning.probe_timeout_s)
        self._last_number += 1
        self._attempts[self._last_number] = _Attempt(node, helpers_at, now + interval_s)
        # What is said of the target goes along, so that it can contradict at once (Lifeguard,
        # section IV-C: the buddy system).
        rumours = self._about(known)
        self._effects.append(signals.Probe(self._last_number, known.member, interval_s, rumours))

    def _doubt(self, node: NodeId, now: float) -> None:
        """
        Something is wrong with the link to *node*: see at once whether it lives. In a larger
        region this bounds the time until somebody looks, which is a matter of luck otherwise.
        """
        excused = self._absences.is_excused(node, now)
        if not excused and self._members.status(node) in (Status.ALIVE, Status.SUSPECT):
            self._probe(node, now)

    def _reached(self, number: int) -> None:
        attempt = self._attempts.pop(number, None)
        if attempt is None:
            return
        self._awareness.improve()
        if self._members.status(attempt.target) is not Status.ALIVE:
            self._exchange_with(attempt.target)

    def _unreached(self, number: int, now: float) -> None:
        attempt = self._attempts.get(number)
        if attempt is None:
            return
        attempt.unreached = True
        if not attempt.asked:
            self._ask_helpers(number, now)
        if attempt.hopeless:
            self._fail(number, now, refused=True)

    def _ask_helpers(self, number: int, now: float) -> None:
        attempt = self._attempts[number]
        attempt.asked = True
        known = self._members.rumour(attempt.target)
        if known is None:
            return
        for helper in self._choose_helpers(known.member):
            attempt.helpers[helper.node] = None
            timeout = attempt.ends_at - now
            self._effects.append(
                signals.ProbeVia(number, helper, attempt.target, timeout, (known,))
            )

    def _choose_helpers(self, target: Member) -> list[Member]:
        """
        Those that are reached, the target's region first and this node's last: across regions the
        own neighbours share this node's way, and with it what is broken there.
        """
        me, most = self._members.me, self.tuning(target).helpers
        able = [
            m
            for m in self._members.connected()
            if m.node != target.node and self._members.status(m.node) is Status.ALIVE
        ]
        near = [m for m in able if m.region == target.region]
        third = [m for m in able if m.region not in (target.region, me.region)]
        own = [m for m in able if m.region == me.region != target.region]
        return [m for group in (near, third, own) for m in self._some(most, group)][:most]

    def _helper_said(self, number: int, helper: NodeId, answered: bool, now: float) -> None:
        attempt = self._attempts.get(number)
        if attempt is None:
            return
        attempt.helpers[helper] = answered
        if attempt.hopeless:
            self._fail(number, now, refused=True)

    def _fail(self, number: int, now: float, *, refused: bool = False) -> None:
        """
        Suspect the target. Where helpers said "no" in time, this node hears well; their silence
        and that of the target, when nobody else could be asked, count against it.
        """
        attempt = self._attempts.pop(number)
        if self._absences.is_excused(attempt.target, now):
            return
        silent = sum(not answered for answered in attempt.helpers.values())
        if not attempt.helpers and not refused:
            silent = 1
        self._awareness.worsen(silent)
        known = self._members.rumour(attempt.target)
        if known is not None and known.standing.status in (Status.ALIVE, Status.SUSPECT):
            self._hear(precedence.accuse(known, self._members.me.node), now)

    # Suspicion and death.

    def _verdict_at(self, node: NodeId) -> float:
        known = self._members.rumour(node)
        assert known is not None, "suspects are members"
        scope = self._scope(known.member)
        watchers = self._members.others() if scope is self._wan else self._watched(self._lan)
        wanted = confirmations_wanted(1 + len(watchers), scope.tuning.confirmations_max)
        confirmed = max(0, len(known.standing.accusers) - 1)
        low, high = scope.tuning.suspicion_min_s, scope.tuning.suspicion_max_s
        return self._suspicions[node].since + timeout_s(confirmed, wanted, low, high)

    def _declare_dead(self, node: NodeId, now: float) -> None:
        known = self._members.rumour(node)
        assert known is not None, "suspects are members"
        self._hear(Rumour(known.member, Standing(Status.DEAD, known.standing.incarnation)), now)

    # Rumours.

    def _hear(self, rumour: Rumour, now: float) -> None:
        node = rumour.member.node
        if node == self._members.me.node:
            self._hear_of_myself(rumour)
            return
        before = self._members.rumour(node)
        after = self._members.take(rumour)
        if after is not None:
            self._note_news(before, after, now)

    def _note_news(self, before: Rumour | None, after: Rumour, now: float) -> None:
        node, standing = after.member.node, after.standing
        self._met.add(node)
        self._queue.put(after)
        if standing.status is Status.SUSPECT:
            self._note_suspicion(node, standing, now)
        else:
            self._suspicions.pop(node, None)
        if standing.status is Status.LEFT:
            self._left_at.setdefault(node, now)
        else:
            self._left_at.pop(node, None)
        was = None if before is None else before.standing.status
        if standing.status is Status.DEAD and was is not Status.DEAD:
            self._counters.deaths += 1
        if before is None or before.member != after.member or was is not standing.status:
            self._effects.append(signals.Changed(before, after))

    def _note_suspicion(self, node: NodeId, standing: Standing, now: float) -> None:
        known = self._suspicions.get(node)
        if known is None or known.incarnation != standing.incarnation:
            self._suspicions[node] = Suspicion(standing.incarnation, now)
            self._counters.suspicions += 1
        if self._members.me.node not in standing.accusers:
            # See for itself: either the suspect contradicts at once, or a confirmation more makes
            # the verdict come sooner.
            member = self._members.get(node)
            assert member is not None, "suspects are members"
            self._scope(member).schedule.promote(node)

    def _hear_of_myself(self, rumour: Rumour) -> None:
        """Contradict whatever outranks this node's own word, unless it has left."""
        own, said, me = self.own.standing, rumour.standing, self._members.me
        other_run = rumour.member != me
        outranked = other_run or precedence.is_news(rumour, self.own)
        if said.incarnation < own.incarnation or not outranked:
            return
        if rumour.member.rpc != me.rpc:
            self._effects.append(signals.Contested(rumour.member))
        if said.status in (Status.SUSPECT, Status.DEAD) and own.status is not Status.LEFT:
            self._awareness.worsen()
            self._counters.refutations += 1
        self._speak(own.status, said.incarnation + 1)

    def _speak(self, status: Status, incarnation: int) -> None:
        self.own = Rumour(self._members.me, Standing(status, incarnation))
        self._queue.put(self.own)

    def _meet(self, member: Member, now: float) -> None:
        """
        A greeting is evidence of life, but the last word on its sender's standing is the sender's:
        it is told what is said of it, and contradicts.
        """
        if self._is_as_known(member):
            return
        self._hear(precedence.first_word(member), now)
        known = self._members.rumour(member.node)
        if known is None:
            return
        if member.node not in self._met:
            self._note_news(None, known, now)
        if known.standing.status is not Status.ALIVE or known.member.epoch != member.epoch:
            self._exchange_with(member.node)

    def _is_as_known(self, member: Member) -> bool:
        """Whether it says nothing new by greeting, as nearly always."""
        known = self._members.rumour(member.node)
        if known is None or member.node not in self._met:
            return False
        return known.member == member and known.standing.status is Status.ALIVE

    def _leave(self, now: float) -> None:
        if self.own.standing.status is not Status.LEFT:
            self._speak(Status.LEFT, self.own.standing.incarnation + 1)

    def _remove(self, node: NodeId, now: float) -> None:
        known = self._members.rumour(node)
        if known is not None and known.standing.status is Status.DEAD:
            self._hear(Rumour(known.member, Standing(Status.LEFT, known.standing.incarnation)), now)

    def _forget_the_left(self, now: float) -> None:
        for node, left_at in list(self._left_at.items()):
            if now - left_at >= self._config.left_keep_s:
                del self._left_at[node]
                self._met.discard(node)
                self._members.forget(node)
                self._effects.append(signals.Forgotten(node))

    def _known(self, node: NodeId) -> Rumour | None:
        return self.own if node == self._members.me.node else self._members.rumour(node)

    def _news(self, most: int) -> list[Rumour]:
        return self._queue.take(most, 1 + len(self._members.others()))

    def _about(self, known: Rumour) -> tuple[Rumour, ...]:
        """News for a message to a member, and what is known of that member."""
        news = self._news(self._config.rumours_per_message_max - 1)
        return (known, *(r for r in news if r.member.node != known.member.node))

    def _spread(self, now: float) -> None:
        self._spread_at = now + self._config.spread_interval_s
        for member in self._some(self._config.spread_fanout, self._members.connected()):
            news = self._news(self._config.rumours_per_message_max)
            if news:
                self._effects.append(signals.Tell(member, tuple(news)))

    def _exchange_with(self, node: NodeId) -> None:
        member = self._members.get(node)
        if member is not None:
            self._effects.append(signals.Exchange(member))

    def _some(self, most: int, members: Iterable[Member]) -> list[Member]:
        """At most *most* of *members*, by chance."""
        return sorted(members, key=lambda _: self._rng.random())[:most]
