"""Indexes compared in simulated clusters: a row that rots is replaced, and health is no alarm."""

from typing import Any

import pytest

from tests.sim.background import SEEDS
from tests.sim.repeatable import told_by

pytestmark = pytest.mark.timeout(600)

Told = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def told() -> Told:
    """What `tests.sim.background` says."""
    found: Told = told_by("tests.sim.background")
    return found


def test_a_row_that_rots_is_replaced(told: Told):
    """Broken: a row that changed behind the engine's back is served for ever."""
    assert told["rot"]["rotten"]
    assert told["rot"]["violations"] == [], "the indexes are the same again"
    assert told["rot"]["alarms"] == ["rows are not what was written"]


def test_what_was_accepted_on_one_disk_gets_to_a_second(told: Told):
    """Broken: a push that was acknowledged while the other node was away stays on one disk."""
    found = told["alone"]
    assert found["alone"] > 0
    assert found["violations"] == []
    one, other = found["blobs"]
    assert one == other
    assert len(one) > 5


def test_what_came_with_a_pull_is_no_copy(told: Told):
    """P1. Broken: a push is acknowledged on a copy that may go without a word."""
    assert told["cached"]["cached"] == 2
    assert told["cached"]["acknowledged"] == 2
    assert told["cached"]["violations"] == []
    noticed = told["cached counts"]["violations"]
    assert any("acknowledged with the copies" in violation for violation in noticed)


@pytest.mark.parametrize("seed", SEEDS)
def test_faults_are_no_alarm(told: Told, seed: int):
    """Broken: a crash, a wiped disk or a partition makes nodes replace what is right."""
    found = told[f"seed {seed}"]
    assert found["acknowledged"] > 0
    assert found["alarms"] == []
    assert found["violations"] == []
