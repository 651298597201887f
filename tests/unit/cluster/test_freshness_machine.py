"""One node's part on both sides: a of {a, b, c}."""

import math

import pytest

from cluster.freshness.drift import DRIFT
from cluster.freshness.grants import Grant
from cluster.freshness.machine import Coverage, Durations, Freshness
from cluster.layout.transition import Live
from cluster.messages import Confirmation
from cluster.model import Disk, NodeId, Origin, Region, Run
from tests.freshness.layouts import layout

EU, US = Region("eu"), Region("us")
A, B, C, D = (Disk(NodeId(name), f"{name}-disk1") for name in "abcd")
W = Disk(NodeId("w"), "w-disk1")
LOG = Origin("a", 1)
LEASE_S = 0.8
DURATIONS = Durations(LEASE_S, laggard_s=0.2, laggard_remote_s=1.0, trust_s=3.0)
MUTE_S = LEASE_S * DRIFT
BEGAN = 100.0
EPOCHS = {A: 1, B: 1, C: 1}
ONE = Live(layout(1, {"eu": ["a", "b", "c"]}, 2))
JOINT = Live(layout(2, {"eu": ["a", "b", "c", "d"]}, 2), ONE.newest)


class Node:
    """Node a in its first run, which began at `BEGAN`; times are seconds since then."""

    def __init__(self, live: Live = ONE, start: int = 0, region: Region = EU, me: Disk = A) -> None:
        self.start = {LOG: start} if start else {}
        self.machine = Freshness(Run(me, 1), region, self.start, DURATIONS, BEGAN)
        self.begin(live, 0.0)

    def begin(self, live: Live, now: float) -> None:
        self.machine.begin(live, lambda region, node: True, self.start, BEGAN + now)

    def asks_all(self) -> "Node":
        """Nobody of its quorum has heard it say more than it has."""
        for disk in (B, C):
            self.machine.hear_of_before(disk, {})
        assert self.machine.is_continuous(BEGAN)
        return self

    def greets(self, disk: Disk, now: float, has: int = 0, region: Region = EU) -> Grant:
        have = {LOG: has} if has else {}
        return self.machine.greet(Run(disk, 1), region, have, BEGAN + now)

    def take(self, disk: Disk, asked_at: float) -> None:
        self.machine.take(disk, BEGAN + asked_at)

    def is_covered(self, now: float) -> bool:
        return self.machine.coverage(BEGAN + now) is Coverage.COVERED

    def confirmed(self, seq: int, now: float) -> frozenset[Disk]:
        backing = self.machine.backing(seq, EPOCHS, lambda run, seq: False, BEGAN + now)
        return backing.confirmed


@pytest.fixture
def node() -> Node:
    return Node().asks_all()


def test_one_lease_and_its_own_disk_cover_a_node_of_three(node: Node):
    assert not node.is_covered(1.0)
    node.take(B, 1.0)
    assert node.is_covered(1.0 + LEASE_S - 0.001)
    assert not node.is_covered(1.0 + LEASE_S)


def test_a_lease_is_over_for_the_reader_before_it_is_for_the_granter(node: Node):
    """Both at the same moment, which is the worst that can be: the answer took no time."""
    for _ in range(2):
        node.greets(B, 1.0)
    node.take(B, 1.0)
    over = 1.0 + LEASE_S
    assert not node.is_covered(over)
    assert node.machine.readers(EU, BEGAN + over) == {B: 1}


def test_a_node_reads_though_it_is_mute(node: Node):
    """Leases of others are its own run's; what its earlier run granted makes no difference."""
    node.take(B, 0.1)
    assert node.is_covered(0.2)
    assert not node.machine.may_speak(BEGAN + 0.2)


def test_a_new_run_grants_and_confirms_nothing_for_the_time_of_a_lease(node: Node):
    before, after = MUTE_S - 0.001, MUTE_S + 0.001
    assert node.greets(B, before) is Grant.LAGS
    assert node.confirmed(0, before) == frozenset()
    assert node.greets(B, after) is Grant.LISTED
    assert A in Node().asks_all().confirmed(0, after)


def test_it_says_when_it_may_confirm(node: Node):
    backing = node.machine.backing(1, EPOCHS, lambda run, seq: False, BEGAN + 0.1)
    assert backing.wake_at == pytest.approx(BEGAN + MUTE_S)


def test_a_disk_that_may_have_been_set_back_counts_for_nothing():
    node = Node()
    node.machine.hear_of_before(B, {})
    node.take(B, 1.0)
    assert not node.is_covered(1.0)
    assert node.greets(B, 1.0) is Grant.LAGS
    assert node.confirmed(0, 1.0) == frozenset()
    assert not node.machine.suffice({B}, BEGAN + 1.0)


def test_two_others_are_a_majority_without_it():
    node = Node()
    node.machine.hear_of_before(B, {LOG: 1})
    node.take(B, 1.0)
    assert not node.is_covered(1.1)
    node.take(C, 1.0)
    assert node.is_covered(1.1)
    assert node.machine.suffice({B, C}, BEGAN + 1.1)


def test_who_hears_late_that_it_was_set_back_is_covered_no_more():
    """It had passed over c, which was silent."""
    node = Node()
    node.machine.hear_of_before(B, {})
    node.take(B, 3.0)
    assert node.is_covered(3.1)
    node.machine.hear_of_before(C, {LOG: 1})
    assert not node.is_covered(3.1)


def test_what_it_lost_is_here_again_once_both_others_gave_all():
    node = Node()
    node.machine.hear_of_before(B, {LOG: 1})
    assert node.machine.awaits(B, BEGAN + 4.0)
    for giver in (B, C):
        node.machine.note_pulled(giver)
    assert node.machine.is_continuous(BEGAN + 4.0)
    assert not node.machine.awaits(B, BEGAN + 4.0)


def test_its_own_readers_hold_up_what_it_wrote(node: Node):
    node.greets(B, 1.0)
    node.machine.note_synced({LOG: (0, 1)}, BEGAN + 1.1)
    backing = node.machine.backing(1, EPOCHS, lambda run, seq: False, BEGAN + 1.1)
    assert backing.confirmed == frozenset()
    assert backing.wake_at == pytest.approx(BEGAN + 1.0 + LEASE_S)
    assert node.confirmed(1, 1.0 + LEASE_S) == {A}


def test_they_hold_up_nothing_once_they_have_it(node: Node):
    node.greets(B, 1.0)
    backing = node.machine.backing(1, EPOCHS, lambda run, seq: run == Run(B, 1), BEGAN + 1.1)
    assert backing.confirmed == {A}
    assert backing.wake_at == math.inf


def test_a_member_confirms_beside_it(node: Node):
    node.machine.hear(Run(B, 1), ONE.stage, Confirmation(1, 1, {}, EPOCHS))
    assert node.confirmed(1, 1.0) == {A, B}


def test_while_the_layout_changes_both_majorities_are_needed(node: Node):
    node.begin(JOINT, 1.0)
    node.take(B, 1.0)
    assert not node.is_covered(1.1)
    node.take(D, 1.0)
    assert node.is_covered(1.1)
    assert not node.machine.suffice({D}, BEGAN + 1.1)
    assert node.machine.suffice({C, D}, BEGAN + 1.1)


def test_another_stage_begins_without_confirmations(node: Node):
    node.machine.hear(Run(B, 1), ONE.stage, Confirmation(1, 1, {}, EPOCHS))
    node.begin(JOINT, 1.0)
    assert node.confirmed(1, 1.1) == {A}


def test_who_does_not_serve_in_the_region_gets_no_lease(node: Node):
    assert node.greets(D, 1.0) is Grant.LAGS
    assert node.greets(B, 1.0, region=US) is Grant.LAGS
    assert node.machine.readers(EU, BEGAN + 1.0) == {}


def test_a_witness_grants_and_does_not_read():
    two = Live(layout(1, {"eu": ["a", "b"], "us": ["w"]}, 2))
    witness = Node(two, region=US, me=W)
    for disk in (A, B):
        witness.machine.hear_of_before(disk, {})
    assert witness.machine.speaks_for(EU)
    assert witness.greets(A, 1.0) is Grant.LISTED
    assert Node(two).greets(W, 5.0) is Grant.LAGS


def test_a_witness_lets_far_readers_lag_for_longer():
    two = Live(layout(1, {"eu": ["a", "b"], "us": ["w"]}, 2))
    witness = Node(two, region=US, me=W)
    for disk in (A, B):
        witness.machine.hear_of_before(disk, {})
    witness.machine.note_synced({LOG: (0, 1)}, BEGAN + 2.0)
    assert witness.greets(B, 2.0 + DURATIONS.laggard_remote_s - 0.001) is Grant.LISTED
    assert witness.greets(A, 2.0 + DURATIONS.laggard_remote_s + 0.001) is Grant.LAGS


def test_a_node_alone_is_covered_without_leases():
    alone = Node(Live(layout(1, {"eu": ["a"]}, 1)))
    assert alone.is_covered(0.1)
    assert alone.machine.lacking_leases(BEGAN) == frozenset()


def test_without_a_layout_nothing_is_covered():
    machine = Freshness(Run(A, 1), EU, {}, DURATIONS, BEGAN)
    machine.begin(None, lambda region, node: True, {}, BEGAN)
    machine.take(B, BEGAN)
    assert machine.coverage(BEGAN) is Coverage.ASK_FIRST
    assert not machine.suffice({B, C}, BEGAN)


def test_it_tells_whose_leases_it_lacks(node: Node):
    node.take(B, 1.0)
    assert node.machine.lacking_leases(BEGAN + 1.1) == {C}
