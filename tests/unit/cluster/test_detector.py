"""One failure detector: which signals have which effects, and when."""

import random
from dataclasses import dataclass, field

import pytest

from cluster.config import ClusterConfig
from cluster.membership.detector import Detector
from cluster.membership.members import Members
from cluster.membership.precedence import first_word
from cluster.membership.signals import (
    Changed,
    Contested,
    Doubted,
    Effect,
    Exchange,
    HelperSaid,
    Leave,
    Met,
    News,
    Probe,
    ProbeVia,
    Reached,
    Signal,
    Tell,
    Tick,
    Unreached,
)
from cluster.model import NodeId, Rumour, Standing, Status
from cluster.statistics import Counters
from tests.builders import a_member

ME = a_member("me", epoch=100)


@dataclass
class Bench:
    """A detector that knows b, c, d of its region and z of another, at a time set by hand."""

    others: tuple[str, ...] = ("b", "c", "d")
    now: float = 50.0
    counters: Counters = field(default_factory=Counters)

    def __post_init__(self) -> None:
        self.members = Members(ME, 10)
        self.detector = Detector(self.members, ClusterConfig(), random.Random(1), self.counters)
        for name in self.others:
            self.members.greet(a_member(name))
            self.members.connect(NodeId(name))
        self.tell(Tick())

    def tell(self, signal: Signal, after_s: float = 0.0) -> list[Effect]:
        self.now += after_s
        return list(self.detector.on_signal(signal, self.now))

    def until(self, kind: type[Effect], *, reaching: bool = False) -> list[Effect]:
        """
        Tick on time until an effect of *kind* comes; returns those of that kind.

        *reaching*: every probe is answered meanwhile.
        """
        for _ in range(10_000):
            self.now = max(self.now, self.detector.wake_at)
            effects = self.tell(Tick())
            found = [each for each in effects if isinstance(each, kind)]
            if found:
                return found
            for each in effects:
                if reaching and isinstance(each, Probe):
                    self.tell(Reached(each.number))
        raise AssertionError(f"no {kind.__name__}")

    def suspect(self, name: str, accuser: str = "q", incarnation: int = 1) -> list[Effect]:
        standing = Standing(Status.SUSPECT, incarnation, (NodeId(accuser),))
        return self.tell(News((Rumour(a_member(name), standing),)))

    def status(self, name: str) -> Status | None:
        return self.members.status(NodeId(name))


def test_a_refused_connection_asks_helpers_at_once():
    """Nobody needs half a second to find out that a port is closed."""
    bench = Bench()
    (probe,) = bench.until(Probe)
    asked = bench.tell(Unreached(probe.number))
    assert all(isinstance(each, ProbeVia) for each in asked)
    assert {each.helper.node for each in asked} == set("bcd") - {probe.target.node}


def test_silence_asks_helpers_after_the_timeout():
    bench = Bench()
    bench.until(Probe)
    began = bench.now
    assert bench.until(ProbeVia)
    assert bench.now - began == pytest.approx(0.5)


def test_a_helper_that_reaches_the_target_clears_it():
    bench = Bench()
    (probe,) = bench.until(Probe)
    bench.tell(Unreached(probe.number))
    bench.tell(Reached(probe.number))
    assert bench.status(probe.target.node) is Status.ALIVE
    assert bench.counters.suspicions == 0


def test_when_everybody_says_no_nobody_waits_on():
    bench = Bench()
    (probe,) = bench.until(Probe)
    asked = bench.tell(Unreached(probe.number))
    told = [bench.tell(HelperSaid(probe.number, each.helper.node, answered=True)) for each in asked]
    (change,) = told[-1]
    assert isinstance(change, Changed)
    assert change.after.standing == Standing(Status.SUSPECT, 1, (NodeId("me"),))
    assert bench.detector.health == 0, "the helpers answered, so this node hears well"


def test_silent_helpers_are_this_node_s_fault():
    """Missed nacks, in the words of the paper."""
    bench = Bench()
    (probe,) = bench.until(Probe)
    for each in bench.tell(Unreached(probe.number)):
        bench.tell(HelperSaid(probe.number, each.helper.node, answered=False))
    assert bench.detector.health == 2


def test_without_helpers_a_missed_answer_counts():
    bench = Bench(others=("b",))
    bench.until(Changed)
    assert bench.status("b") is Status.SUSPECT
    assert bench.detector.health == 1


def test_bad_health_makes_patient():
    bench = Bench(others=("b",))
    bench.until(Changed)
    (probe,) = bench.until(Probe)
    assert bench.detector.health >= 1
    assert probe.timeout_s == 1.0 + bench.detector.health


def test_bad_health_ends_after_as_many_answers_a_second_apart():
    """
    Waiting longer between probes as well, a node took 36 s to trust itself again; alone with a
    member that died meanwhile it saw the death after 9 s instead of 6 (a simulated seed).
    """
    bench = Bench(others=("b",))
    effects = bench.tell(Tick(), after_s=20.0)
    assert bench.detector.health == 8
    began = bench.now
    while bench.detector.health:
        for each in effects:
            if isinstance(each, Probe):
                bench.tell(Reached(each.number))
        effects = bench.until(Probe)
    assert bench.now - began <= 8.0


def test_a_stall_forgives_probes_and_suspicions():
    """Answers that came during the stall were never read."""
    bench = Bench()
    (probe,) = bench.until(Probe)
    bench.suspect("c")
    bench.tell(Tick(), after_s=20.0)
    assert bench.tell(Unreached(probe.number)) == []
    assert bench.detector.health == 8
    assert bench.counters.stalls == 1
    assert bench.status("c") is Status.SUSPECT, "its 24 s were nearly over, and did not run"


def test_200_ms_late_is_no_stall():
    bench = Bench()
    bench.now = bench.detector.wake_at + 0.19
    bench.tell(Tick())
    assert bench.counters.stalls == 0


def test_a_suspect_without_confirmation_has_24_seconds():
    bench = Bench()
    bench.suspect("b")
    began = bench.now
    bench.until(Changed, reaching=True)
    assert bench.status("b") is Status.DEAD
    assert bench.now - began == pytest.approx(24.0, abs=0.01)
    assert bench.counters.deaths == 1


def test_confirmations_shorten_it_to_4():
    bench = Bench()
    bench.suspect("b", "q")
    bench.suspect("b", "r")
    began = bench.now
    bench.until(Changed, reaching=True)
    assert bench.status("b") is Status.DEAD
    assert bench.now - began == pytest.approx(4.0, abs=0.01)


def test_whom_others_suspect_is_probed_next_with_the_accusation():
    """It contradicts at once, or this node can confirm."""
    bench = Bench()
    bench.suspect("d")
    (probe,) = bench.until(Probe)
    assert probe.target.node == "d"
    assert probe.rumours[0].standing.status is Status.SUSPECT


def test_its_own_word_ends_a_suspicion():
    bench = Bench()
    bench.suspect("b")
    bench.tell(News((Rumour(a_member("b"), Standing(Status.ALIVE, 2)),)))
    assert bench.status("b") is Status.ALIVE
    bench.suspect("b", incarnation=1)
    assert bench.status("b") is Status.ALIVE, "an old suspicion"


@pytest.mark.parametrize("status", [Status.SUSPECT, Status.DEAD])
def test_this_node_contradicts(status: Status):
    bench = Bench()
    accusers = (NodeId("b"),) if status is Status.SUSPECT else ()
    bench.tell(News((Rumour(ME, Standing(status, 104, accusers)),)))
    assert bench.detector.own == Rumour(ME, Standing(Status.ALIVE, 105))
    assert (bench.counters.refutations, bench.detector.health) == (1, 1)
    bench.tell(News((Rumour(ME, Standing(status, 104, accusers)),)))
    assert bench.counters.refutations == 1
    spread = bench.until(Tell)
    assert all(bench.detector.own in each.rumours for each in spread)


def test_who_left_does_not_come_back_by_contradicting():
    bench = Bench()
    bench.tell(Leave())
    bench.tell(News((Rumour(ME, Standing(Status.DEAD, 101)),)))
    assert bench.detector.own.standing.status is Status.LEFT
    bench.tell(News((Rumour(ME, Standing(Status.DEAD, 500)),)))
    assert bench.detector.own.standing == Standing(Status.LEFT, 501)


def test_a_word_of_a_later_run_is_outbid():
    """The clock of a machine that was set up anew may be behind; its name must work."""
    bench = Bench()
    earlier_run = a_member("me", epoch=900)
    bench.tell(News((Rumour(earlier_run, Standing(Status.DEAD, 900)),)))
    assert bench.detector.own == Rumour(ME, Standing(Status.ALIVE, 901))


def test_a_twin_is_reported():
    bench = Bench()
    twin = a_member("me", epoch=900, host="elsewhere")
    effects = bench.tell(News((first_word(twin),)))
    assert effects == [Contested(twin)]


def test_a_lost_link_is_looked_into_at_once():
    bench = Bench()
    (probe,) = bench.tell(Doubted(NodeId("c")))
    assert isinstance(probe, Probe)
    assert probe.target.node == "c"
    assert bench.tell(Doubted(NodeId("c"))) == [], "one probe of each at a time"


def test_a_greeting_of_the_dead_lets_them_speak_for_themselves():
    bench = Bench()
    bench.tell(News((Rumour(a_member("b"), Standing(Status.DEAD, 1)),)))
    bench.tell(Met(a_member("b")))
    assert bench.status("b") is Status.DEAD
    assert bench.tell(Met(a_member("b"))) == [Exchange(a_member("b"))]
    again = a_member("b", epoch=7)
    bench.members.greet(again)
    bench.tell(Met(again))
    assert bench.status("b") is Status.ALIVE


def test_answers_correct_and_accuse():
    bench = Bench()
    bench.tell(News((Rumour(a_member("b"), Standing(Status.DEAD, 4)),)))
    told = bench.detector.answer(NodeId("b"), (first_word(ME),), whole=False)
    assert told[0] == Rumour(a_member("b"), Standing(Status.DEAD, 4))
    stale = first_word(a_member("b"))
    assert bench.members.rumour(NodeId("b")) in bench.detector.answer(
        NodeId("c"), (stale,), whole=False
    )
    whole = bench.detector.answer(NodeId("q"), (), whole=True)
    assert {r.member.node for r in whole} == {"me", "b", "c", "d"}


def test_helpers_across_regions_come_from_the_target_s_first():
    bench = Bench(others=())
    for name, region in (("o", "eu"), ("p", "eu"), ("x", "us"), ("y", "us"), ("t", "ap")):
        bench.members.greet(a_member(name, region))
        bench.members.connect(NodeId(name))
    (probe,) = bench.tell(Doubted(NodeId("x")))
    helpers = [each.helper.node for each in bench.tell(Unreached(probe.number))]
    assert helpers[:2] == ["y", "t"]
    assert helpers[2] in ("o", "p")
    assert probe.timeout_s == 5.0
