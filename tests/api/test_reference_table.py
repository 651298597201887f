"""Atoll against the table of answers that it shares with the reference registry."""

import pytest

from tests.api.conftest import Registry
from tests.api.reference import ROWS, Row, check, prepare


@pytest.mark.parametrize("row", ROWS, ids=str)
async def test_the_answer_is_the_one_of_the_table(registry: Registry, row: Row):
    """Broken: a client that works with the reference registry does not work with Atoll."""
    await prepare(registry.call)
    await check(registry.call, row, row.atoll)


@pytest.mark.parametrize("row", [row for row in ROWS if row.reference is not None], ids=str)
def test_an_answer_of_our_own_has_a_reason(row: Row):
    assert row.why
    assert row.reference != row.atoll
