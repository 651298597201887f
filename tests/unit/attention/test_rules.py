"""Each rule finds what it is for, and nothing in a cluster that is well."""

from dataclasses import replace

import pytest

from cluster.layout import Availability
from node.attention.codes import GRADES, Code
from node.attention.facts import (
    AccessFacts,
    CopyFacts,
    Facts,
    LayoutFacts,
    RecentReads,
    StorageFacts,
    UnmetFacts,
    VoterFacts,
)
from node.attention.findings import Finding
from node.attention.rules import findings
from tests.unit.attention.snapshots import LEAST, ME, WELL, a_member, of_member, with_member


def found(facts: Facts) -> dict[Code, Finding]:
    return {finding.code: finding for finding in findings(facts)}


def commands(finding: Finding) -> list[str]:
    return [step.command for step in finding.next if step.command]


def test_nothing_is_found_where_all_is_well():
    """Broken: whoever looks each morning stops looking."""
    assert findings(WELL) == []


def test_each_code_has_a_grade_and_a_least_case():
    assert set(GRADES) == set(LEAST) == set(Code)


@pytest.mark.parametrize("code", Code)
def test_each_rule_finds_what_it_is_for(code: Code):
    """Broken: the trouble is there, and nobody is told."""
    finding = found(LEAST[code])[code]
    assert finding.title
    assert finding.next, "what is to be done"


COME_TOGETHER = {
    Code.LOGINS_REFUSED: {Code.VOTERS_LOST},
}
"""What cannot be without another one."""


@pytest.mark.parametrize("code", Code)
def test_what_is_found_is_nothing_else_besides(code: Code):
    """Broken: one cause has two names, and two runbooks say two things."""
    assert set(found(LEAST[code])) == {code, *COME_TOGETHER.get(code, ())}


@pytest.mark.parametrize(
    "facts",
    [
        of_member(disk_bytes=100 << 30, disk_free_bytes=6 << 30),
        of_member(disk_bytes=10 << 40, disk_free_bytes=60 << 30),
        of_member(disk_bytes=None, disk_free_bytes=None),
        of_member("us-1", lag_events=999),
        of_member(ahead_events=999),
        replace(WELL, logs=150),
        replace(WELL, voters=VoterFacts(("eu-1", "eu-2", "us-1"), ("us-1",))),
        replace(WELL, access=AccessFacts(apart_s=float("inf"), cutoff_s=3600.0)),
        replace(WELL, access=AccessFacts(has_admin=None, can_sign=None)),
        with_member(of_member(version="1.0.0"), ME, version="1.0.0"),
        with_member(of_member(version=None), ME, version="1.0.0"),
    ],
)
def test_what_is_near_it_is_not_told(facts: Facts):
    assert findings(facts) == []


def test_logins_are_never_cut_off_where_nobody_said_so():
    apart = VoterFacts(("eu-1", "eu-2", "us-1"), ("eu-2", "us-1"))
    never = AccessFacts(has_admin=True, can_sign=True, apart_s=1e9, cutoff_s=0.0)
    assert set(found(replace(WELL, voters=apart, access=never))) == {Code.VOTERS_LOST}
    soon = never._replace(apart_s=600.0, cutoff_s=3600.0)
    finding = found(replace(WELL, voters=apart, access=soon))[Code.VOTERS_LOST]
    assert ("logins_end_in", 3000, "s") in finding.measures


def test_a_dead_member_may_be_removed_where_that_can_be_decided():
    """Broken: a command is told that can only be refused, or that takes out the wrong side."""
    assert commands(found(LEAST[Code.NODE_DEAD])[Code.NODE_DEAD]) == [
        "atoll node remove eu-2 --lost"
    ]
    silent = VoterFacts(("eu-1", "eu-2", "us-1"), ("eu-2", "us-1"))
    apart = replace(LEAST[Code.NODE_DEAD], voters=silent)
    assert commands(found(apart)[Code.NODE_DEAD]) == []
    [force] = commands(found(apart)[Code.VOTERS_LOST])
    assert force == "atoll layout force --survivors eu-1,us-1"


def test_those_that_can_only_go_together_are_named_together():
    """Broken: `remove` of one after the other is refused, as most of its region are dead."""
    facts = replace(WELL, members=(*WELL.members, a_member("eu-3")))
    for node in ("eu-2", "eu-3"):
        facts = with_member(facts, node, state="dead", connected=False)
    dead = [each for each in findings(facts) if each.code is Code.NODE_DEAD]
    assert {command for each in dead for command in commands(each)} == {
        "atoll node remove eu-2 eu-3 --lost"
    }


@pytest.mark.parametrize(
    ("unmet", "command"),
    [
        ([("copies", 4, 3)], ["atoll layout plan --copies 3"]),
        ([("copies", 2, 0)], ["atoll layout plan --copies 1"]),
        (
            [("copies", 4, 3), ("regions with copies", 3, 2)],
            ["atoll layout plan --copies 3 --regions-min 2"],
        ),
        ([("copies in region eu", 4, 3)], []),
    ],
)
def test_what_could_be_had_is_what_is_asked_for(
    unmet: list[tuple[str, int, int]], command: list[str]
):
    layout = LayoutFacts(3, tuple(UnmetFacts(*each) for each in unmet))
    assert commands(found(replace(WELL, layout=layout))[Code.LAYOUT_UNMET]) == command


def test_a_full_index_is_a_full_disk():
    told = "index: no room for the index on the disk of this node; disk: no room: 1 MiB are free"
    facts = of_member(trouble=told, disk_bytes=100, disk_free_bytes=1)
    assert set(found(facts)) == {Code.DISK_FULL, Code.DISK_NEARLY_FULL}
    assert "no room for the index" in found(facts)[Code.DISK_FULL].title


def test_the_clock_of_the_node_that_looks_is_told_once():
    assert set(found(replace(WELL, clock_off_ms=700.0))) == {Code.CLOCK_OFF}
    both = with_member(replace(WELL, clock_off_ms=700.0), ME, trouble="clock: 700 ms off")
    assert [each.code for each in findings(both)] == [Code.CLOCK_OFF]


def test_of_a_region_the_one_that_is_furthest_behind_is_told():
    facts = replace(WELL, members=(*WELL.members, a_member("us-2", lag_events=5_000)))
    finding = found(with_member(facts, "us-1", lag_events=2_000))[Code.REGION_BEHIND]
    assert finding.subject == ("region", "us")
    assert ("lag", 5_000, "events") in finding.measures


def test_who_is_no_member_is_not_told_what_it_cannot_do():
    newcomer = a_member(
        "eu-9", availability=None, state="outside", trouble="cluster: it is not in the layout yet"
    )
    assert set(found(replace(WELL, members=(*WELL.members, newcomer)))) == {Code.NODE_OUTSIDE}


def test_numbers_come_with_their_units():
    """Broken: the page shows 205118, and nobody knows of what."""
    for code, facts in LEAST.items():
        for measure in found(facts)[code].measures:
            assert measure.name
            if measure.name in ("size", "disk", "disk_free", "lag"):
                assert measure.unit


def test_a_member_may_be_several_things_at_once():
    facts = of_member(
        availability=Availability.DRAINING, state="dead", connected=False,
        settings_differing={"copies": "3"},
    )  # fmt: skip
    facts = replace(
        facts,
        copies=CopyFacts(9, 90, short=1, short_bytes=1),
        reads=RecentReads(unconfirmed=1),
        storage=StorageFacts(hidden=1),
    )
    assert set(found(facts)) == {
        Code.NODE_DEAD, Code.NODE_DRAINING, Code.SETTINGS_DIFFER, Code.COPIES_SHORT,
        Code.READS_UNCONFIRMED, Code.BLOBS_DAMAGED,
    }  # fmt: skip
