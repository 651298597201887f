"""
Bugs of what is agreed: the control log as it is driven, the layout, and members that end.

Some that one could think of are hidden by something else, and are not here:

- a newcomer that is added before it has caught up: it serves nobody before it has, and the layout
  before ends once a majority has;
- two stewards that act at once: the second finds its slot taken, and waits;
- a write that its copies alone acknowledge, or those who are taken for alive, or a member by its
  name whatever its disk: a majority of disks has to confirm it besides (`copies-confirm`,
  `confirmed-by-the-connected`);
- pulls from a member that was removed: it has to know of that before it serves the present layout,
  and then it has ended.
"""

import asyncio
from typing import Any, Final

from cluster.control import ControlConfig
from cluster.control.continuity import Continuity
from cluster.driver import control
from cluster.driver.control import ControlDriver
from cluster.driver.layouts import Layouts
from cluster.driver.roll import Roll, _View
from cluster.driver.stages import Stages
from cluster.driver.steward import Steward
from cluster.layout import promises
from cluster.layout.handover import Handover, Phase, View
from cluster.layout.proposal import _Draft
from cluster.layout.removal import Verdict
from cluster.layout.transition import Live
from cluster.model import NodeId
from tests.sim.mutants.mutant import Mutant

_persist = ControlDriver._persist
_remove = _Draft._remove


async def _act_first(self: ControlDriver, acceptor: Any, slots: Any) -> None:
    for batch in slots:
        self._env.chronicle.take(batch)
    await _persist(self, acceptor, slots)


async def _persist_later(self: ControlDriver, acceptor: Any, slots: Any) -> None:
    asyncio.get_running_loop().create_task(_persist(self, acceptor, slots))


async def _any_stage(*_: Any) -> None:
    return None


async def _forget_who_came_first(self: Layouts, after: Live, until: float) -> bool:
    await self.propose(after)
    return True


def _remove_and_forget(self: _Draft, node: NodeId, verdict: Any) -> None:
    _remove(self, node, verdict)
    self._removed.pop()


def _found_at_once(*_: Any, **__: Any) -> ControlConfig:
    return ControlConfig(quiet_s=0.0)


async def _not_drained(self: Layouts, node: NodeId, rows: Any, patience_s: float) -> Verdict:
    return await self.verdict(node, rows)


def _stores_and_the_lost(self: _View) -> Any:
    return () if self.live is None else self.live.newest.stores()


def _newest_alone(self: Live, region: Any, disks: Any) -> bool:
    quorum = self.quorum_set(self.newest, region)
    return 2 * len(quorum & set(disks)) > len(quorum)


def _newest_quorum(self: Roll) -> Any:
    if self.live is None or self.is_small:
        return ()
    return (self.live.quorum_set(self.live.newest, self._me.region),)


def _every_store(self: Roll) -> Any:
    return () if self.live is None else tuple(m.node for m in self.live.newest.stores())


def _ready(self: Handover, now: float) -> View:
    return View(Phase.READY, ())


MUTANTS: Final = [
    Mutant(
        "acts-before-sync",
        "a node acts by a layout that a power cut makes it forget",
        [(ControlDriver, "_persist", _act_first)],
        frozenset({"power_cut"}),
    ),
    Mutant(
        "votes-before-sync",
        "a voter promises and accepts before that is synced",
        [(ControlDriver, "_persist", _persist_later)],
        frozenset({"power_cut"}),
    ),
    Mutant(
        "set-back-votes",
        "a voter whose disk was set back votes at once",
        [(Continuity, "may_vote", lambda *_: True)],
        frozenset({"restore", "clone"}),
    ),
    Mutant(
        "events-from-strangers",
        "events are taken from whoever has some, removed members too",
        [(Stages, "insist_on_member", lambda *_: None), (Roll, "may_give", lambda *_: True)],
        frozenset({"remove"}),
    ),
    Mutant(
        "removed-goes-on",
        "a member that was removed keeps what is on its disk",
        [(Steward, "_insist_on_belonging", lambda *_: None)],
        frozenset({"remove"}),
    ),
    Mutant(
        "stages-unchecked",
        "nodes that go by different layouts confirm each other's writes",
        [(Stages, "insist", _any_stage), (Stages, "learn", _any_stage)],
        frozenset({"remove", "leave", "join", "layout"}),
    ),
    Mutant(
        "ends-at-once",
        "the old layout ends before the new one's members have what it acknowledged",
        [(Handover, "view", _ready)],
        frozenset({"remove", "leave", "join"}),
    ),
    Mutant(
        "newest-alone",
        "while the layout changes, a majority by the next version is enough",
        [(Live, "majority", _newest_alone), (Roll, "quorums", _newest_quorum)],
        frozenset({"remove", "leave", "join"}),
    ),
    Mutant(
        "leaving-copies-count",
        "copies count on a node that is about to leave",
        [(Roll, "keepers", _every_store)],
        frozenset({"leave", "remove"}),
    ),
    Mutant(
        "first-come-unheard",
        "who changes the layout takes its proposal for decided",
        [(Layouts, "_decide", _forget_who_came_first)],
        frozenset({"layout"}),
    ),
    Mutant(
        "removed-is-forgotten",
        "the layout does not remember which disks were removed from it",
        [(_Draft, "_remove", _remove_and_forget), (promises, "follows", lambda *_: None)],
        frozenset({"remove"}),
    ),
    Mutant(
        "removed-with-last-copies",
        "a member goes before others have its copies",
        [(Verdict, "insist", lambda _: None), (Layouts, "_drained", _not_drained)],
        frozenset({"leave", "remove"}),
    ),
    Mutant(
        "copies-of-the-lost-count",
        "copies count on a disk of which an operator has said that it is lost",
        [(_View, "_stores", _stores_and_the_lost)],
        frozenset({"remove"}),
    ),
    Mutant(
        "founds-unheard",
        "a node with an empty disk founds a cluster before it has listened for another one",
        [(control, "ControlConfig", _found_at_once)],
        frozenset({"wipe"}),
    ),
]
