"""Many failure detectors in one process, on a simulated clock and network. No engine, no tasks."""

import heapq
import random
from collections.abc import Callable, Sequence
from functools import partial

from cluster.config import ClusterConfig
from cluster.membership.detector import Detector
from cluster.membership.members import Members
from cluster.membership.signals import (
    Changed,
    Contested,
    Doubted,
    Exchange,
    Forgotten,
    HelperSaid,
    LinkUp,
    News,
    Probe,
    ProbeVia,
    Reached,
    Signal,
    Tell,
    Tick,
    Unreached,
)
from cluster.model import Member, NodeId, Rumour, Status
from cluster.statistics import Counters
from tests.builders import a_member

LATENCY_S = {True: 0.001, False: 0.08}
"""One way, inside a region and across."""

REPLY = tuple[bool, list[Rumour]]


class Watcher:
    """One node: its detector, and what befell it."""

    def __init__(self, member: Member, config: ClusterConfig, seed: int) -> None:
        self.member = member
        self.members = Members(member, 256)
        self.counters = Counters()
        self.detector = Detector(self.members, config, random.Random(seed), self.counters)
        self.dead = False
        self.stalled_until = 0.0
        self.ticking_at = -1.0

    def status(self, node: str) -> Status | None:
        return self.members.status(NodeId(node))


class Village:
    """
    Watchers that all know each other.

    A dead node is silent; one that is stalled does everything when it wakes up, timers first.
    `changes` keeps (time, observer, member, status).
    """

    def __init__(
        self, regions: Sequence[str], seed: int, *, loss: float = 0.0, **tuning: object
    ) -> None:
        self.rng = random.Random(seed)
        self.now = 1000.0
        self.loss = loss
        self.changes: list[tuple[float, str, str, Status]] = []
        self.cut: Callable[[str, str], bool] = lambda a, b: False
        self._queue: list[tuple[float, int, float, str, Callable[[], None]]] = []
        self._posted = 0
        config = ClusterConfig(**tuning)  # type: ignore[arg-type]
        everyone = [a_member(f"n{n}", region) for n, region in enumerate(regions)]
        self.nodes = {str(m.node): Watcher(m, config, self.rng.getrandbits(32)) for m in everyone}
        for node in self.nodes.values():
            for member in everyone:
                if member.node != node.member.node:
                    node.members.greet(member)
                    node.members.connect(member.node)
            self._post(0.0, node, self._ticker(node))

    def run(self, seconds: float) -> None:
        until = self.now + seconds
        while self._queue and self._queue[0][0] <= until:
            at, _, _, name, act = heapq.heappop(self._queue)
            self.now = at
            node = self.nodes[name]
            if node.dead:
                continue
            if at < node.stalled_until:
                self._push(node.stalled_until, name, act)
            else:
                act()
        self.now = until

    def tell(self, name: str, signal: Signal) -> None:
        """Let a node's detector have a signal now."""
        self._feed(self.nodes[name], signal)

    def kill(self, name: str, *, beats: bool = True) -> None:
        """
        Silence a node for good. With *beats* the others' links greet once a second and doubt it
        after the first second without an answer, as those of the engine do.
        """
        self.nodes[name].dead = True
        for other, node in self.nodes.items():
            if beats and other != name:
                doubt = partial(self.tell, other, Doubted(NodeId(name)))
                self._post(self.rng.uniform(1.0, 2.0), node, doubt)

    def split(self, cut: Callable[[str, str], bool]) -> None:
        """Cut links; those who had one notice after a few heartbeats."""
        self.cut = cut
        self._relink(4.0)

    def heal(self) -> None:
        """Links come back, each when its back-off is over."""
        self.cut = lambda a, b: False
        self._relink(5.0)

    def disagreements(self) -> list[tuple[str, str]]:
        """(observer, member) where a living observer does not see the truth."""
        return [
            (name, other)
            for name, node in self.nodes.items()
            if not node.dead
            for other in self.nodes
            if other != name
            and node.status(other) is not (Status.DEAD if self.nodes[other].dead else Status.ALIVE)
        ]

    def _relink(self, within_s: float) -> None:
        for name, node in self.nodes.items():
            for other in self.nodes:
                if other != name:
                    delay = self.rng.uniform(0.0, within_s)
                    self._post(delay, node, self._linker(node, NodeId(other)))

    def _linker(self, node: Watcher, other: NodeId) -> Callable[[], None]:
        def act() -> None:
            up = not self.cut(node.member.node, other)
            if up and not node.members.is_connected(other):
                node.members.connect(other)
                self._feed(node, LinkUp(other))
            elif not up and node.members.is_connected(other):
                node.members.disconnect(other)
                self._feed(node, Doubted(other))

        return act

    def _ticker(self, node: Watcher) -> Callable[[], None]:
        return lambda: self._feed(node, Tick())

    def _post(self, delay_s: float, node: Watcher, act: Callable[[], None]) -> None:
        self._push(self.now + delay_s, str(node.member.node), act)

    def _push(self, at: float, name: str, act: Callable[[], None]) -> None:
        # Timers before messages, as in the worst order a stalled event loop could choose.
        self._posted += 1
        heapq.heappush(self._queue, (at, self._posted, self.rng.random(), name, act))

    def _feed(self, node: Watcher, signal: Signal) -> None:
        for effect in node.detector.on_signal(signal, self.now):
            match effect:
                case Probe(number, target, timeout_s, rumours):
                    self._call(
                        node,
                        target.node,
                        timeout_s,
                        rumours,
                        lambda _, n=number: self._feed(node, Reached(n)),
                        lambda n=number: self._feed(node, Unreached(n)),
                    )
                case ProbeVia(number, helper, target, timeout_s, rumours):
                    self._call(
                        node,
                        helper.node,
                        timeout_s,
                        rumours,
                        lambda reached, n=number, h=helper.node: self._feed(
                            node, Reached(n) if reached else HelperSaid(n, h, answered=True)
                        ),
                        lambda n=number, h=helper.node: self._feed(
                            node, HelperSaid(n, h, answered=False)
                        ),
                        via=target,
                    )
                case Tell(to, rumours):
                    self._call(node, to.node, 1.0, rumours)
                case Exchange(peer):
                    self._call(node, peer.node, 1.0, tuple(node.detector.table()), whole=True)
                case Changed(_, after):
                    name = str(node.member.node)
                    status = after.standing.status
                    self.changes.append((self.now, name, str(after.member.node), status))
                case Forgotten() | Contested():
                    pass
        at = max(self.now, node.detector.wake_at)
        if node.ticking_at <= self.now or at < node.ticking_at:
            node.ticking_at = at
            self._post(at - self.now, node, self._ticker(node))

    def _lost(self, a: str, b: str) -> bool:
        return self.cut(a, b) or self.rng.random() < self.loss

    def _delay(self, a: Watcher, b: Watcher) -> float:
        return LATENCY_S[a.member.region == b.member.region] * self.rng.uniform(1.0, 1.5)

    def _call(
        self,
        caller: Watcher,
        callee_name: NodeId,
        timeout_s: float,
        rumours: tuple[Rumour, ...],
        on_answer: Callable[[bool], None] = lambda reached: None,
        on_silence: Callable[[], None] = lambda: None,
        *,
        via: NodeId | None = None,
        whole: bool = False,
    ) -> None:
        callee = self.nodes[str(callee_name)]
        a, b = str(caller.member.node), str(callee_name)
        settled = False

        def settle(act: Callable[[], None]) -> Callable[[], None]:
            def once() -> None:
                nonlocal settled
                if not settled:
                    settled = True
                    act()

            return once

        def answer(reached: bool) -> None:
            told = tuple(callee.detector.answer(caller.member.node, rumours, whole=whole))

            def arrive() -> None:
                self._feed(caller, News(told))
                on_answer(reached)

            if not self._lost(b, a):
                self._post(self._delay(callee, caller), caller, settle(arrive))

        def serve() -> None:
            self._feed(callee, News(rumours))
            if via is None or via == callee.member.node:
                answer(True)
                return
            known = callee.members.rumour(via)
            assert known is not None
            limit_s = callee.detector.tuning(known.member).helper_timeout_s
            self._call(
                callee, via, limit_s, (known,), lambda _: answer(True), lambda: answer(False)
            )

        self._post(timeout_s, caller, settle(on_silence))
        if not self._lost(a, b):
            self._post(self._delay(caller, callee), callee, serve)
