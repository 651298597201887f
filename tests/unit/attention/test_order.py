"""What comes first, and what is explained by what."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from cluster.layout import Role
from node.attention.codes import Code, Harm, Severity
from node.attention.facts import AccessFacts, CopyFacts, VoterFacts
from node.attention.findings import THE_CLUSTER, Concern, Finding, FindingKey, FindingSubject
from node.attention.order import ranked
from node.attention.rules import findings
from node.attention.since import GRACE_S, FirstSeen
from tests.unit.attention.snapshots import LEAST, WELL, of_member, with_member

COPIES = CopyFacts(9, 90, short=4, short_bytes=40, gone=1, gone_bytes=10)


def a_finding(code: Code, node: str = "", *because: FindingKey) -> Finding:
    subject = FindingSubject("node", node) if node else THE_CLUSTER
    return Finding(code=code, subject=subject, title=str(code), because=because)


def order_of(*found: Finding, since: dict[str, float] | None = None) -> list[str]:
    ages = since or {}
    concerns = ranked(found, lambda key: ages.get(key.subject.name, 0.0))
    return [f"{each.finding.code} {each.finding.subject.name}".strip() for each in concerns]


def codes(concerns: list[Concern]) -> dict[Code, set[Code]]:
    return {each.finding.code: {inner.finding.code for inner in each.explains} for each in concerns}


def test_the_worst_comes_first_then_who_is_hurt_then_the_oldest():
    """Broken: at three in the morning somebody begins with the clock of a version."""
    told = [
        a_finding(Code.NODE_PAUSED, "a"),
        a_finding(Code.SETTINGS_DIFFER, "a"),
        a_finding(Code.NODE_DEAD, "young"),
        a_finding(Code.NODE_DEAD, "old"),
        a_finding(Code.READS_UNCONFIRMED, "a"),
        a_finding(Code.DISK_FULL, "a"),
    ]
    expected = [
        "disk-full a", "reads-unconfirmed a", "node-dead old", "node-dead young",
        "settings-differ a", "node-paused a",
    ]  # fmt: skip
    since = {"old": 1.0, "young": 2.0}
    assert order_of(*told, since=since) == expected
    assert order_of(*reversed(told), since=since) == expected


def test_a_dead_node_explains_what_lacks_since():
    """Broken: one dead node is five alarms, and the one that matters is the fourth."""
    facts = with_member(LEAST[Code.NODE_DEAD], "eu-1", uncovered="no lease of eu-2")
    facts = with_member(facts, "eu-1", trouble="copies: 1 of 2 nodes; missing: eu-2")
    [dead] = ranked(findings(replace(facts, copies=COPIES, logs=500)), lambda key: 1.0)
    assert dead.finding.code is Code.NODE_DEAD
    assert [each.finding.code for each in dead.explains] == [
        Code.BLOBS_GONE, Code.WRITES_REFUSED, Code.COPIES_SHORT, Code.READS_UNCOVERED,
        Code.LOGS_MANY,
    ]  # fmt: skip
    assert (dead.severity, dead.harm) == (Severity.CRITICAL, Harm.REQUESTS), "as bad as they are"
    assert dead.line.startswith("eu-2 is dead: start it again; ")
    assert "(so 1 blobs (10 bytes) are on nobody who is there; " in dead.line


def test_what_nobody_explains_stands_alone():
    concerns = ranked(findings(replace(WELL, copies=COPIES)), lambda key: 1.0)
    assert codes(concerns) == {Code.BLOBS_GONE: set(), Code.COPIES_SHORT: set()}


def test_who_is_away_elsewhere_is_no_reason():
    """Broken: the reads of eu are not looked after, as a node of us is dead."""
    facts = of_member("us-1", state="dead", connected=False)
    concerns = ranked(
        findings(with_member(facts, "eu-2", uncovered="no lease of eu-1")), lambda key: 1.0
    )
    assert codes(concerns) == {Code.NODE_DEAD: set(), Code.READS_UNCOVERED: set()}


def test_who_stores_nothing_is_no_reason_that_copies_lack():
    """Broken: a dead voter hides that a disk loses blobs."""
    facts = with_member(LEAST[Code.NODE_DEAD], "eu-2", roles=(Role.VOTER,))
    concerns = ranked(findings(replace(facts, copies=COPIES)), lambda key: 1.0)
    assert codes(concerns) == {
        Code.BLOBS_GONE: set(), Code.NODE_DEAD: set(), Code.COPIES_SHORT: set(),
    }  # fmt: skip


def test_who_is_no_member_has_no_other_troubles():
    facts = with_member(WELL, "eu-1", state="outside", availability=None)
    access = AccessFacts(has_admin=True, can_sign=False)
    facts = replace(facts, access=access, copies=None, uncounted={"conflicts": "not caught up"})
    concerns = ranked(findings(facts), lambda key: 1.0)
    assert codes(concerns) == {Code.NODE_OUTSIDE: {Code.UNCOUNTED, Code.SIGNING_KEY_MISSING}}


def test_a_cause_has_causes():
    """A node that is cut off sees all others dead."""
    facts = replace(LEAST[Code.NODE_DEAD], copies=COPIES)
    facts = with_member(facts, "us-1", state="dead", connected=False)
    facts = replace(facts, voters=VoterFacts(("eu-1", "eu-2", "us-1"), ("eu-2", "us-1")))
    concerns = ranked(findings(facts), lambda key: 1.0)
    assert codes(concerns) == {
        Code.VOTERS_LOST: {Code.NODE_DEAD, Code.BLOBS_GONE, Code.COPIES_SHORT}
    }
    assert len(concerns[0].explains) == 4


def test_two_that_explain_each_other_hide_nothing():
    one, other = a_finding(Code.NODE_DEAD, "a"), a_finding(Code.NODE_DEAD, "b")
    one, other = replace(one, because=(other.key,)), replace(other, because=(one.key,))
    third = a_finding(Code.COPIES_SHORT, "", one.key)
    [concern] = ranked([third, other, one], lambda key: 0.0)
    assert concern.finding == one
    assert {each.finding for each in concern.explains} == {other, third}
    assert order_of(replace(one, because=(one.key,))) == ["node-dead a"]


KEYS = [FindingKey(code, FindingSubject("node", node)) for code in list(Code)[:4] for node in "ab"]


@given(st.dictionaries(st.sampled_from(KEYS), st.lists(st.sampled_from(KEYS), max_size=3)))
def test_every_finding_is_told_once(causes: dict[FindingKey, list[FindingKey]]):
    """Broken: something is hidden behind nothing, or shown twice."""
    found = [
        Finding(code=key.code, subject=key.subject, title="", because=tuple(because))
        for key, because in causes.items()
    ]
    concerns = ranked(found, lambda key: 0.0)
    told = [each.finding.key for concern in concerns for each in (concern, *concern.explains)]
    assert sorted(told) == sorted(causes)
    for concern in concerns:
        worst = (
            min(list(Severity).index(e.finding.grade.severity) for e in concern.explains)
            if concern.explains
            else len(Severity)
        )
        assert list(Severity).index(concern.severity) <= worst


def test_a_finding_is_as_old_as_it_is():
    seen, key, other = FirstSeen(), *KEYS[:2]
    seen.note([key], 100.0)
    seen.note([key, other], 110.0)
    assert (seen.since(key), seen.since(other)) == (100.0, 110.0)
    seen.note([other], 120.0)
    seen.note([key, other], 110.0 + GRACE_S)
    assert seen.since(key) == 100.0, "it was gone for a moment"
    seen.note([other], 115.0 + GRACE_S)
    seen.note([other], 111.0 + 2 * GRACE_S)
    seen.note([key, other], 112.0 + 2 * GRACE_S)
    assert seen.since(key) == 112.0 + 2 * GRACE_S, "it is there anew"


def test_a_clock_that_is_set_back_makes_nothing_younger_than_now():
    seen, key = FirstSeen(), KEYS[0]
    seen.note([key], 1000.0)
    seen.note([key], 400.0)
    assert seen.since(key) == 400.0
