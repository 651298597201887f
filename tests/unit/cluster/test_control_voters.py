"""Sets of voters."""

from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.control.values import Seat
from cluster.control.voters import VoterCandidate, choose, majority, others_needed, why_not_voters


def seats(count: int) -> tuple[Seat, ...]:
    return tuple(Seat(f"n{n}", "disk", 1) for n in range(count))


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_legal_sets(count: int):
    assert why_not_voters(seats(count)) is None


@pytest.mark.parametrize("count", [0, 4, 6, 7])
def test_other_sets_are_not(count: int):
    assert why_not_voters(seats(count)) is not None


@pytest.mark.parametrize("count", [2, 3, 5])
def test_enough_others_meet_every_majority_that_one_was_part_of(count: int):
    """And one fewer would not: nobody is waited for without need."""
    everybody = set(range(count))
    of_0 = [set(chosen) for chosen in combinations(everybody, majority(everybody)) if 0 in chosen]
    others = everybody - {0}

    def meets_all(size: int) -> bool:
        return all(
            (chosen - {0}) & set(welcoming)
            for chosen in of_0
            for welcoming in combinations(others, size)
        )

    assert meets_all(others_needed(everybody))
    assert not meets_all(others_needed(everybody) - 1)


def test_who_votes_alone_has_nobody_to_ask():
    assert others_needed(seats(1)) == 0


candidates = st.dictionaries(
    st.integers(0, 30).map(lambda n: f"n{n}"), st.sampled_from(["a", "b", "c", "d"]), max_size=12
)


@given(candidates, st.sets(st.integers(0, 30).map(lambda n: f"n{n}"), max_size=5))
def test_chosen_voters_are_odd_spread_and_no_more_than_five(regions: dict[str, str], present):
    chosen = choose([VoterCandidate(*item) for item in regions.items()], present)
    assert len(chosen) == max(size for size in (0, 1, 2, 3, 5) if size <= len(regions))
    assert set(chosen) <= set(regions)
    in_region, possible = Counter(regions[node] for node in chosen), Counter(regions.values())
    for one in possible:
        for other in possible:
            could_have_more = in_region[other] < possible[other]
            assert in_region[one] <= in_region[other] + 1 or not could_have_more


@given(candidates)
def test_voters_that_can_stay_do(regions: dict[str, str]):
    nodes = [VoterCandidate(*item) for item in regions.items()]
    chosen = choose(nodes)
    assert choose(nodes, chosen) == chosen


@pytest.mark.parametrize(
    ("regions", "split"),
    [
        ({"a": 2, "b": 1}, [1, 2]),
        ({"a": 3, "b": 2}, [2, 3]),
        ({"a": 4, "b": 1}, [1, 4]),
        ({"a": 9, "b": 9, "c": 9}, [1, 2, 2]),
        ({"a": 2, "b": 2}, [1, 2]),
    ],
)
def test_regions_take_turns(regions: dict[str, int], split: list[int]):
    nodes = [VoterCandidate(f"{r}{n}", r) for r, count in regions.items() for n in range(count)]
    assert sorted(Counter(node[0] for node in choose(nodes)).values()) == split
