"""What one vector has and another lacks, with and without retired logs."""

import pytest

from cluster import vectors
from cluster.model import Origin
from cluster.vectors import COMPLETE, Watermark

A3, A5, A8, B2 = Origin("a", 3), Origin("a", 5), Origin("a", 8), Origin("b", 2)
WHOLE = {A3: 20, A5: 7, A8: 2, B2: 4}
UPTO_3 = vectors.retired(WHOLE, {"a": 3})
UPTO_5 = vectors.retired(WHOLE, {"a": 5})


def test_one_entry_stands_for_all_retired_logs_of_a_node():
    assert UPTO_5.keys() == {vectors.mark_of("a"), A8, B2}
    assert vectors.watermark(UPTO_5, "a").epoch == 5
    assert vectors.watermark(UPTO_5, "b") == Watermark(0)


def test_a_watermark_is_that_of_the_latest_log_it_stands_for():
    """Broken: a run that takes the epoch in between would count as had, and vanish."""
    assert vectors.retired(WHOLE, {"a": 7}) == UPTO_5
    assert vectors.retired(WHOLE, {"a": 2}) == WHOLE
    assert (
        vectors.retired({**WHOLE, Origin("a", 6): 0}, {"a": 7})[vectors.mark_of("a")]
        == (UPTO_5[vectors.mark_of("a")])
    )


def test_retiring_in_steps_or_at_once_is_the_same():
    """Broken: two nodes that decide at different times could never compare their rows."""
    assert vectors.retired(UPTO_3, {"a": 5}) == UPTO_5
    assert vectors.retired(UPTO_5, {"a": 3}) == UPTO_5


def test_a_retired_log_is_had_to_its_end_and_no_other_one_is():
    assert vectors.reached(UPTO_5, A3) == vectors.reached(UPTO_5, A5) == COMPLETE
    assert vectors.reached(UPTO_5, A8) == 2
    assert vectors.reached(UPTO_5, B2) == 4
    assert vectors.reached(UPTO_5, Origin("b", 1)) == 0
    assert vectors.is_retired(UPTO_5, Origin("a", 4)), "a log that nobody knew of"
    assert not vectors.is_retired(UPTO_5, A8)
    assert not vectors.is_retired(UPTO_5, vectors.mark_of("a"))


@pytest.mark.parametrize("one", [WHOLE, UPTO_3, UPTO_5])
@pytest.mark.parametrize("other", [WHOLE, UPTO_3, UPTO_5])
def test_whoever_has_it_all_has_it_all(one, other):
    """Broken: equal nodes take over each other's state, for one of them has decided earlier."""
    assert vectors.same(one, other)
    assert vectors.unmet(one, other) == []


@pytest.mark.parametrize(
    "short",
    [
        {**WHOLE, A5: 6},
        {**WHOLE, A3: 19},
        {A5: 7, A8: 2, B2: 4},
        {A8: 2, B2: 4},
        {**WHOLE, Origin("a", 4): 1},
        {**UPTO_3, A5: 6},
        vectors.retired({**WHOLE, A3: 19}, {"a": 5}),
        {},
    ],
    ids=["last", "first", "one gone", "all gone", "one more", "behind its mark", "mark", "none"],
)
def test_what_is_not_all_of_it_is_below_the_floor(short):
    """
    Broken: a short entry counts as complete, as by its largest epoch alone it would.

    What goes beyond it is no less another log: a copy of the node ran offline.
    """
    assert vectors.unmet(short, UPTO_5) == ["a"]
    assert not vectors.covers(short, UPTO_5)
    assert not vectors.same(UPTO_5, short)


def test_a_later_watermark_is_the_larger_entry():
    """Broken: what merges vectors by their entries keeps the earlier one."""
    assert UPTO_5[vectors.mark_of("a")] > UPTO_3[vectors.mark_of("a")]
    assert Watermark.of(Watermark(5, 77).value) == Watermark(5, 77)
    assert Watermark.of(Watermark((1 << 64) - 1, (1 << 64) - 1).value).chain == (1 << 64) - 1


def test_entries_that_a_watermark_stands_for_go_with_it():
    assert vectors.raised(WHOLE, vectors.marks(UPTO_5)) == UPTO_5
    assert vectors.raised(UPTO_5, vectors.marks(UPTO_3)) == UPTO_5
    assert vectors.merged(WHOLE, UPTO_5) == UPTO_5
    assert vectors.merged({A3: 4, B2: 9}, {A3: 6}) == {A3: 6, B2: 9}


def test_an_entry_beside_a_watermark_counts_as_it_is():
    """Broken: what a disk says explicitly is taken for complete."""
    assert vectors.reached({**UPTO_5, A3: 4}, A3) == 4
