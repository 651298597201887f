"""Each defence of the log-in is there, and its check notices when it is not."""

import pytest

from tests.api.conftest import StartRegistry
from tests.api.defences import DEFENCES
from tests.api.seeded import SEEDED, seeded


@pytest.mark.parametrize("name", DEFENCES)
async def test_a_defence_is_there(start_registry: StartRegistry, name: str):
    await DEFENCES[name](start_registry)


@pytest.mark.parametrize("name", SEEDED)
async def test_a_defence_that_is_gone_is_missed(start_registry: StartRegistry, name: str):
    bug = SEEDED[name]
    with seeded(bug), pytest.raises(AssertionError):
        await DEFENCES[bug.noticed_by](start_registry)


def test_each_defence_has_a_bug_that_it_notices():
    assert {bug.noticed_by for bug in SEEDED.values()} == DEFENCES.keys()
