"""What was planned, and what became another in words."""

from cluster.layout.changes import SetSettings, SetWeight, SetZone
from cluster.layout.document import Settings, fingerprint
from cluster.layout.plans import PLANS_MAX, Plans, follows
from cluster.layout.summary import contents, differences
from cluster.layout.transition import Live
from cluster.model import NodeId
from tests.fakes.layouts import changed_by, layout, with_member

BASE = layout("eu: a b c")


def planned(weight: int) -> Live:
    return Live(changed_by(BASE, SetWeight(NodeId("a"), weight)), BASE)


def test_a_plan_goes_by_its_fingerprint():
    """Broken: of two plans of one version the wrong one is applied."""
    plans = Plans()
    one, other = (plans.keep(planned(weight)) for weight in (7, 8))
    assert one.version == other.version == 2
    found = plans.named(2, fingerprint(other))
    assert found is not None
    assert found.newest == other
    assert plans.named(3, fingerprint(other)) is None
    assert plans.named(2, "another") is None


def test_who_plans_the_same_again_has_one_plan():
    plans = Plans()
    for _ in range(2):
        plans.keep(planned(7))
    assert len(plans.following(Live(BASE))) == 1


def test_plans_that_do_not_follow_are_not_shown():
    plans = Plans()
    new = plans.keep(planned(7))
    assert follows(Live(BASE), planned(7))
    assert plans.following(Live(new, BASE)) == [], "a change goes on"
    assert plans.following(Live(new)) == []


def test_the_oldest_plans_are_forgotten():
    plans = Plans()
    made = [plans.keep(planned(weight)) for weight in range(1, PLANS_MAX + 2)]
    assert [plan.newest for plan in plans.following(Live(BASE))] == made[1:]


def test_what_changed_is_told_in_words():
    new = changed_by(
        BASE,
        SetWeight(NodeId("a"), 7),
        SetZone(NodeId("b"), "r1"),
        SetSettings(Settings(copies=3)),
    )
    assert differences(BASE, new) == (
        "a: weight 100 -> 7",
        "b: zone (none) -> r1",
        "copies: 2 -> 3",
    )
    assert differences(BASE, BASE) == ()
    assert contents(BASE)[0] == "a is added: store, voter in region eu, weight 100"


def test_another_disk_of_one_name_is_told():
    other = with_member(BASE, "c", store="c-disk2")
    assert differences(BASE, other) == ("c has another disk",)
