"""How many pushes follow each other over a long link: a little queue there, and no more."""

from collections import deque

import pytest

from cluster.gossip.window import Window

EVERY_S = 0.01
TICK_S = 0.001


class Link:
    """A peer that takes its time for each push; one leaves each 10 ms, if it may."""

    def __init__(self, at_peer_s: float, count_max: int = 32, way_s: float = 0.04) -> None:
        self.window = Window(count_max, 1000)
        self.way_s = way_s
        self.at_peer_s = at_peer_s
        self.ticks = 0
        self._free_at_s = 0.0
        self._answers: deque[float] = deque()

    def under_way(self, seconds: float) -> list[int]:
        """How many pushes are under way in each millisecond of the last third of *seconds*."""
        seen = []
        for _ in range(round(seconds / TICK_S)):
            now_s = self.ticks * TICK_S
            while self._answers and self._answers[0] <= now_s:
                self._answers.popleft()
                self.window.answer(now_s)
            if self.ticks % round(EVERY_S / TICK_S) == 0 and self.window.room_bytes():
                self.window.send(1, now_s)
                self._free_at_s = max(self._free_at_s, now_s + self.way_s) + self.at_peer_s
                self._answers.append(self._free_at_s + self.way_s)
            self.ticks += 1
            seen.append(len(self._answers))
        return seen[-len(seen) // 3 :]


@pytest.mark.parametrize(
    ("way_s", "at_peer_s", "fill"),
    [
        (0.04, 0.001, 8),
        (0.04, 0.005, 9),
        (0.04, 0.02, 5),
        (0.04, 0.05, 2.6),
        (0.04, 0.12, 1.7),
        (0.0005, 0.12, 1),
        (0.0005, 0.03, 1),
    ],
)
def test_as_many_are_under_way_as_fill_the_link_and_few_more(
    way_s: float, at_peer_s: float, fill: float
):
    """Fewer: events wait here for a round trip. More: they wait in a queue at a slow peer."""
    seen = Link(at_peer_s, way_s=way_s).under_way(60.0)
    assert 0.75 * fill <= sum(seen) / len(seen) <= 1.5 * fill
    assert max(seen) <= 3 * fill


def test_a_link_that_became_longer_is_filled_too():
    """What took 80 ms takes 300: that is no queue."""
    link = Link(0.005)
    link.under_way(10.0)
    link.way_s = 0.15
    assert max(link.under_way(30.0)) >= 20


def test_never_more_than_the_bound():
    assert max(Link(0.001, count_max=3).under_way(3.0)) == 3


def test_together_they_have_the_bytes_of_one():
    window = Window(32, 1000)
    window.send(1, 0.0)
    window.answer(0.1)
    assert window.room_bytes() == 1000
    window.send(700, 0.2)
    assert window.room_bytes() == 300
    window.send(300, 0.2)
    assert window.room_bytes() == 0


def test_after_one_that_nobody_answered_it_begins_anew():
    link = Link(0.001)
    link.under_way(3.0)
    window = link.window
    window.give_up()
    assert window.room_bytes() == 1000
    window.send(1, 5.0)
    assert window.room_bytes() == 0
