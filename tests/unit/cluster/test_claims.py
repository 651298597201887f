"""Which holder rows count."""

import pytest

from cluster.model import Dot, Origin
from cluster.objects.claims import stands

BEGAN = {Origin("a", 1): 5, Origin("a", 3): 2}
"""A disk set back into its first run, started a second time since, now in its fourth."""


@pytest.mark.parametrize(
    ("epoch", "seq", "counts"),
    [
        (1, 5, True),
        (1, 6, False),
        (2, 1, False),
        (3, 2, True),
        (3, 3, False),
        (4, 1, True),
        (5, 1, False),
    ],
    ids=[
        "on the disk",
        "after the snapshot",
        "of a run that the disk has lost",
        "of the run before",
        "of the run before, lost by a power cut",
        "of the present run",
        "of a clone",
    ],
)
def test_a_row_counts_when_its_nodes_disk_had_it_or_when_it_was_made_since(
    epoch: int, seq: int, counts: bool
):
    assert stands(Dot("a", epoch, seq), 4, BEGAN) is counts


def test_another_nodes_logs_vouch_for_nothing():
    assert not stands(Dot("b", 1, 5), 4, BEGAN)
