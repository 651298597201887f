"""Lines and bars."""

import re

import pytest

from node.ui import sparks


def test_a_line_goes_from_the_first_reading_to_the_last():
    path = sparks.spark([1, 3, 2])
    assert path == "M0.0 23.0 L48.0 3.0 L96.0 13.0"


@pytest.mark.parametrize("points", [[], [1.0]])
def test_one_reading_makes_no_line(points: list[float]):
    assert sparks.spark(points) == ""


def test_what_does_not_change_is_in_the_middle():
    assert sparks.spark([5, 5]) == "M0.0 13.0 L96.0 13.0"


def test_a_line_has_a_bound():
    path = sparks.spark(range(10_000))
    assert path.count("L") == sparks.POINTS_MAX - 1


def test_bars_fill_the_whole():
    found = sparks.bars([10, 30, 60])
    assert [(bar.x, bar.width) for bar in found] == [
        ("0.0", "100.0"),
        ("100.0", "300.0"),
        ("400.0", "600.0"),
    ]
    assert len(sparks.bars([1] * 5000)) == 100
    assert all(1 <= bar.shade <= 5 for bar in sparks.bars(range(20)))
    assert all(re.fullmatch(r"[0-9.]+", bar.width) for bar in sparks.bars([0, -1]))
