"""What a read may find, by the writes of its tag."""

import pytest

from bench.stale_history import NOTHING, UNKNOWN, TagHistory, Write

A, B, C = 1, 2, 3
WRITES = [Write(1, 2, A), Write(3, 4, B), Write(5, 6, NOTHING), Write(7, 8, C)]


@pytest.mark.parametrize(
    ("start", "end", "may"),
    [
        (0.1, 0.2, {NOTHING}),
        (1.5, 1.6, {NOTHING, A}),
        (2.1, 2.2, {A}),
        (2.1, 3.2, {A, B}),
        (3.5, 9.0, {A, B, NOTHING, C}),
        (4.1, 4.2, {B}),
        (6.5, 6.6, {NOTHING}),
        (9.0, 9.1, {C}),
    ],
)
def test_a_read_finds_what_stood_when_it_began_or_came_meanwhile(
    start: float, end: float, may: set[int]
):
    assert TagHistory(WRITES).may_read(start, end) == may


def test_a_write_that_nobody_acknowledged_may_take_effect_at_any_time():
    history = TagHistory([Write(1, 2, A), Write(3, UNKNOWN, B), Write(5, 6, C)])
    assert history.may_read(2.1, 2.2) == {A}
    assert history.may_read(7, 8) == {B, C}
