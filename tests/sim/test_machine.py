"""A simulated machine does what a real one does."""

import pytest

from cluster.driver.trimmer import Trimmer
from tests.sim.plan import Plan
from tests.sim.simulation import simulate


def test_a_process_that_fails_ends_and_is_started_again(monkeypatch: pytest.MonkeyPatch):
    """
    Broken: a node without its engine goes on listening, and one mistake has many symptoms.

    It is told all the same, and nothing else is wrong: the restarted node has what was pushed.
    """
    mistakes = ["a mistake"]
    run = Trimmer.run

    async def fail_once(self: Trimmer) -> None:
        if mistakes:
            raise AssertionError(mistakes.pop())
        await run(self)

    monkeypatch.setattr(Trimmer, "run", fail_once)
    push = {"do": "push", "region": "eu", "repo": "lib/app", "tag": "v1", "layers": ["base0"]}
    steps = [{**push, "at": 6.0 + salt, "salt": salt} for salt in range(3)]
    result = simulate(Plan("1", [("n0", "eu"), ("n1", "eu")], steps, work_s=12.0))
    (told,) = result.violations
    assert "n0 ended by itself" in told
    assert "a mistake" in told
    assert result.failed == 0
    assert result.acknowledged >= len(steps)
