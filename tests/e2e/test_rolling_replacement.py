"""An operator replaces every node at noon: nobody who pulls or pushes notices."""

from pathlib import Path

import pytest

from tests.e2e.rolling import replace_all, report

pytestmark = [pytest.mark.e2e, pytest.mark.faults, pytest.mark.timeout(900)]


async def test_all_nodes_are_replaced_under_load(tmp_path: Path, short_dir: Path) -> None:
    load, steps = await replace_all(tmp_path, short_dir)
    print(*report(load, steps), sep="\n")
    assert load.failed == []
    assert load.pushes > 10
    assert load.pulls > 10
    assert len(steps) == 10
