"""What members say of their own condition."""

from msgspec.structs import replace

from cluster.membership.clocks import SAMPLES, ClockWatch
from cluster.membership.vitals import VitalsBook
from cluster.messages import Greeting
from cluster.model import NodeId, Vitals
from cluster.rpc.codec import GREETING
from tests.builders import a_member

SAID = Vitals("1.2.3", 1 << 40, 5, 6, 7, "disk: no room")


def test_what_an_earlier_run_said_does_not_hold():
    """Broken: a node that was restarted without its trouble is shown with it."""
    book, member = VitalsBook(), a_member("a")
    assert book.of(member) is None
    book.note(member, SAID)
    assert book.of(member) == SAID
    assert book.of(replace(member, epoch=member.epoch + 1)) is None
    book.forget(member.node)
    assert book.of(member) is None


def test_they_travel_with_a_greeting():
    greeting = Greeting("c", a_member("a"), (), {}, vitals=SAID)
    assert GREETING.read(GREETING.write(greeting)).vitals == SAID


def test_nobody_takes_more_than_a_line():
    """Broken: a peer fills the memory of who keeps what it says."""
    long = Greeting("c", a_member("a"), (), {}, vitals=SAID._replace(trouble="x" * 10_000))
    assert len(GREETING.read(GREETING.write(long)).vitals.trouble) == 512


class Clock:
    def __init__(self) -> None:
        self.s, self.ms = 0.0, 1_000_000

    def now_s(self) -> float:
        return self.s

    def now_ms(self) -> int:
        return self.ms


def test_how_far_a_members_clock_is_ahead():
    clock = Clock()
    watch, b = ClockWatch(clock, off_max_ms=400.0, fresh_s=30.0), NodeId("b")
    assert watch.ahead_ms(b) is None
    for _ in range(SAMPLES):
        asked_at = clock.s
        clock.s, clock.ms = clock.s + 0.01, clock.ms + 10
        watch.note(b, clock.ms + 120, asked_at)
    ahead = watch.ahead_ms(b)
    assert ahead is not None
    assert abs(ahead - 125) < 1, "half of the round trip has passed since"
    clock.s += 31
    assert watch.ahead_ms(b) is None, "it was not heard of lately"
