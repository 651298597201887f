"""From a seed that failed to a short plan that is kept."""

from pathlib import Path

import pytest

from tests.sim import __main__ as command
from tests.sim import shrink
from tests.sim.plan import Plan, make_plan
from tests.sim.simulation import Result


def lost_after_a_push(plan: Plan) -> Result:
    """As if a push at the third node or beyond were always lost."""
    pushes = [step for step in plan.steps if step["do"] == "push"]
    lost = len(plan.nodes) >= 3 and len(pushes) >= 2
    return Result(plan.seed, violations=["stale: other", "lost: v1"] if lost else ["stale: other"])


def long_plan() -> Plan:
    plans = (make_plan(str(seed)) for seed in range(50))
    return next(p for p in plans if len(p.nodes) > 5 and lost_after_a_push(p).violations[1:])


def test_only_what_it_takes_is_left():
    plan, result = shrink.shortest(long_plan(), "lost", lost_after_a_push)
    assert [step["do"] for step in plan.steps] == ["push", "push"]
    assert len(plan.nodes) == 3
    assert result.violations == ["stale: other", "lost: v1"]
    assert plan.notes == {"shows": "lost"}


def test_a_plan_that_is_to_hold_without_the_bug_is_not_cut_beyond_that():
    """Else a kept plan fails on the engine as it is, and tells nothing about the bug."""

    def holds(plan: Plan) -> Result:
        enough = len(plan.steps) >= 5
        return Result(plan.seed, violations=[] if enough else ["lost: for want of steps"])

    plan, _ = shrink.shortest(long_plan(), "lost", lost_after_a_push, holds)
    assert len(plan.steps) == 5


def test_a_seed_that_fails_becomes_a_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(shrink, "REGRESSIONS", tmp_path / "regressions")
    monkeypatch.setattr(command, "simulate", lost_after_a_push)
    seed = long_plan().seed
    command._keep_shortest(Result(seed, violations=["lost: v1", "stale: other"]))
    kept = Plan.loads((tmp_path / "regressions" / f"seed-{seed}.json").read_text())
    assert lost_after_a_push(kept).violations[1:] == ["lost: v1"]
    assert len(kept.steps) == 2
    assert "VIOLATION lost: v1" in capsys.readouterr().out
