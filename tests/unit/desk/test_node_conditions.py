"""How a node is, in a word."""

from typing import Any

import pytest

from cluster import WANTS_STATE
from cluster.layout import Availability
from node.desk.conditions import condition_of, serves
from tests.unit.attention.snapshots import a_member


@pytest.mark.parametrize(
    ("fields", "condition", "answers"),
    [
        ({}, "serving", True),
        ({"availability": Availability.PAUSED}, "paused", True),
        ({"availability": Availability.DRAINING}, "draining", True),
        ({"trouble": "disk: no room: 12 MiB are free"}, "troubled", True),
        ({"trouble": "index: damaged: 7.sst is gone"}, "troubled", False),
        ({"trouble": f"index: {WANTS_STATE}"}, "restoring", False),
        ({"trouble": "cluster: it waits for eu-7"}, "joining", False),
        ({"trouble": "running: starting"}, "joining", False),
        ({"trouble": "running: stopping"}, "stopped", False),
        ({"connected": False, "stopped": True}, "stopped", False),
        ({"connected": False}, "unlinked", False),
        ({"state": "suspect"}, "suspect", False),
        ({"state": "dead", "connected": False}, "dead", False),
        ({"state": "left", "connected": False}, "left", False),
        ({"state": "unheard", "connected": False}, "unheard", False),
        ({"state": "outside"}, "outside", False),
        ({"state": "outside", "availability": None}, "outside", False),
    ],
)
def test_a_node_is_in_one_condition(fields: dict[str, Any], condition: str, answers: bool):
    """Broken: who looks for a node to stop counts on one that answers nobody."""
    member = a_member("eu-2", **fields)
    assert (condition_of(member), serves(member)) == (condition, answers)


def test_who_does_not_serve_is_none_that_drains():
    """Broken: a dead node is shown as one that hands over its copies."""
    member = a_member("eu-2", availability=Availability.DRAINING, state="dead", connected=False)
    assert condition_of(member) == "dead"
