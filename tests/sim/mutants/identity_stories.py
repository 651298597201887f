"""
Stories of who may do what. R, N and W as ever; R is where most is asked.

`lib+ci` is a puller in `lib`, and alice a maintainer there, as `People` founds them.
"""

import asyncio
from typing import Any, Final

from tests.sim.history import Op
from tests.sim.identity.judge import decisions
from tests.sim.identity.plan import ROBOTS
from tests.sim.machine import Machine
from tests.sim.mutants.bug_story import BugStory, runs, soon
from tests.sim.stories import Nodes, ways
from tests.sim.world import World

BOUNDS: Final = {"token_life_s": 3.0, "login_cutoff_s": 2.0}
CUT_S: Final = 10.0
"""Longer than the bound, and what it takes to notice."""

LIB_CI: Final = ROBOTS[0]
TWO_SIDES: Final[Nodes] = [("w", "eu"), ("r", "eu"), ("x", "us"), ("y", "us"), ("z", "us")]

_STEP: Final = {"who": "alice", "project": "lib", "verb": "pull", "what": "", "salt": 1}


async def change(world: World, machine: Machine, what: str, **more: Any) -> Op:
    """An operator does *what* at that node."""
    op = await world.people.at(machine, {**_STEP, "do": "change", "what": what, **more})
    assert op is not None
    return op


async def ask(world: World, machine: Machine, do: str, **more: Any) -> Op:
    """A client does it with the only token or secret there is for it."""
    op = await world.people.at(machine, {**_STEP, "do": do, **more})
    assert op is not None, "there is something to do it with"
    return op


async def founded(world: World, machine: Machine) -> None:
    await world.people.carry_out(
        {**_STEP, "do": "found", "region": machine.region, "salt": world.machines.index(machine)}
    )
    await asyncio.sleep(1.0)


def may(machine: Machine, name: str, verb: str = "pull", repository: str = "lib/app") -> bool:
    """What the node decides now."""
    told = {each[:3]: each[3] for each in decisions(machine, runs(machine).rooms_open)}
    return told[name, repository, verb]


async def revoke_then_a_zombie_grant(world: World) -> None:
    """
    Interleaving 6. W is cut off when R takes the role of the robot away, which is acknowledged. W,
    which has not heard of it, grants it more a second later, and nobody acknowledges that. Then W
    is there again, and its grant with it.
    """
    w, r, n = world.machines
    await founded(world, r)
    assert all(may(machine, LIB_CI) for machine in world.machines)
    with world.rage("half"):
        world.network.cut(ways(world, w))
        revoked = await change(world, r, "revoke", who=LIB_CI)
        assert revoked.outcome == "ok"
        assert not may(r, LIB_CI)
        await asyncio.sleep(1.0)
        grant = asyncio.create_task(change(world, w, "grant", who=LIB_CI))
        await asyncio.sleep(5.0)
        assert may(w, LIB_CI, "push"), "it is logged"
        assert not grant.done() or grant.result().outcome != "ok", "and not acknowledged"
        world.network.mend(ways(world, w))
        await grant
        zombie = grant.result().dot
        assert zombie is not None
        await soon(world, lambda: not any(world.lacks(m, zombie) for m in (r, n)))
    world.people.judge.look()


async def _renew_where_most_voters_are_away(world: World) -> None:
    """Alice renews her token at W, which has been cut off for longer than the bound."""
    w, r, _ = world.machines
    await founded(world, r)
    await ask(world, w, "log_in")
    with world.rage("half"):
        world.network.cut(ways(world, w))
        await asyncio.sleep(CUT_S)
        await ask(world, w, "renew")
        world.network.mend(ways(world, w))


async def renew_after_a_restart_apart(world: World) -> None:
    """W and R are cut off from most voters, and R starts again there."""
    w, r, *_ = world.machines
    await founded(world, r)
    await ask(world, w, "log_in")
    with world.rage("half"):
        world.network.cut(ways(world, w, r))
        await asyncio.sleep(CUT_S)
        r.kill()
        r.start()
        await soon(world, lambda: r.running is not None)
        await asyncio.sleep(1.0)
        assert (await ask(world, r, "renew")).outcome == "refused"
        world.network.mend(ways(world, w, r))


async def _use_a_token_that_has_ended(world: World) -> None:
    w, r, _ = world.machines
    await founded(world, r)
    await ask(world, r, "log_in")
    await ask(world, w, "use")
    await asyncio.sleep(BOUNDS["token_life_s"] + 2.0)
    await ask(world, w, "use")


async def _make_somebody_anew(world: World) -> None:
    """Alice is deleted, and somebody else is called so from then on."""
    w, r, n = world.machines
    await founded(world, r)
    assert may(n, "alice")
    assert (await change(world, w, "recreate")).outcome == "ok"
    await asyncio.sleep(1.0)
    world.people.judge.look()


async def _use_a_token_in_a_project_made_anew(world: World) -> None:
    """The new one grants alice the same again; her token is for the old one."""
    w, r, n = world.machines
    await founded(world, r)
    await ask(world, r, "log_in")
    assert (await change(world, w, "recreate_project")).outcome == "ok"
    assert (await change(world, w, "grant")).outcome == "ok"
    await asyncio.sleep(0.5)
    assert may(n, "alice")
    await ask(world, n, "use")


async def _renew_what_another_gave_out(world: World) -> None:
    """R logs alice in, N shuts her out, and she asks W for another token."""
    w, r, n = world.machines
    await founded(world, r)
    await ask(world, r, "log_in")
    assert (await change(world, n, "disable")).outcome == "ok"
    await asyncio.sleep(0.5)
    await ask(world, w, "renew")


async def _use_what_was_just_taken(world: World) -> None:
    """The robot pulls at W by its token, loses its role at R, and pulls at W again."""
    w, r, _ = world.machines
    await founded(world, r)
    await ask(world, r, "log_in", who=LIB_CI)
    await ask(world, w, "use")
    assert (await change(world, r, "revoke", who=LIB_CI)).outcome == "ok"
    await asyncio.sleep(0.5)
    await ask(world, w, "use")


STORIES: Final = {
    "largest-stamp-decides": BugStory(revoke_then_a_zombie_grant, "access", identity=BOUNDS),
    "voters-unheeded": BugStory(_renew_where_most_voters_are_away, "cut off", identity=BOUNDS),
    "tokens-for-ever": BugStory(_use_a_token_that_has_ended, "life", identity=BOUNDS),
    "made-anew-under-the-old-id": BugStory(_make_somebody_anew, "inherited", identity=BOUNDS),
    "project-made-anew-is-the-same": BugStory(
        _use_a_token_in_a_project_made_anew, "access", identity=BOUNDS
    ),
    "renewed-elsewhere-unasked": BugStory(_renew_what_another_gave_out, "access", identity=BOUNDS),
    "door-remembers": BugStory(_use_what_was_just_taken, "access", identity=BOUNDS),
}
"""By the name of the bug."""
