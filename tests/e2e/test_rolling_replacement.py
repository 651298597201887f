"""
An operator replaces every node at noon: nobody who pulls or pushes notices.

`ROLLING_NODES` says how many of the five are replaced, each by a start and a leave.
"""

import os
from pathlib import Path

import pytest

from tests.e2e.rolling import REGIONS, replace, report

pytestmark = [pytest.mark.e2e, pytest.mark.faults, pytest.mark.timeout(900)]

NODES = int(os.environ.get("ROLLING_NODES", len(REGIONS)))


async def test_nodes_are_replaced_under_load(tmp_path: Path, short_dir: Path) -> None:
    load, steps = await replace(tmp_path, short_dir, NODES)
    print(*report(load, steps), sep="\n")
    assert load.failed == []
    assert load.pushes > 10
    assert load.pulls > 10
    assert len(steps) == 2 * NODES > 0
