"""Reads that promise nothing: where they may be, when, and that nobody says so without need."""

import pytest

from tests.netfaults.causes import LINK_S, RESUME_S, START_MAX_S
from tests.netfaults.disturbances import RECONNECT_S, Disturbances
from tests.netfaults.histories import cut, fault, op
from tests.netfaults.marks import AFTER, CALM, DURING, NEEDLESS, needless, phase, phases
from tests.netfaults.nodes import REGION_OF, has_majority

EU, US = {"eu-0", "eu-1", "eu-2"}, {"us-0", "us-1"}


def marked(start, end, node="eu-0", kind="pull", **more):
    return op(kind, start, end, "A", region=node[:2], node=node, unconfirmed=True, **more)


def may_be(read, *faults):
    return not list(needless([read], Disturbances(list(faults))))


def test_a_majority_is_of_the_stores_and_a_witness():
    """Broken: a region of two counts without its witness, or a region of three with one."""
    assert has_majority("eu", {"eu-0", "eu-2"})
    assert not has_majority("eu", {"eu-0", *US})
    assert has_majority("us", US)
    assert has_majority("us", {"us-0", *EU}), "whichever the witness is"
    assert not has_majority("us", {"us-0", "eu-0", "eu-1"}), "it may be the other one"
    assert not has_majority("us", EU)


def test_an_unconfirmed_read_needs_a_fault():
    """Broken: nodes say "unconfirmed" whenever that is easier."""
    (broken,) = needless([marked(10, 11)], Disturbances())
    assert broken.rule == NEEDLESS
    for kind in ("pull", "pull_digest", "pull_blob", "list"):
        assert not may_be(marked(10, 11, kind=kind))
        assert may_be(marked(10, 11, kind=kind), cut(5, 20, {"eu-0"}))
    assert not may_be(marked(10, 11, outcome="missing"))
    assert may_be(op("pull", 10, 11, "A"))
    assert may_be(marked(10, 11, outcome="unknown")), "no answer: `causes`"


UNTIL = {
    "kill": 20 + START_MAX_S + LINK_S,
    "stop": 20 + RESUME_S,
    "cut": 20 + RECONNECT_S,
}


@pytest.mark.parametrize("kind", UNTIL)
def test_a_node_alone_may_say_so_until_it_sees_others_again(kind):
    """Broken: a node says "unconfirmed" long after its links must be up, or before anything."""
    for node in ("eu-0", "us-1"):
        alone = fault(kind, 10, 20, {node})
        assert may_be(marked(9, 10.1, node), alone)
        assert may_be(marked(UNTIL[kind] - 0.1, UNTIL[kind] + 1, node), alone)
        assert not may_be(marked(UNTIL[kind] + 0.1, UNTIL[kind] + 1, node), alone)
        assert not may_be(marked(8, 9.9, node), alone)
        for other in REGION_OF.keys() - {node}:
            assert not may_be(marked(15, 16, other), alone), "it sees a majority"


@pytest.mark.parametrize("kind", ["clock", "disk"])
def test_what_takes_no_link_takes_no_majority(kind):
    """Broken: a node whose disk is full, or whose clock is off, answers with whatever it has."""
    assert not may_be(marked(15, 16), fault(kind, 10, 20, {"eu-0"}))


def test_faults_that_leave_everybody_a_majority_excuse_nothing():
    """Broken: two nodes that do not see each other, or two regions, answer as if alone."""
    for node in REGION_OF:
        for apart in ({"eu-0", "eu-1"}, US):
            assert not may_be(marked(15, 16, node), fault("bridge", 10, 20, apart))
        assert not may_be(marked(15, 16, node), cut(10, 20, US))


def test_a_region_without_power_sees_no_majority_until_it_is_back():
    """Broken: who starts first has to wait, or the other region is excused."""
    for dead, lives in ((EU, "us-0"), (US, "eu-0")):
        power = fault("kill", 10, 12, dead, ready=16.0)
        for node in dead:
            assert may_be(marked(15, 15.5, node), power)
            assert not may_be(marked(16.1 + LINK_S, 18, node), power)
        assert not may_be(marked(11, 11.5, lives), power)


def test_a_write_is_never_unconfirmed():
    """Broken: a write is acknowledged by who saw no majority."""
    alone = cut(5, 20, {"eu-0"})
    assert not may_be(marked(10, 11, kind="push"), alone)
    assert may_be(marked(10, 11, kind="push", outcome="unknown"), alone), "nothing was promised"


def test_marks_are_counted_by_the_phase_of_the_fault():
    """Broken: the figure does not tell a node that is cut off from one that does not find back."""
    alone = Disturbances([cut(10, 20, {"eu-0"}, loosens=19.5)])
    reads = [marked(12, 13), marked(19, 19.4), marked(19, 19.6), marked(21, 22), marked(30, 31)]
    assert [phase(read, alone) for read in reads] == [DURING, DURING, AFTER, AFTER, CALM]
    plain = [op("pull", 12, 13, "A"), marked(12, 13, outcome="unknown")]
    assert phases([*reads, *plain], alone) == {DURING: 2, AFTER: 2, CALM: 1}
