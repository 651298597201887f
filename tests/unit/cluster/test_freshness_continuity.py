"""Whether a disk has all that it ever said, and how it comes to have it again."""

from cluster.freshness.continuity import OwnDisk
from cluster.model import Disk, NodeId, Origin, Vector

A, B, C, D, E = (Disk(NodeId(name), f"{name}-disk1") for name in "abcde")
LOG = Origin("w", 1)
THREE = frozenset({A, B, C})
FIVE = frozenset({A, B, C, D, E})
TRUST_AT = 10.0
NOBODY: frozenset[Disk] = frozenset()


def run_of_a(start: Vector) -> OwnDisk:
    return OwnDisk(A, start, TRUST_AT)


def set_back() -> OwnDisk:
    run = run_of_a({LOG: 3})
    run.hear(B, {LOG: 4})
    return run


def test_all_others_of_its_quorums_are_asked():
    run = run_of_a({LOG: 3})
    run.hear(B, {LOG: 3})
    assert not run.holds([THREE], NOBODY, 0.0)
    run.hear(C, {})
    assert run.holds([THREE], NOBODY, 0.0)
    assert not run.holds([THREE, frozenset({A, B, D})], NOBODY, 0.0)


def test_who_is_silent_is_passed_over():
    run = run_of_a({LOG: 3})
    assert not run.holds([THREE], NOBODY, TRUST_AT - 0.001)
    assert run.holds([THREE], NOBODY, TRUST_AT)


def test_who_heard_it_say_more_knows_that_it_was_set_back():
    run = set_back()
    run.hear(C, {})
    assert run.is_set_back
    assert not run.holds([THREE], NOBODY, TRUST_AT)


def test_it_is_so_though_it_got_that_back_meanwhile():
    """It is told of one event; there may be others of which nobody knows."""
    run = set_back()
    run.hear(B, {LOG: 3})
    assert run.is_set_back


def test_of_three_both_others_give_back_what_it_lost():
    run = set_back()
    run.note_pulled(B)
    assert not run.holds([THREE], NOBODY, TRUST_AT)
    assert run.awaits(C)
    assert not run.awaits(B)
    run.note_pulled(C)
    assert run.holds([THREE], NOBODY, TRUST_AT)
    assert not run.is_set_back
    assert not run.awaits(C)


def test_of_five_three_others_do():
    """It was part of majorities of three: one of three others was in each."""
    run = set_back()
    run.note_pulled(B)
    run.note_pulled(C)
    assert not run.holds([FIVE], NOBODY, TRUST_AT)
    run.note_pulled(E)
    assert run.holds([FIVE], NOBODY, TRUST_AT)


def test_enough_are_needed_of_each_quorum():
    run = set_back()
    other = frozenset({A, D, E})
    for giver in (B, C, D):
        run.note_pulled(giver)
    assert not run.holds([THREE, other], NOBODY, TRUST_AT)
    run.note_pulled(E)
    assert run.holds([THREE, other], NOBODY, TRUST_AT)


def test_who_is_alone_in_its_quorum_needs_all_other_members():
    run = set_back()
    alone, others = frozenset({A}), frozenset({B, C})
    run.note_pulled(B)
    assert not run.holds([alone], others, TRUST_AT)
    run.note_pulled(C)
    assert run.holds([alone], others, TRUST_AT)


def test_who_is_of_no_quorum_does_not_recover():
    run = set_back()
    run.note_pulled(B)
    assert not run.holds([], frozenset({B}), TRUST_AT)
