"""Whatever a node knows, the rules say something of it: they never raise."""

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cluster.layout import Availability, Role
from node.attention.codes import Code
from node.attention.facts import (
    AccessFacts,
    CopyFacts,
    Facts,
    HindranceFacts,
    LayoutFacts,
    MemberFacts,
    RecentReads,
    StalledChange,
    StorageFacts,
    UnmetFacts,
    VoterFacts,
)
from node.attention.order import ranked
from node.attention.rules import findings
from node.attention.troubles import CONDITIONS, heard, told

NODES = st.sampled_from(["eu-1", "eu-2", "us-1", "us-2"])
COUNTS = st.integers(min_value=0, max_value=1 << 50)
TEXTS = st.text(max_size=20)
REASONS = st.dictionaries(st.sampled_from(CONDITIONS), TEXTS, max_size=4)


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


MEMBERS: Callable[..., st.SearchStrategy[MemberFacts]] = lambda: st.builds(  # noqa: E731
    MemberFacts,
    node=NODES,
    region=st.sampled_from(["eu", "us"]),
    state=st.sampled_from(["alive", "suspect", "dead", "left", "outside", "unheard"]),
    connected=st.booleans(),
    stopped=st.booleans(),
    roles=st.lists(st.sampled_from(Role), max_size=2),
    availability=maybe(st.sampled_from(Availability)),
    version=maybe(st.sampled_from(["1.0", "1.1"])),
    lag_events=maybe(COUNTS),
    ahead_events=COUNTS,
    disk_bytes=maybe(COUNTS),
    disk_free_bytes=maybe(COUNTS),
    trouble=maybe(TEXTS | REASONS.map(told)),
    uncovered=maybe(TEXTS),
    settings_differing=st.dictionaries(TEXTS, TEXTS, max_size=2),
)
VOTERS = st.lists(NODES, unique=True, max_size=4).flatmap(
    lambda voters: st.builds(
        VoterFacts,
        st.just(tuple(voters)),
        st.lists(st.sampled_from(voters), unique=True).map(tuple) if voters else st.just(()),
    )
)
SNAPSHOTS = st.builds(
    Facts,
    node=NODES,
    region=st.sampled_from(["eu", "us"]),
    layout=maybe(
        st.builds(
            LayoutFacts,
            COUNTS,
            st.lists(
                st.builds(
                    UnmetFacts,
                    st.sampled_from(["copies", "regions with copies", "copies in region eu"]),
                    COUNTS,
                    COUNTS,
                ),
                max_size=3,
            ).map(tuple),
        )
    ),
    no_layout=maybe(TEXTS),
    stalled=maybe(
        st.builds(
            StalledChange,
            COUNTS,
            st.lists(st.builds(HindranceFacts, NODES, TEXTS), max_size=2).map(tuple),
        )
    ),
    voters=VOTERS,
    members=st.lists(MEMBERS(), max_size=4, unique_by=lambda m: m.node).map(tuple),
    seeds_missing=st.dictionaries(TEXTS, TEXTS, max_size=2),
    copies=maybe(st.builds(CopyFacts, *[COUNTS] * 6)),
    conflicts=maybe(COUNTS),
    uncounted=st.dictionaries(TEXTS, TEXTS, max_size=2),
    storage=st.builds(StorageFacts, COUNTS, COUNTS, COUNTS),
    access=st.builds(
        AccessFacts,
        st.booleans(),
        maybe(st.booleans()),
        maybe(st.booleans()),
        st.floats(allow_nan=False),
        st.floats(min_value=0, max_value=1e6),
    ),
    reads=st.builds(RecentReads, COUNTS, COUNTS),
    clock_off_ms=st.floats(min_value=-1e9, max_value=1e9),
    damaged=st.booleans(),
    differing=st.lists(NODES, unique=True, max_size=2).map(tuple),
    logs=COUNTS,
    logs_standing=COUNTS,
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # of a busy machine
@given(SNAPSHOTS)
def test_no_snapshot_is_too_strange(facts: Facts):
    """Broken: `atoll doctor` fails when it is needed most."""
    found = findings(facts)
    concerns = ranked(found, lambda key: 0.0)
    shown = [each.finding for one in concerns for each in (one, *one.explains)]
    assert sorted(each.key for each in shown) == sorted(each.key for each in found)
    assert all(each.title and each.line for each in shown)
    names = {member.node for member in facts.members}
    removed = [f for f in found if f.code is Code.NODE_DEAD]
    assert {f.subject.name for f in removed} <= names


@given(
    st.dictionaries(st.sampled_from(CONDITIONS), st.from_regex(r"[a-z ,()0-9]*", fullmatch=True))
)
def test_what_is_told_is_heard(reasons: dict[str, str]):
    """Broken: a full disk is told of a member, and taken for a wrong clock."""
    assert heard(told(reasons)) == reasons


def test_a_reason_may_have_parts():
    reasons = {"index": "damaged: 7.sst is gone; start it with --rebuild-index", "copies": "few"}
    assert heard(told(reasons)) == reasons
    assert heard("") == {}
    assert heard("moon: full; disk: no room") == {"": "moon: full", "disk": "no room"}
