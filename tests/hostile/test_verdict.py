"""What the judge of a hostile run calls a fault. Broken: a run is called clean that is not."""

from collections import Counter

import pytest

from tests.hostile.crowd import Told
from tests.hostile.leftovers import Held
from tests.hostile.load import Observed
from tests.hostile.verdict import (
    DESCRIPTORS_MORE_MAX,
    Evidence,
    delays,
    faults,
    has_settled,
    memory_max,
    percentile,
    slower_s,
)

NODE = Held(100 << 20, 50)


def seen(**changes) -> Evidence:
    clean = {
        "calm": Observed(seconds=[0.1]),
        "harassed": Observed(seconds=[0.2]),
        "neighbours": Told(),
        "strangers": Told(),
        "before": (NODE,),
        "after": (NODE,),
        "alarms": 0.0,
        "tracebacks": 0,
        "fsck": (),
    }
    return Evidence(**(clean | changes))


def test_a_clean_run_has_no_fault():
    """Broken: every run fails, so that nobody looks any more."""
    assert faults(seen()) == []


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"harassed": Observed(failures=Counter({"Refused": 1}))}, "Refused"),
        ({"calm": Observed(failures=Counter({"Refused": 1}))}, "Refused"),
        ({"strangers": Told(wrong=Counter({("garbage", 500): 2}))}, "garbage got 500"),
        ({"neighbours": Told(wrong=Counter({("well behaved", 503): 2}))}, "got 503"),
        ({"after": (Held(int(memory_max(NODE)) + (1 << 20), 50),)}, "MiB"),
        ({"after": (Held(100 << 20, 51 + DESCRIPTORS_MORE_MAX),)}, "descriptors"),
        ({"tracebacks": 1}, "tracebacks"),
        ({"fsck": ("row without a blob",)}, "row without a blob"),
    ],
)
def test_every_kind_of_harm_is_a_fault(changes, word):
    """Broken: that kind of harm goes unnoticed."""
    found = faults(seen(**changes))
    assert len(found) == 1
    assert word in found[0]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"harassed": Observed(seconds=[0.4])}, "p99.9"),
        ({"alarms": 1.0}, "suspected"),
    ],
)
def test_every_delay_is_told(changes, word):
    """Broken: strangers slow everybody down, and the run is called clean."""
    assert delays(seen()) == []
    assert faults(seen(**changes)) == []
    [found] = delays(seen(**changes))
    assert word in found


def test_settled_means_that_every_node_gave_back_memory_and_descriptors():
    """Broken: the run stops waiting too early, and calls a time-out that works a leak."""
    more = Held(100 << 20, 51 + DESCRIPTORS_MORE_MAX)
    assert has_settled((NODE, NODE), (NODE, NODE))
    assert not has_settled((NODE, NODE), (NODE, more))


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, 50), (0.99, 99), (0.999, 100), (1.0, 100), (0.001, 1)]
)
def test_percentiles_are_by_nearest_rank(share, expected):
    """Broken: the p99.9 that is published is another number."""
    assert percentile(range(1, 101), share) == expected


def test_slower_compares_the_tails():
    """Broken: a tail that grew is averaged away."""
    calm = Observed(seconds=[0.01] * 5_000)
    harassed = Observed(seconds=[0.01] * 4_990 + [0.5] * 10)
    assert slower_s(seen(calm=calm, harassed=harassed)) == pytest.approx(0.49)
