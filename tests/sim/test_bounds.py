"""Memory: bounds that hold, work that leaves nothing behind, and nothing that only grows."""

from types import SimpleNamespace
from typing import Any

import pytest

from cluster.driver.acknowledger import Acknowledger
from cluster.model import Digest, Dot
from cluster.replication.jobs import BlobJobs
from tests.sim.endurance import endure
from tests.sim.mutants import by_name, mutated
from tests.sim.plan import Plan
from tests.sim.simulation import simulate
from tests.sim.sizes import sizes

MINUTES = 4.0
PUSH = {"do": "push", "region": "eu", "repo": "lib/app", "tag": "v1", "layers": ["base"]}


def short_plan(**tuning: float) -> Plan:
    """Three pushes, at once."""
    pushes = [{**PUSH, "at": 6.0, "salt": salt} for salt in range(3)]
    return Plan("1", [("n0", "eu"), ("n1", "eu")], pushes, work_s=8.0, tuning=tuning)


def test_memory_is_flat():
    """Broken: a node that runs for months ends for want of memory."""
    result, grown = endure(MINUTES)
    assert result.violations == []
    assert grown == {}
    assert result.acknowledged > MINUTES * 40


def test_what_grows_with_the_work_is_found(monkeypatch: pytest.MonkeyPatch):
    having = Acknowledger._having

    def note_for_ever(self: Any, dot: Dot) -> Any:
        self.__dict__.setdefault("every", []).append(dot)
        return having(self, dot)

    monkeypatch.setattr(Acknowledger, "_having", note_for_ever)
    _, grown = endure(MINUTES)
    assert {path.partition(": ")[2] for path in grown} == {"cluster._acknowledger.every"}


def test_what_is_left_of_a_request_is_told(monkeypatch: pytest.MonkeyPatch):
    """Broken: every push leaves a little something."""
    end = BlobJobs._end

    def end_and_keep(self: BlobJobs, digest: Any, job: Any, error: Any) -> None:
        end(self, digest, job, error)
        self._jobs[Digest.of(b"kept")] = job

    monkeypatch.setattr(BlobJobs, "_end", end_and_keep)
    found = {text.partition(" at ")[0] for text in simulate(short_plan()).violations}
    assert found == {"left over"}


def test_what_is_beyond_its_bound_is_told():
    """Broken: a bound stands in the configuration only."""
    plan = short_plan(confirmed_max=1)
    assert simulate(plan).violations == []
    with mutated(by_name("copies-remembered-for-ever")):
        found = {text.partition(" has ")[0] for text in simulate(plan).violations}
    assert found
    assert found <= {"bound: n0", "bound: n1"}


def test_sizes_tell_where_things_are():
    part: Any = SimpleNamespace()
    node: Any = SimpleNamespace(
        cluster=None, index=None, holdings=None, registry=[{"a": [1, 2]}, {"b": [3]}, part]
    )  # fmt: skip
    assert sizes(node) == {"registry": 3, "registry[]": 2, "registry[][]": 3}
