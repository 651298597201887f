"""The history of `bench.stale_reads`, with smaller numbers: what is remembered is never stale."""

from pathlib import Path

import pytest

from bench import stale_reads

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def test_nothing_is_read_that_was_replaced_before(tmp_path: Path) -> None:
    """Broken: an answer that is remembered, or leases, outlive a write that was acknowledged."""
    found = stale_reads.run(tmp_path, writes=400, reads=20_000)
    print(f"{found.unknown} writes without an answer, {found.refused} reads refused")
    assert found.stale == []
    assert found.reads >= 20_000
    assert found.remembered > found.reads / 10
