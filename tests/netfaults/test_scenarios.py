"""The plans of the scenarios: faults enough, and calm enough."""

import random
import re
from itertools import pairwise
from pathlib import Path

import pytest

from tests.netfaults.causes import strict_s
from tests.netfaults.disturbances import Disturbance, Disturbances
from tests.netfaults.scenarios import (
    CALM_S,
    SCENARIOS,
    START_REGION_S,
    START_S,
    STRICT_SHARE,
    TAIL_CALM_S,
)

SEEDS = range(300)
LOAD_S = 60.0
STRICT_MIN_S = 20.0
NODES = {
    "kill": ("kill", {"us-1"}),
    "pause": ("stop", {"us-1"}),
    "freeze": ("stop", {"us-1"}),
    "power": ("kill", {"us-0", "us-1"}),
    "isolate": ("cut", {"us-1"}),
    "split": ("cut", {"us-0", "us-1"}),
    "bridge": ("bridge", {"eu-0", "eu-1"}),
    "one-way": ("cut", {"us-1"}),
    "voters": ("kill", {"us-1"}),
    "clock": ("clock", {"us-1"}),
    "full-disk": ("disk", {"us-1"}),
}


def plans(name, duration_s=LOAD_S):
    return [SCENARIOS[name].plan(random.Random(seed), duration_s) for seed in SEEDS]


def as_planned(name, plan):
    kind, nodes = NODES[name]
    start_s = START_S if len(nodes) == 1 else START_REGION_S
    return Disturbances(
        [
            Disturbance(
                name=name,
                kind=kind,
                nodes=frozenset(nodes),
                start=slot.start,
                holds=slot.start,
                loosens=slot.end,
                end=slot.end,
                ready=slot.end + start_s if kind == "kill" else None,
            )
            for slot in plan.slots
        ]
    )


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_plan_leaves_time_in_which_nothing_may_fail(name):
    """Broken: faults follow so close that "0 unexplained" says nothing."""
    for plan in plans(name):
        disturbances, disturbed_s = as_planned(name, plan), LOAD_S - plan.tail_s
        assert strict_s(disturbances, [(0.0, LOAD_S)]) >= STRICT_MIN_S
        assert strict_s(disturbances, [(disturbed_s, LOAD_S)]) >= TAIL_CALM_S - 1e-6
        for before, after in pairwise(plan.slots):
            assert strict_s(disturbances, [(before.start, after.end)]) >= SCENARIOS[name].pause[0]


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_plan_has_faults_and_ends_them_with_a_heal(name):
    """Broken: the time to agree is measured from a moment at which nothing was healed."""
    for plan in plans(name):
        assert plan.slots[0].start >= CALM_S
        assert plan.slots[-1].end == LOAD_S - plan.tail_s
        for slot in plan.slots:
            assert slot.end - slot.start <= SCENARIOS[name].hold[1]
        assert all(s.end - s.start >= SCENARIOS[name].hold[0] for s in plan.slots)
        assert len(plan.slots) >= 2


def test_the_scenarios_are_those_of_the_document():
    """Broken: people read of other faults than those that are made."""
    text = (Path(__file__).parents[2] / "docs/faults.md").read_text()
    table = text.partition("| scenario | fault | lasts |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `([\w-]+)` \|", table, re.MULTILINE) == list(SCENARIOS)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_short_run_has_a_fault_too(name):
    """Broken: a quick look sees no fault at all, or nothing but faults."""
    for plan in plans(name, 10.0):
        (slot,) = plan.slots
        assert CALM_S <= slot.start < slot.end == 10.0 - plan.tail_s
        assert plan.tail_s > 0
    assert STRICT_SHARE * LOAD_S >= STRICT_MIN_S
