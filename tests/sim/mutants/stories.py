"""
Bugs that random plans hardly ever notice, each told as a story: with the bug the checker finds
something wrong, and without it nothing.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final
from unittest.mock import patch

from cluster.driver.service import Service
from cluster.model import NodeId
from node.registry.media_types import OCI_INDEX
from tests.sim import faults
from tests.sim.calls import _Push
from tests.sim.machine import Machine
from tests.sim.mutants import change_stories, identity_stories, retirement_stories
from tests.sim.mutants.bug_story import PUSH, BugStory, client, runs
from tests.sim.stories import (
    REPO,
    TAG,
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


async def _join_with_an_earlier_disk(world: World) -> None:
    """
    W and R are cut off from the others when W takes a push. W comes back with its disk as it was
    before, among those who lack the push; R has it and cannot be asked. R is no seed: W joins
    without it.
    """
    w, n, _, r = world.machines
    await world.clients.carry_out(PUSH)
    await asyncio.sleep(1.0)
    sides = ways(world, w, r)
    world.network.cut(sides)
    earlier = w.disk.copy("earlier")
    pushed = await world.clients.carry_out(PUSH)
    assert pushed is not None
    assert (pushed.machine, pushed.outcome) == (w.address, "ok")
    world.network.cut(ways(world, r))
    dies_with_its_disk(world, w, earlier)
    world.network.mend(sides)
    world.held_down.discard(w.address)
    w.start()
    await world.until(lambda: w.ready, 20.0)
    await asyncio.sleep(2.0)
    assert w.running is not None
    assert r.address in world.living(w.running)
    assert pushed.dot is not None
    assert not has_durably(n, pushed.dot)


async def _read_with_an_earlier_disk(world: World) -> None:
    """Then W and R see each other: a read at W must wait for what R has."""
    w, _, _, r = world.machines
    with world.rage("half"):
        await _join_with_an_earlier_disk(world)
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


async def _read_from_a_disk_that_fails(world: World) -> None:
    w, r, _ = world.machines
    await client(world, w)
    with world.rage("io_error"):
        r.disk.failing = True
        await client(world, r, "pull_tag")
        r.disk.failing = False


async def _push_without_its_blobs(world: World) -> None:
    async def upload_nothing(*_: Any) -> None:
        await asyncio.sleep(0)

    with patch.object(world.clients, "_upload_blobs", upload_nothing):
        await client(world, world.machines[0])


async def _push_the_same_again(world: World) -> None:
    await client(world, world.machines[0])
    await client(world, world.machines[0], "retag")


async def _push_at_once(world: World) -> None:
    """W and R take a push of one tag, and neither has heard of the other one."""
    w, r, _ = world.machines
    await upload(w, "A")
    await upload(r, "B")
    await asyncio.gather(at(w, put("A")), at(r, put("B")))


async def _copy_with_a_wrong_clock(world: World) -> None:
    """
    W's clock is set while it gets a copy, and set right after that. What it writes then has not to
    wait.
    """
    w, r, _ = world.machines
    for _ in range(8):
        w.clock.set(4000.0)
        await client(world, r)
        w.clock.set(0.0)
        await client(world, w)
        await asyncio.sleep(1.0)


_pull = Service.pull


def _ask_others(silent: NodeId) -> Any:
    """Pulls as `Service` answers them, but for this node, which has not got around to it."""

    async def pull(self: Service, reader: NodeId, *args: Any, **which: Any) -> Any:
        if self._env.me.node == silent:
            await asyncio.sleep(5.0)
        async for batch in _pull(self, reader, *args, **which):
            yield batch

    return pull


async def _come_back_below_the_floor(world: World) -> None:
    """
    W has a push that nobody else has, and lacks one that the others have forgotten again. It takes
    over a state before others have got around to ask it for what it has.
    """
    r, _, _, w = world.machines
    await push_and_die(world, w, "A")
    await push(r, "B")
    await asyncio.sleep(8.0)
    with patch.object(Service, "pull", _ask_others(NodeId("w"))):
        await comes_back(world, w)
        assert runs(w).cluster._env.counters.restores


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


async def _decide_after_a_read(world: World) -> None:
    """A tag is read, and remembered; then its project decides something."""
    await world.clients.carry_out(PUSH)
    await world.clients.carry_out({**PUSH, "do": "pull_tag"})
    policy = {"do": "policy", "region": PUSH["region"], "project": "lib", "salt": 0}
    await world.clients.set_policy({**policy, "consistency": "local"})


FORGETFUL: Final = BugStory(
    _come_back_below_the_floor,
    "not identical after heal",
    [("r", "eu"), ("n", "us"), ("m", "eu"), ("w", "ap")],
    {"log_settled_s": 1.0, "log_away_s": 2.0, "trim_interval_s": 1.0},
)

STORIES: Final = (
    change_stories.STORIES
    | identity_stories.STORIES
    | retirement_stories.STORIES
    | {
        "bytes-go-with-the-deletion": BugStory(_delete_beside_an_index, "not identical after heal"),
        "deletions-not-sent": BugStory(
            _restore_before_an_older_push,
            "not identical after heal",
            [("r", "eu"), ("n", "us"), ("m", "eu"), ("w", "ap")],
            {"log_settled_s": 1.0, "log_away_s": 2.0, "trim_interval_s": 1.0},
        ),
        "restore-loses-its-own": FORGETFUL,
        "io-error-is-absence": BugStory(_read_from_a_disk_that_fails, "an IO error"),
        "needs-unchecked": BugStory(_push_without_its_blobs, "acknowledged with the copies"),
        "last-come-wins": BugStory(_push_at_once, "not identical after heal"),
        "same-again-logs-nothing": BugStory(_push_the_same_again, "acknowledged with the event"),
        "stamps-unheeded": BugStory(_copy_with_a_wrong_clock, "took longer than"),
        "set-back-speaks": BugStory(_read_with_an_earlier_disk, "stale", NEIGHBOURS),
        "remembered-under-another-policy": BugStory(_decide_after_a_read, "policy"),
        "overtaken-answer-pauses": BugStory(
            _retag_behind_an_overtaken_answer, "took longer than", [("w", "eu"), ("r", "ap")]
        ),
    }
)
"""By the name of the bug."""
