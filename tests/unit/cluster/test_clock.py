"""The hybrid clock's promises: stamps rise, never repeat, and follow causes."""

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.clock import COUNTER_BITS, HybridClock, SystemClock, stamp_ms
from cluster.errors import ClockAhead
from cluster.model import Stamp
from tests.builders import HandClock


def test_seconds_pass_while_the_machine_is_suspended(monkeypatch):
    """By a clock that stops then, a lease would outlast what its giver waits for."""
    readings = {time.CLOCK_BOOTTIME: 3600.0, time.CLOCK_MONOTONIC: 0.0}
    monkeypatch.setattr(time, "clock_gettime", readings.__getitem__)
    monkeypatch.setattr(time, "monotonic", lambda: 0.0)
    assert SystemClock().now_s() == 3600.0


wall_times = st.integers(min_value=0, max_value=1 << 44)


@given(st.lists(wall_times, min_size=1, max_size=50))
def test_stamps_rise_whatever_the_wall_clock_does(times):
    wall = HandClock()
    clock = HybridClock(wall)
    last = Stamp(0)
    for wall.ms in times:
        stamp = clock.tick()
        assert stamp > last
        assert stamp_ms(stamp) >= wall.ms
        last = stamp


@given(wall_times, st.integers(min_value=0, max_value=1 << 60))
def test_a_stamp_is_larger_than_what_it_replaces(now, after):
    clock = HybridClock(HandClock(now))
    assert clock.tick(Stamp(after)) > after


@given(wall_times, st.integers(min_value=-1000, max_value=500))
def test_an_effect_is_stamped_after_its_cause(now, offset_ms):
    """An event seen here makes every later one larger, within the bound."""
    clock = HybridClock(HandClock(now + 1000))
    seen = Stamp((now + 1000 + offset_ms) << COUNTER_BITS | 7)
    clock.observe(seen)
    assert clock.tick() > seen


@given(wall_times, st.integers(min_value=501, max_value=1 << 40))
def test_a_stamp_beyond_the_bound_is_refused_and_leaves_no_trace(now, ahead_ms):
    wall = HandClock(now)
    clock = HybridClock(wall)
    with pytest.raises(ClockAhead) as caught:
        clock.observe(Stamp((now + ahead_ms) << COUNTER_BITS))
    assert caught.value.ahead_ms == ahead_ms
    assert stamp_ms(clock.tick()) == now


def test_resume_has_no_bound():
    """A clock set back while the node was down must not issue an old stamp again."""
    wall = HandClock(1000)
    clock = HybridClock(wall)
    clock.resume(Stamp(5_000_000 << COUNTER_BITS))
    assert clock.tick() == (5_000_000 << COUNTER_BITS) + 1


def test_the_counter_overflows_into_the_milliseconds():
    wall = HandClock(1000)
    clock = HybridClock(wall)
    clock.resume(Stamp((1000 << COUNTER_BITS) | 0xFFFF))
    assert clock.tick() == 1001 << COUNTER_BITS


def test_threads_never_share_a_stamp():
    clock = HybridClock(HandClock())
    stamps: list[list[int]] = [[] for _ in range(4)]

    def tick_often(mine: list[int]) -> None:
        mine.extend(clock.tick() for _ in range(2000))

    threads = [threading.Thread(target=tick_often, args=(mine,)) for mine in stamps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({stamp for mine in stamps for stamp in mine}) == 8000
    assert all(mine == sorted(mine) for mine in stamps)


def test_the_system_clock_counts_milliseconds_since_1970():
    assert 1_600_000_000_000 < SystemClock().now_ms() < 10_000_000_000_000


def test_a_wrong_wall_clock_makes_no_stamp():
    """Broken: one event of a clock that jumped makes the log wait at its peers for an hour."""
    wall = HandClock(10_000_000)
    clock = HybridClock(wall)
    truth = 10_000_000
    clock.heed(lambda wall_ms: wall_ms - truth if abs(wall_ms - truth) > 400 else 0.0)
    assert stamp_ms(clock.tick()) == truth
    for wrong_ms in (3_600_000, -3_600_000):
        truth += 1000
        wall.ms = truth + wrong_ms
        assert stamp_ms(clock.tick()) == truth
    wall.ms = truth + 300
    assert stamp_ms(clock.tick()) == truth + 300, "within what the members take"


def test_what_is_stamped_before_anybody_can_tell_takes_no_wall_time():
    """A node looks after its files before it has joined, and its clock may be an hour ahead."""
    wall = HandClock()
    clock = HybridClock(wall)
    before = clock.tick()
    wall.ms += 3_600_000
    clock.heed(lambda wall_ms: None)
    assert before < clock.tick() < before + 10
    assert clock.tick(Stamp(before + 100)) == before + 101
    clock.heed(lambda wall_ms: 3_600_000.0)
    assert stamp_ms(clock.tick()) == stamp_ms(before)
