"""How fast work goes, and when it is STALLED."""

import pytest

from node.desk.courses import LOOKS_MIN, STALLED_AFTER_S, Course, Left


def test_what_was_left_at_most_is_the_whole():
    course = Course(0.0, 1, Left(10, 100))
    course.note(10.0, 2, Left(30, 300))
    course.note(20.0, 3, Left(20, 200))
    assert (course.left, course.total) == (Left(20, 200), Left(30, 300))
    course.note(30.0, 4, Left(5, 50), Left(50, 500))
    assert course.total == Left(50, 500), "where somebody knows better"


def test_the_time_that_is_left_goes_by_bytes():
    """Broken: of ten small blobs and a large one all but the large one is half a second."""
    course = Course(0.0, 1, Left(11, 1000))
    course.note(10.0, 2, Left(1, 900))
    assert (course.rate(), course.bytes_per_s(), course.eta_s()) == (1.0, 10.0, 90.0)


def test_where_no_bytes_are_known_it_goes_by_units():
    course = Course(0.0, 1, Left(100))
    course.note(10.0, 2, Left(80))
    assert (course.bytes_per_s(), course.eta_s()) == (None, 40.0)


def test_nothing_is_told_of_what_does_not_go():
    course = Course(0.0, 1, Left(100, 100))
    assert (course.rate(), course.eta_s()) == (None, None)
    course.note(10.0, 2, Left(120, 120))
    assert (course.rate(), course.eta_s()) == (None, None), "it grows"


def test_the_rate_is_that_of_late():
    """Broken: what was fast in the morning is said to be over in a minute."""
    course = Course(0.0, 0, Left(10_000))
    for look in range(1, 61):
        course.note(10.0 * look, look, Left(10_000 - 100 * look))
    for look in range(61, 121):
        course.note(10.0 * look, look, Left(4_000 - 10 * (look - 60)))
    rate = course.rate()
    assert rate == pytest.approx(1.0)


def test_work_is_stalled_after_so_long_and_so_many_looks():
    course = Course(0.0, 0, Left(5, 50))
    for look, at in enumerate((10.0, STALLED_AFTER_S - 0.1), start=1):
        course.note(at, look, Left(5, 50))
    assert LOOKS_MIN == 2
    assert not course.is_stalled(STALLED_AFTER_S - 0.1)
    assert course.is_stalled(STALLED_AFTER_S)
    course.note(STALLED_AFTER_S + 1, 9, Left(5, 49))
    assert not course.is_stalled(STALLED_AFTER_S + 1), "a byte is progress"


def test_who_has_looked_once_has_not_seen_it_stand():
    """Broken: copies are counted every ten minutes, and each repair is STALLED in between."""
    course = Course(0.0, 0, Left(5))
    course.note(600.0, 0, Left(5))
    course.note(600.0, 0, Left(5))
    assert not course.is_stalled(600.0), "it was the same look"
    course.note(600.0, 1, Left(5))
    assert not course.is_stalled(600.0)
    course.note(1200.0, 2, Left(5))
    assert course.is_stalled(1200.0)


def test_what_becomes_more_is_no_progress():
    course = Course(0.0, 0, Left(5))
    for look in range(1, 20):
        course.note(10.0 * look, look, Left(5 + look))
    assert course.is_stalled(190.0)
    assert course.progressed == 0.0
