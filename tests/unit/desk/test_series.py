"""The figures of a node over time."""

from node.desk.series import POINTS, History, Tally


def test_a_point_is_what_came_in_a_second():
    history = History()
    assert history.series()[0].now is None
    history.note(100.0, 1.0, Tally(5, 50, 0, 1000), 0.0)
    assert (history.series()[0].points, history.latest) == ([], None), "one look tells no rate"
    history.note(104.0, 5.0, Tally(7, 90, 2, 9000), 1.25)
    found = {each.name: (each.now, each.unit, each.points) for each in history.series()}
    assert found == {
        "pushes": (0.5, "/s", [0.5]),
        "pulls": (10.0, "/s", [10.0]),
        "errors": (0.5, "/s", [0.5]),
        "bytes_out": (2000.0, "bytes/s", [2000.0]),
        "lag": (1.25, "s", [1.25]),
    }
    assert history.latest == 5.0


def test_no_more_points_are_kept_than_are_shown():
    """Broken: a node that runs for a year keeps a year."""
    history = History()
    for step in range(POINTS + 30):
        history.note(float(step), float(step), Tally(pushes=step * step), None)
    pushes, *_, lag = history.series()
    assert len(pushes.points) == POINTS
    assert pushes.points[-1] == pushes.now == 2 * (POINTS + 29) - 1
    assert lag.points == [None] * POINTS, "what is not known is no 0"
    assert [len(each.points) for each in history.series(7)] == [7] * 5
    assert history.series(7)[0].points == pushes.points[-7:]


def test_a_clock_that_stands_makes_no_point():
    history = History()
    history.note(1.0, 1.0, Tally(), 0.0)
    history.note(1.0, 1.0, Tally(pushes=5), 0.0)
    assert history.series()[0].points == []
