"""What the world itself has to notice: when the cluster is whole, and what goes astray."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from cluster.driver.trimmer import Trimmer
from cluster.model import NodeId, Status
from tests.sim import checker, clients, faults
from tests.sim.plan import Plan
from tests.sim.simulation import simulate
from tests.sim.world import HEAL_S, World

NODES = [("n0", "eu"), ("n1", "eu")]
PUSH = {"do": "push", "region": "eu", "repo": "lib/app", "tag": "v1", "layers": ["a"], "salt": 0}


def kinds(violations: list[str]) -> set[str]:
    return {text.partition(":")[0] for text in violations}


@pytest.mark.parametrize(("after_s", "told"), [(HEAL_S - 1, False), (HEAL_S + 1, True)])
def test_a_cluster_that_is_whole_too_late_is_told(
    monkeypatch: pytest.MonkeyPatch, after_s: float, told: bool
):
    """Broken: the time begins when the last client has ended, or nobody looks at it."""
    healed: list[float] = []
    heal = faults.heal_everything

    def note(world: World) -> None:
        healed.append(world.loop.time())
        heal(world)

    def differ(*_: Any) -> list[str]:
        return [] if asyncio.get_running_loop().time() >= healed[0] + after_s else ["tags"]

    monkeypatch.setattr(faults, "heal_everything", note)
    monkeypatch.setattr(checker, "differences", differ)
    slow = {**PUSH, "do": "pull_tag", "at": 12.0}  # clients are busy until then
    result = simulate(Plan("1", NODES, [{**PUSH, "at": 1.0}, slow], work_s=2.0))
    assert kinds(result.violations) == ({"not identical after heal"} if told else set())
    assert (result.converged_s is None) is told


class Cross:
    """Something that cannot be dropped without a complaint."""

    def __del__(self) -> None:
        raise ValueError("dropped")


def _drop_a_coroutine() -> None:
    asyncio.sleep(1.0)


def _drop_in_a_circle() -> None:
    """Nobody notices before the circle is collected."""
    circle: list[Any] = [Cross()]
    circle.append(circle)


@pytest.mark.parametrize(
    ("mistake", "told"),
    [
        pytest.param(_drop_a_coroutine, "coroutine 'sleep' was never awaited", id="not awaited"),
        pytest.param(Cross, "ValueError('dropped')", id="not raised"),
        pytest.param(_drop_in_a_circle, "ValueError('dropped')", id="not raised for long"),
    ],
)
def test_what_nobody_can_raise_is_told(
    monkeypatch: pytest.MonkeyPatch, mistake: Callable[[], None], told: str
):
    """Broken: a call that was never made, or an error that nobody heard of, is no trouble."""
    run = Trimmer.run

    async def run_after_a_mistake(self: Trimmer) -> None:
        mistake()
        await run(self)

    monkeypatch.setattr(Trimmer, "run", run_after_a_mistake)
    (violation,) = simulate(Plan("1", NODES, [], work_s=1.0)).violations
    assert violation.startswith("mishap: ")
    assert told in violation


def test_a_client_that_waits_for_ever_is_told(monkeypatch: pytest.MonkeyPatch):
    """Broken: the cluster counts as whole though it answers nobody."""

    async def never(*_: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setitem(clients._WORK, "push", never)
    result = simulate(Plan("1", NODES, [{**PUSH, "at": 15.0}], work_s=2.0))
    assert kinds(result.violations) == {"not answered after heal"}


def met(fault: str, **tuning: float) -> set[str]:
    """The operations that *fault* met, at a node that misses some pushes."""
    pushes = [{**PUSH, "at": 4.0 + salt, "salt": 2 * salt} for salt in range(5)]
    plan_nodes = [*NODES, ("n2", "us")]
    absence = {"at": 3.0, "do": fault, "node": 2, "for": 8.0, "salt": 1}
    result = simulate(Plan("1", plan_nodes, [absence, *pushes], work_s=12.0, tuning=tuning))
    assert result.violations == []
    return {kind for name, kind in result.met if name == fault}


def test_who_was_away_has_missed_what_the_others_forgot():
    """Broken: a log is kept for days, and an absence of seconds counts as a long one."""
    trimming = {"trim_interval_s": 1.0, "log_settled_s": 1.0, "log_away_s": 1.0}
    assert met("away", **trimming) == {"push"}
    assert met("away") == set()
    assert met("kill") == {"push"}


@pytest.mark.parametrize(
    ("steps", "names", "departed"),
    [
        pytest.param([], "n0 n1 n2 n3", "", id="nobody"),
        pytest.param([{"do": "leave", "for_good": True}], "n0 n1 n2", "n3", id="for good"),
        pytest.param([{"do": "leave", "for_good": False}], "n0 n1 n2 n3", "", id="for a while"),
        pytest.param([{"do": "join"}], "n0 n1 n2 n3 n4", "", id="another one"),
    ],
)
def test_nodes_come_and_go(
    monkeypatch: pytest.MonkeyPatch, steps: list[dict[str, Any]], names: str, departed: str
):
    """Broken: who has left is waited for, or who came is not looked at in the end."""
    seen: dict[str, Any] = {}

    def look(world: World) -> list[str]:
        seen["names"] = " ".join(m.name for m in world.machines)
        seen["departed"] = " ".join(m.name for m in world.departed)
        running = world.machines[0].running
        assert running is not None
        seen["left"] = running.cluster._env.members.status(NodeId("n3")) is Status.LEFT
        return []

    monkeypatch.setattr(checker, "bugs", look)
    nodes = [("n0", "eu"), ("n1", "eu"), ("n2", "us"), ("n3", "us")]
    pushes = [{**PUSH, "at": 1.0 + salt, "salt": 2 * salt} for salt in range(8)]
    changes = [{"at": 3.5, "node": 3, "for": 2.0, "salt": 0, **step} for step in steps]
    result = simulate(Plan("1", nodes, [*pushes, *changes], work_s=10.0))
    assert result.violations == []
    assert result.converged_s is not None
    assert seen == {"names": names, "departed": departed, "left": bool(departed)}
