"""
Bugs that random plans hardly ever notice, each told as a story: with the bug the checker finds
something wrong, and without it nothing.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple
from unittest.mock import patch

from node.registry.media_types import OCI_INDEX
from tests.sim import faults, stories
from tests.sim.calls import _Push
from tests.sim.machine import Machine
from tests.sim.stories import (
    NODES,
    REPO,
    TAG,
    Nodes,
    at,
    comes_back,
    dies_with_its_disk,
    image,
    index_of,
    push,
    push_and_die,
    put,
    upload,
    ways,
)
from tests.sim.world import QUIET_S, World, has_durably

NEIGHBOURS: Final = [("w", "eu"), ("n", "eu"), ("x", "us"), ("r", "ap")]

PUSH: Final = {"do": "push", "region": "eu", "repo": REPO, "tag": TAG, "layers": ["a"], "salt": 0}
"""
By a client, so that what it is told is judged. It comes to the first node of the region, and is of
another image each time.
"""


class BugStory(NamedTuple):
    happens: stories.Story
    shows: str
    """How the first thing begins that the checker finds with the bug."""

    nodes: Nodes = NODES
    tuning: dict[str, float] | None = None

    def shown(self, bug: str | None) -> list[str]:
        """What the checker finds, with that bug or without any."""
        return stories.shown(self.happens, self.nodes, bug=bug, **self.tuning or {})


async def _delete_beside_an_index(world: World) -> None:
    """A is deleted at N while R, which has not heard of that, takes an index of A: both hold."""
    _, r, n = world.machines
    await push(r, "A")
    await asyncio.sleep(5.0)
    digest, body = index_of("A")
    for answer in await asyncio.gather(
        at(n, lambda it: it.push.delete(REPO, image("A")[0])),
        at(r, lambda it: it.push.put_manifest(REPO, digest, OCI_INDEX, body)),
    ):
        assert not isinstance(answer, Exception), answer


async def _restore_before_an_older_push(world: World) -> None:
    """
    A at W, which dies with it alone. A again at R, which is deleted, and the logs forgotten. N
    loses its disk and takes over a state; then W comes back.
    """
    r, n, m, w = world.machines
    await push_and_die(world, w, "A")
    await push(r, "A")
    await asyncio.sleep(2.5)
    for reference in (TAG, image("A")[0]):
        deleted = await at(m, lambda it, reference=reference: it.push.delete(REPO, reference))
        assert not isinstance(deleted, Exception), deleted
    await asyncio.sleep(8.0)
    await faults.wipe(world, {"do": "wipe", "node": 1, "for": 1.0, "salt": 0})
    await world.until(lambda: n.ready, 20.0)
    assert n.running is not None
    assert any(n.running.index.replica.floor().values()), "it has taken over a state"
    await comes_back(world, w)


async def _join_with_a_new_disk(world: World) -> None:
    """
    W and R are cut off from the others when W takes a push. W comes back with an empty disk, among
    those who lack the push; R has it and cannot be asked. R is no seed: W joins without it.
    """
    w, n, _, r = world.machines
    await world.clients.carry_out(PUSH)
    await asyncio.sleep(1.0)
    sides = ways(world, w, r)
    world.network.cut(sides)
    pushed = await world.clients.carry_out(PUSH)
    assert pushed is not None
    assert (pushed.machine, pushed.outcome) == (w.address, "ok")
    world.network.cut(ways(world, r))
    dies_with_its_disk(world, w)
    world.network.mend(sides)
    world.held_down.discard(w.address)
    w.start()
    await world.until(lambda: w.ready, 20.0)
    await asyncio.sleep(2.0)
    assert w.running is not None
    assert r.address in world.living(w.running)
    assert pushed.dot is not None
    assert not has_durably(n, pushed.dot)


async def _let_read_with_a_new_disk(world: World) -> None:
    """Meanwhile W must not let N read, which lacks what W has acknowledged."""
    with world.rage("half"):
        await _join_with_a_new_disk(world)
        world.network.mend(ways(world, world.machines[3]))


async def _read_with_a_new_disk(world: World) -> None:
    """Then W and R see each other: a read at W must wait for what R has."""
    w, _, _, r = world.machines
    with world.rage("half"):
        await _join_with_a_new_disk(world)
        world.network.mend([(w.address, r.address), (r.address, w.address)])
        async with asyncio.timeout(20):
            while r.address not in world.links(w):
                await asyncio.sleep(0.01)
        await world.clients.carry_out({**PUSH, "do": "pull_tag"})
        world.network.mend([way for way in ways(world, r) if w.address not in way])


async def _retag_behind_an_overtaken_answer(world: World) -> None:
    """Of two pushes the answer to the first comes late: W has heard by a greeting that R has it."""
    w, _ = world.machines
    await world.clients.carry_out(PUSH)
    await upload(w, "A")
    await asyncio.sleep(QUIET_S)
    with _slow_answers(w) as arrived:
        await at(w, put("A"))
    await world.until(lambda: bool(arrived), 5.0)
    await world.clients.carry_out({**PUSH, "do": "retag"})


@contextmanager
def _slow_answers(machine: Machine) -> Iterator[list[bool]]:
    """The answers to its pushes take longer than from greeting to greeting; notes arrivals."""
    arrived: list[bool] = []
    send = _Push._send_answer

    def send_late(self: _Push, deliver: Callable[[], None]) -> None:
        def arrive() -> None:
            deliver()
            arrived.append(True)

        if self.caller == machine.address:
            self.network._later(1.5, lambda: send(self, arrive))
        else:
            send(self, deliver)

    with patch.object(_Push, "_send_answer", send_late):
        yield arrived


STORIES: Final = {
    "bytes-go-with-the-deletion": BugStory(_delete_beside_an_index, "not identical after heal"),
    "deletions-not-sent": BugStory(
        _restore_before_an_older_push,
        "not identical after heal",
        [("r", "eu"), ("n", "us"), ("m", "eu"), ("w", "ap")],
        {"log_settled_s": 1.0, "log_away_s": 2.0, "trim_interval_s": 1.0},
    ),
    "read-without-members": BugStory(_read_with_a_new_disk, "stale", NEIGHBOURS),
    "lease-without-members": BugStory(_let_read_with_a_new_disk, "lease", NEIGHBOURS),
    "overtaken-answer-pauses": BugStory(
        _retag_behind_an_overtaken_answer, "took longer than", [("w", "eu"), ("r", "ap")]
    ),
}
"""By the name of the bug."""
