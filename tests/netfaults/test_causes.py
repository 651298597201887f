"""Which failures a fault explains: at whom, how, for how long, and how much time that leaves."""

import math

import pytest

from tests.netfaults.causes import (
    CLOCK_CACHE_S,
    FAR_LOST_S,
    LINK_S,
    NEAR_LOST_S,
    PROXY_S,
    RESUME_S,
    START_AGAIN,
    START_MAX_S,
    TIMER_S,
    explained,
    is_strict,
    over_at,
    strict_s,
    unexplained,
)
from tests.netfaults.disturbances import RECONNECT_S, Disturbances
from tests.netfaults.histories import cut, fault, op

EU_0 = {"eu-0"}
US = {"us-0", "us-1"}


def fails(start, end, node="eu-0", status=503, kind="pull", **more):
    outcome = "unknown" if status in (0, 503) else "refused"
    region = more.pop("region", node[:2])
    return op(kind, start, end, "A", outcome, region=region, node=node, status=status, **more)


def push_fails(start, end, node, code, owners=(), kind="push"):
    return fails(start, end, node, 404, kind, code=code, owners=list(owners))


def no_node(start, region):
    """The proxy had nobody to give the request to."""
    failed = fails(start, start + 0.1, status=502, region=region)
    failed.node = ""
    return failed


def is_excused(failed, *faults):
    return not list(unexplained([failed], Disturbances(list(faults))))


def why(failed, *faults):
    (told,) = explained([failed], Disturbances(list(faults)))
    return told[1]


def test_a_failure_without_a_fault_is_a_broken_promise():
    """Broken: an answer fails, and nobody asks why."""
    for status in (0, 404, 500, 502, 503):
        assert not is_excused(fails(10, 11, status=status))
    assert is_excused(op("pull", 10, 11, "A")), "no failure"
    assert is_excused(op("pull", 10, 11, outcome="missing")), "judged by another rule"


UNTIL = {
    "kill": 20 + START_MAX_S,
    "stop": 20 + RESUME_S,
    "cut": 20 + RECONNECT_S,
    "clock": 20 + CLOCK_CACHE_S + TIMER_S,
    "disk": 20 + RECONNECT_S,
}


@pytest.mark.parametrize("kind", UNTIL)
def test_a_fault_explains_failures_of_its_own_node_until_that_has_recovered(kind):
    """Broken: a node fails long after the fault, or before it, or fails where nothing was done."""
    wrong = fault(kind, 10, 20, EU_0)
    assert is_excused(fails(9, 10.1), wrong), "it was under way"
    assert is_excused(fails(15, 15.1), wrong)
    assert is_excused(fails(UNTIL[kind] - 0.1, UNTIL[kind] + 3), wrong)
    assert not is_excused(fails(UNTIL[kind] + 0.1, UNTIL[kind] + 0.2), wrong)
    assert not is_excused(fails(8, 9.9), wrong)
    assert not is_excused(fails(17.5, 17.6, "us-0"), wrong), "it has nothing to do with it"


def test_a_started_node_has_no_excuse_when_it_says_that_it_is_ready():
    """Broken: what a node answers after a restart is not judged."""
    killed = fault("kill", 10, 12, EU_0, ready=14.0)
    assert is_excused(fails(13.9, 14.1), killed)
    assert not is_excused(fails(14.1, 14.2), killed)
    never = fault("kill", 10, 12, EU_0, ready=60.0)
    assert not is_excused(fails(12.1 + START_MAX_S, 30), never), "nor if it does not say so in time"


def test_how_an_answer_may_fail_depends_on_the_fault():
    """Broken: a fault excuses an answer that it cannot be the cause of."""
    allowed = {
        "kill": {0, 503},
        "stop": {0, 503},
        "cut": {0, 503},
        "clock": {503},
        "disk": {503},
    }
    for kind, statuses in allowed.items():
        wrong = fault(kind, 10, 20, EU_0)
        for status in (0, 400, 404, 409, 429, 500, 502, 503):
            excused = is_excused(fails(15, 15.1, status=status), wrong)
            assert excused == (status in statuses | ({502} if kind == "kill" else set()))


def test_only_a_dead_node_lets_the_proxy_find_nobody():
    """Broken: a node that runs refuses connections."""
    killed = fault("kill", 10, 20, EU_0, ready=22.0)
    assert is_excused(no_node(11, "eu"), killed)
    assert not is_excused(no_node(11, "us"), killed)
    assert is_excused(no_node(22 + PROXY_S, "eu"), killed), "the proxy has yet to notice"
    assert not is_excused(no_node(22.1 + PROXY_S, "eu"), killed)
    for kind in ("stop", "cut", "bridge", "clock", "disk"):
        assert not is_excused(no_node(11, "eu"), fault(kind, 10, 20, EU_0))


def test_a_silent_member_is_waited_for_until_its_link_is_lost():
    """Broken: a fault at another node excuses whatever fails while it lasts."""
    for wrong in (fault("stop", 10, 20, EU_0), cut(10, 20, EU_0), cut(9.5, 20, EU_0, holds=10)):
        near, far = 10 + NEAR_LOST_S + TIMER_S, 10 + FAR_LOST_S + TIMER_S
        assert is_excused(fails(near - 2, near - 0.1, "eu-1"), wrong)
        assert not is_excused(fails(near - 2, near + 0.1, "eu-1"), wrong)
        assert is_excused(fails(far - 2, far - 0.1, "us-1"), wrong)
        assert not is_excused(fails(far - 2, far + 0.1, "us-1"), wrong)
        assert not is_excused(fails(18, 22, "eu-1"), wrong), "nor when it comes back"
        assert not is_excused(fails(11, 12, "eu-1", status=0), wrong), "503 is what they say"
    short = fault("stop", 10, 12, EU_0)
    assert not is_excused(fails(12, 12.1 + TIMER_S, "eu-1"), short), "it answers again"
    for kind in ("kill", "clock", "disk"):
        assert not is_excused(fails(10, 12, "eu-1"), fault(kind, 10, 20, EU_0)), "it is not silent"


def test_what_the_region_has_is_read_without_a_silent_member():
    """Broken: a tag that is there is refused for a member of which nobody needs anything."""
    silent = Disturbances([fault("stop", 10, 20, EU_0)])
    push = op("push", 1, 2, "A", node="eu-1")
    elsewhere = op("push", 1, 2, "A", region="us")
    tag = fails(11, 13, "eu-1")
    digest = fails(11, 13, "eu-1", kind="pull_digest")
    digest.digest = "A"
    listing = fails(11, 13, "eu-1", kind="list")

    def broken(*history):
        return [each.ops for each in unexplained(history, silent)]

    for read in (tag, digest):
        assert broken(push, read) == [(read,)]
        assert broken(elsewhere, read) == [], "another region's may have to be asked for"
        assert broken(op("push", 1, 11.5, "A"), read) == [], "it was not there when it was asked"
        assert broken(push, op("delete_digest", 12, 14, "A"), read) == [], "it may not be there"
    assert broken(push, op("delete", 12, 14), tag) == []
    assert broken(push, op("delete", 3, 4), digest) == [(digest,)], "that leaves the manifest"
    assert broken(listing) == [(listing,)]
    at_it = fails(15, 16, "eu-0")
    assert broken(push, at_it) == [], "the silent member itself may fail"


def test_regions_without_each_other_miss_nothing_of_their_own():
    """Broken: a split of the regions excuses what fails within them."""
    split = cut(10, 25, US)
    lost = 10 + FAR_LOST_S + TIMER_S
    for node in ("eu-0", "us-1"):
        assert is_excused(fails(lost - 2, lost - 0.1, node), split)
        assert not is_excused(fails(lost + 0.1, lost + 0.2, node), split)
        assert not is_excused(fails(24, 26, node), split)


def test_two_that_do_not_see_each_other_miss_nothing_but_each_other():
    """Broken: two nodes apart excuse what fails at the third, or what they fail without reason."""
    bridge = fault("bridge", 10, 25, {"eu-0", "eu-1"})
    lost = 10 + NEAR_LOST_S + TIMER_S
    for node in ("eu-0", "eu-1"):
        assert is_excused(fails(lost - 2, lost - 0.1, node), bridge)
        assert not is_excused(fails(lost - 2, lost - 0.1, node, status=0), bridge)
        assert not is_excused(fails(lost + 0.1, lost + 0.2, node), bridge), "the third is enough"
        assert not is_excused(fails(24, 26, node), bridge)
    for node in ("eu-2", "us-0"):
        assert not is_excused(fails(11, 12, node), bridge)
    with_witness = fault("bridge", 10, 25, US)
    assert is_excused(fails(lost - 2, lost - 0.1, "us-0"), with_witness)
    assert not is_excused(fails(lost + 0.1, lost + 0.2, "us-0"), with_witness)
    passed_on = fails(20, 21, "eu-0", kind="push", owners=["eu-1"])
    assert is_excused(passed_on, bridge)
    assert why(passed_on, bridge) == "bridge, its uploads are there"
    assert not is_excused(fails(20, 21, "eu-0", kind="push", owners=["eu-2"]), bridge)
    for code in START_AGAIN:
        assert is_excused(push_fails(20, 21, "eu-0", code, {"eu-1"}), bridge)
        assert not is_excused(push_fails(20, 21, "eu-2", code, {"eu-1"}), bridge)
        assert not is_excused(push_fails(20, 21, "eu-0", code, kind="retag"), bridge)


def test_a_region_without_power_keeps_nobody_else_from_working():
    """Broken: while one region is dead, whatever fails in the other one is excused."""
    dead = fault("kill", 10, 20, {"eu-0", "eu-1", "eu-2"}, ready=24.0)

    def blob(start, home, status=503):
        return fails(start, start + 0.1, "us-0", status, "pull_blob", blob="blob", home=home)

    assert is_excused(no_node(15, "eu"), dead)
    assert is_excused(fails(23, 23.1, "eu-1"), dead), "two of three are not ready yet"
    assert not is_excused(fails(24.1, 24.2, "eu-1"), dead)
    assert not is_excused(fails(15, 15.1, "us-0"), dead)
    assert not is_excused(fails(15, 15.1, "us-0", kind="push"), dead)
    assert is_excused(blob(15, "eu"), dead)
    assert is_excused(blob(24 + LINK_S, "eu"), dead)
    assert not is_excused(blob(24.1 + LINK_S, "eu"), dead)
    assert not is_excused(blob(15, "us"), dead)
    assert not is_excused(blob(15, "eu", status=404), dead)
    two = fault("kill", 10, 20, {"eu-0", "eu-1"}, ready=24.0)
    assert not is_excused(blob(15, "eu"), two), "the third has it, or another region"


def test_what_explains_a_failure_has_a_name():
    """Broken: the runs say that failures were explained, and not by what."""
    stopped, split = fault("stop", 10, 20, EU_0), cut(10, 25, US)
    blob = fails(20, 20.1, "us-0", 503, "pull_blob", blob="blob", home="eu")
    told = {
        "stop, at its node": (fails(15, 15.1), stopped),
        "stop, a member is silent": (fails(11, 11.1, "eu-1"), stopped),
        "stop, its uploads are there": (fails(18, 18.1, "eu-1", owners=["eu-0"]), stopped),
        "cut, no copy in reach": (blob, split),
        "kill, at its node": (no_node(11, "eu"), fault("kill", 10, 20, EU_0)),
        "": (fails(30, 31), stopped),
    }
    for name, (failed, wrong) in told.items():
        assert why(failed, wrong) == name


def test_a_blob_is_out_of_reach_only_where_its_region_is():
    """Broken: one node of those that have a blob is away, and the others are not asked."""

    def blob(node, home, start=20.0, status=503):
        return fails(start, start + 0.1, node, status, "pull_blob", blob="blob", home=home)

    split = cut(10, 25, US)
    assert is_excused(blob("us-0", "eu"), split)
    assert is_excused(blob("eu-0", "us"), split)
    assert not is_excused(blob("us-0", "us"), split)
    assert not is_excused(blob("us-0", "eu", 9.8), split)
    for status in (0, 500):
        assert not is_excused(blob("us-0", "eu", status=status), split), "503 is what they say"
    nobody = blob("us-0", "eu")
    nobody.node = ""
    assert not is_excused(nobody, split)
    assert not is_excused(fails(20, 20.1, "us-0"), split), "all regions have every manifest"
    assert is_excused(blob("us-0", "eu", 25 + RECONNECT_S), split)
    assert not is_excused(blob("us-0", "eu", 25.1 + RECONNECT_S), split)
    assert not is_strict(blob("us-0", "eu"), Disturbances([split]))
    assert is_strict(blob("us-0", "us"), Disturbances([split]))
    for node in ("us-0", "eu-1"):
        assert not is_excused(blob(node, "eu"), cut(10, 25, EU_0)), "another node has it"
        assert not is_excused(blob(node, "eu"), fault("stop", 10, 25, EU_0))


@pytest.mark.parametrize("code", sorted(START_AGAIN))
def test_a_push_starts_again_only_when_a_node_that_it_used_was_away(code):
    """Broken: an upload that is lost without a reason goes unnoticed."""
    for kind in ("kill", "stop", "cut"):
        wrong = fault(kind, 10, 20, EU_0, ready=22.0 if kind == "kill" else None)
        back = {"kill": 22 + LINK_S, "stop": 20 + RESUME_S, "cut": 20 + RECONNECT_S}[kind]
        assert is_excused(push_fails(15, 15.1, "eu-1", code, EU_0), wrong)
        assert is_excused(push_fails(back - 0.1, back, "eu-1", code, EU_0), wrong)
        assert not is_excused(push_fails(back + 0.1, back + 0.2, "eu-1", code, EU_0), wrong)
        assert not is_excused(push_fails(15, 15.1, "eu-1", code, {"eu-2"}), wrong)
        retag = push_fails(15, 15.1, "eu-1", code, kind="retag")
        assert not is_excused(retag, wrong), "all have heard of what was pushed before"
    assert is_excused(push_fails(15, 15.1, "eu-0", code, {"eu-1"}), cut(10, 20, EU_0))
    assert is_excused(push_fails(15, 15.1, "eu-0", code, kind="retag"), cut(10, 20, EU_0))
    for kind in ("clock", "disk"):
        wrong = fault(kind, 10, 20, EU_0)
        assert not is_excused(push_fails(15, 15.1, "eu-1", code, EU_0), wrong)


def test_a_push_that_was_passed_on_fails_with_its_owner():
    """Broken: an upload of a node whose clock is wrong counts as a failure of another one."""
    passed_on = fails(15, 15.1, "eu-1", kind="push", owners=["eu-0"])
    assert is_excused(passed_on, fault("clock", 10, 20, EU_0))
    assert not is_excused(passed_on, fault("clock", 10, 20, {"eu-2"}))


def test_a_clock_that_is_off_by_what_is_let_pass_excuses_nothing():
    """Broken: nodes refuse writes for a clock that is good enough."""
    off = fault("clock", 10, 20, EU_0, harmless=True)
    assert not is_excused(fails(15, 15.1), off)
    assert is_strict(op("pull", 15, 15.1, "A"), Disturbances([off]))
    assert strict_s(Disturbances([off]), [(0.0, 30.0)]) == 30.0


def test_strict_time_is_what_no_fault_may_be_felt_in():
    """Broken: the published figure counts time in which failures are excused."""
    disturbances = Disturbances(
        [
            fault("kill", 10, 12, EU_0, ready=14.0),
            fault("stop", 13, 15, EU_0),
            fault("disk", 30, 40, EU_0),
        ]
    )
    assert over_at(disturbances.all[0]) == 14 + max(LINK_S, PROXY_S)
    assert over_at(disturbances.all[1]) == 15 + RESUME_S
    strict = 10 + (30 - 15 - RESUME_S) + (60 - 40 - RECONNECT_S)
    assert math.isclose(strict_s(disturbances, [(0.0, 60.0)]), strict)
    periods = [(0.0, 35.0), (45.0, 60.0)]
    assert math.isclose(strict_s(disturbances, periods), strict)
    assert math.isclose(strict_s(disturbances, [(0.0, 5.0), (31.0, 39.0)]), 5.0)
    assert strict_s(Disturbances(), [(1.0, 3.0), (5.0, 6.0)]) == 3.0


@pytest.mark.parametrize("kind", UNTIL)
def test_what_begins_in_strict_time_has_no_excuse(kind):
    """Broken: the published seconds and the rule that judges by them are two rules."""
    one = fault(kind, 10, 20, EU_0, ready=22.0 if kind == "kill" else None)
    apart = fault("bridge", 10, 20, {"eu-0", "eu-1"})
    for wrong in (one, cut(10, 20, US), apart):
        disturbances = Disturbances([wrong])
        for start in [0.13 + 0.25 * step for step in range(160)]:
            calm = strict_s(disturbances, [(start, start + 0.1)]) > 0.0999
            hindered = [
                failed
                for node in ("eu-0", "eu-1", "us-0")
                for owners in ([], [f"{node[:2]}-0"], [f"{node[:2]}-1"])
                for failed in [fails(start, start + 0.1, node, kind="push", owners=owners)]
                if not is_strict(failed, disturbances)
            ]
            if calm:
                assert not hindered
            for failed in hindered:
                assert wrong.start - 0.1 <= failed.start <= over_at(wrong)
