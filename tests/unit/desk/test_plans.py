"""How full disks are, and what a plan would make of them."""

from typing import Any

from cluster.layout import Plan, Traffic
from cluster.model import NodeId
from node.attention.facts import MemberFacts
from node.desk.disks import disk_of, disks_after, fullest
from node.desk.plans import KEPT, PlanBook, plan_moves
from node.desk.values import DiskUse
from tests.fakes.layouts import layout

FOUR = layout("eu: a b, us: c d")


def with_disk(node: str, size: int | None, free: int | None) -> MemberFacts:
    return MemberFacts(
        node=node, region="eu", state="alive", connected=True, disk_bytes=size, disk_free_bytes=free
    )


MEMBERS = (with_disk("a", 1000, 400), with_disk("b", 1000, 300), with_disk("c", None, None))


def plan_of(**nodes: Traffic) -> Plan:
    given: dict[str, Any] = {"nodes": {NodeId(node): t for node, t in nodes.items()}}
    return Plan(2, "f" * 64, 4, 5, 600, 100, 0, 0, 0, 0, 0, **given)


def test_the_fullest_disk_is_so_by_its_share():
    assert disk_of(MEMBERS[0]) == DiskUse("a", 1000, 400, 0.6)
    assert fullest(map(disk_of, MEMBERS)) == DiskUse("b", 1000, 300, 0.7)
    assert fullest([disk_of(MEMBERS[2])]) is None, "nobody knows"
    same = [DiskUse("z", 10, 5, 0.5), DiskUse("y", 10, 5, 0.5)]
    assert fullest(same) == same[1]


def test_what_a_plan_brings_is_on_the_disks_and_nothing_is_freed():
    """Broken: a plan that does not fit is brought about."""
    plan = plan_of(a=Traffic(1, 500, 0, 0), b=Traffic(0, 0, 1, 200))
    before, after = disks_after(MEMBERS, plan.nodes)
    assert (before, after) == (DiskUse("b", 1000, 300, 0.7), DiskUse("a", 1000, -100, 1.1))


def test_the_moves_of_a_plan_are_told_by_region():
    plan = plan_of(
        a=Traffic(1, 500, 0, 0), b=Traffic(0, 0, 1, 200), c=Traffic(0, 0, 2, 300),
        d=Traffic(1, 50, 0, 0),
    )  # fmt: skip
    moves = plan_moves(7.0, plan, [FOUR], MEMBERS, 100.0)
    assert [(r.region, r.bytes_in, r.bytes_out) for r in moves.regions] == [
        ("eu", 500, 200),
        ("us", 50, 300),
    ]
    assert (moves.planned, moves.blobs, moves.far_bytes, moves.seconds) == (7.0, 4, 100, 5.0)


def test_of_many_plans_the_latest_are_kept():
    """Broken: who plans in a loop fills the memory of a node."""
    book, moves = PlanBook(), plan_moves(7.0, plan_of(), [FOUR], MEMBERS, 100.0)
    for number in range(KEPT):
        book.keep(str(number), moves)
    book.keep("0", moves)
    book.keep("one more", moves)
    kept = [name for name in (*map(str, range(KEPT)), "one more") if book.of(name) is moves]
    assert kept == ["0", *map(str, range(2, KEPT)), "one more"]
