"""The judge on manifests: what was pushed is there, and what was deleted is not."""

import pytest

from tests.netfaults.disturbances import Disturbances
from tests.netfaults.histories import cut, fault, op
from tests.netfaults.history import LATE_S
from tests.netfaults.rules import BACK, INVENTED, LOST, MARKED, STALE, UNASKED, UNLINKED, Rules
from tests.netfaults.writes import CLOCK_S, UNSEEN_S

PUSH = op("push", 0, 1, "A")
GONE = op("delete_digest", 2, 3, "A")


def missing(start, end, **more):
    return op("pull_digest", start, end, "A", "missing", body="", **more)


def found(start, end, **more):
    return op("pull_digest", start, end, "A", **more)


def no_blob(start, end, **more):
    more = {"seen": start, "seen_at": "eu-1", **more}
    return op("pull_blob", start, end, "A", "missing", blob="blob of A", home="eu", **more)


@pytest.mark.parametrize(
    ("history", "broken"),
    [
        pytest.param([PUSH, found(2, 3)], [], id="what was pushed"),
        pytest.param([PUSH, missing(2, 3)], [STALE], id="not found"),
        pytest.param([PUSH, missing(0.5, 3)], [], id="asked before the 201"),
        pytest.param([PUSH, missing(2, 3, region="us")], [UNASKED], id="another region must ask"),
        pytest.param([PUSH, missing(0.5, 3, region="us")], [], id="there, too, not before the 201"),
        pytest.param(
            [PUSH, op("delete_digest", 2, 3, "A", "missing")], [STALE], id="nothing to delete"
        ),
        pytest.param(
            [op("push", 0, 1, "A", "unknown"), missing(2, 3)], [], id="a push of unknown outcome"
        ),
        pytest.param(
            [PUSH, op("push", 4, 5, "A", "unknown"), missing(6, 7)],
            [STALE],
            id="taking back one push leaves the other",
        ),
        pytest.param([PUSH, no_blob(2, 3)], [STALE], id="a blob is not found"),
        pytest.param([PUSH, no_blob(2, 3, region="us")], [UNASKED], id="a blob, and nobody asked"),
        pytest.param([PUSH, GONE, no_blob(2.5, 4)], [STALE], id="deletions leave the blobs"),
        pytest.param([op("push", 0, 4, "A"), no_blob(2, 3)], [UNLINKED], id="a blob in a push"),
        pytest.param([found(2, 3)], [INVENTED], id="nobody pushed it"),
        pytest.param([op("push", 0, 1, "A", "refused"), found(2, 3)], [INVENTED], id="refused"),
        pytest.param([PUSH, GONE, missing(4, 5)], [], id="deleted"),
        pytest.param([PUSH, GONE, found(4, 5)], [STALE], id="deleted and served"),
        pytest.param([PUSH, GONE, found(2.5, 5)], [], id="asked before it was deleted"),
        pytest.param([PUSH, GONE, found(4, 5, region="us")], [], id="not in the other region"),
        pytest.param(
            [PUSH, GONE, op("push", 4, 5, "B"), missing(6, 7)], [], id="another manifest is pushed"
        ),
        pytest.param(
            [PUSH, GONE, op("retag", 4, 5, "A"), missing(6, 7)], [STALE], id="pushed again"
        ),
        pytest.param(
            [PUSH, GONE, op("retag", 4, 5, "A"), found(6, 7)], [], id="pushed again and found"
        ),
        pytest.param(
            [PUSH, GONE, op("retag", 2.5, 5, "A", tag="u"), found(6, 7)],
            [],
            id="a concurrent push survives",
        ),
        pytest.param(
            [PUSH, GONE, op("retag", 2.5, 5, "A", tag="u"), missing(6, 7)],
            [],
            id="or the deletion came after it",
        ),
        pytest.param(
            [PUSH, GONE, op("retag", 4, 5, "A", "unknown"), found(6, 7)],
            [],
            id="pushed again with unknown outcome",
        ),
        pytest.param(
            [op("push", 0, 1, "A", region="us"), GONE, found(4, 5)],
            [],
            id="the deletion may not have heard of the push",
        ),
        pytest.param(
            [PUSH, op("delete_digest", 2, 3, "A", "unknown"), found(4, 5)],
            [],
            id="a deletion of unknown outcome, not done",
        ),
        pytest.param(
            [PUSH, op("delete_digest", 2, 3, "A", "unknown"), missing(4, 5)],
            [],
            id="a deletion of unknown outcome, done",
        ),
        pytest.param(
            [
                op("push", 0, 1, "A", tag="u"),
                op("delete_digest", 1, 2, "A", "unknown", timed_out=True),
                op("retag", LATE_S, LATE_S + 1, "A"),
                missing(LATE_S + 2, LATE_S + 3),
            ],
            [],
            id="a deletion without an answer may come late",
        ),
        pytest.param(
            [PUSH, op("delete", 2, 3), missing(4, 5)],
            [STALE],
            id="deleting a tag leaves the manifest",
        ),
    ],
)
def test_manifests_by_digest(history, broken):
    """Broken: `pull_digest` is not judged, or a correct run is called wrong."""
    assert [each.rule for each in Rules(history, Disturbances()).reads()] == broken


def test_only_who_is_cut_off_may_lack_a_manifest():
    """Broken: any fault excuses a 404."""
    push = op("push", 10, 11, "A", node="eu-0")

    def said(read, *disturbances):
        return [e.rule for e in Rules([push, read], Disturbances(list(disturbances))).reads()]

    near, far = missing(12, 13, node="eu-1"), missing(12, 13, region="us")
    assert said(near, cut(9, 20, {"eu-1"})) == [STALE], "it has to say so"
    marked = missing(12, 13, node="eu-1", unconfirmed=True)
    assert said(marked, cut(9, 20, {"eu-1"})) == [MARKED]
    assert said(far, cut(9, 20, {"us-0"})) == []
    assert said(far, cut(9, 20, {"us-0", "us-1"})) == []
    for lone in ("eu-0", "eu-2", "us-1"):
        assert said(near, cut(9, 20, {lone})) == [STALE]
        assert said(far, cut(9, 20, {lone})) == [UNASKED]
    for kind in ("kill", "stop", "clock", "disk"):
        assert said(near, fault(kind, 9, 20, {"eu-0"})) == [STALE]
        assert said(far, fault(kind, 9, 20, {"eu-0"})) == [UNASKED]


@pytest.mark.parametrize(
    ("history", "present", "broken"),
    [
        ([PUSH], {"A"}, []),
        ([PUSH], set(), [LOST]),
        ([op("push", 0, 1, "A", "unknown")], set(), []),
        ([op("push", 0, 1, "A", "unknown")], {"A"}, []),
        ([PUSH, GONE], set(), []),
        ([PUSH, GONE], {"A"}, [BACK]),
        ([PUSH, op("delete_digest", 2, 3, "A", "unknown")], {"A"}, []),
        ([PUSH, op("delete_digest", 2, 3, "A", "missing")], set(), [LOST]),
        ([PUSH, op("delete_digest", 2, 3, "B")], set(), [LOST]),
        ([PUSH, op("delete", 2, 3)], set(), [LOST]),
        ([PUSH, GONE, op("retag", 4, 5, "A")], set(), [LOST]),
        ([PUSH, GONE, op("retag", 4, 5, "A")], {"A"}, []),
        ([PUSH, GONE, op("retag", 2.5, 5, "A")], {"A"}, []),
        ([PUSH, GONE, op("retag", 2.5, 5, "A")], set(), []),
        ([PUSH, GONE, op("retag", 4, 5, "A", "unknown")], {"A"}, []),
        ([op("push", 0, 1, "A", region="us"), GONE], {"A"}, []),
        ([op("push", 0, 1, "A", region="us"), GONE], set(), []),
    ],
)
def test_manifests_in_the_end(history, present, broken):
    """Broken: a manifest that was lost, or that came back, goes unnoticed."""
    rules = Rules(history, Disturbances())
    found = rules.final_manifests({("a", digest) for digest in present})
    assert [each.rule for each in found] == broken


def test_a_manifest_is_removed_unseen_where_it_is_much_older():
    """Broken: a push counts as removed that the deletion neither saw nor was younger than by the
    margin, or one that was far older counts as there."""
    push = op("push", 10, 11, "A", region="eu")
    split = Disturbances([cut(3, 30, {"us-0", "us-1"})])

    def broken(start, present):
        delete = op("delete_digest", start, start + 0.5, "A", region="us")
        return [each.rule for each in Rules([push, delete], split).final_manifests(present)]

    there = {("a", "A")}
    assert broken(10, set()) == [LOST]
    seen = op("delete_digest", 10, 10.5, "A", region="us")
    assert not list(Rules([push, seen], Disturbances()).final_manifests(set()))
    assert broken(10, there) == []
    assert broken(11 + UNSEEN_S, set()) == broken(11 + UNSEEN_S, there) == [], "may be either"
    assert broken(11 + UNSEEN_S + CLOCK_S, set()) == []
    assert broken(11 + UNSEEN_S + CLOCK_S, there) == [BACK]


@pytest.mark.parametrize(
    ("disturbance", "broken"),
    [
        pytest.param(None, [UNLINKED], id="all is well"),
        pytest.param(cut(10, 25, {"us-0", "us-1"}), [UNLINKED], id="they are on one side"),
        pytest.param(cut(10, 25, {"us-0"}), [], id="they are not"),
        pytest.param(cut(10, 25, {"eu-2"}), [UNLINKED], id="another is cut off"),
        pytest.param(fault("bridge", 10, 25, {"us-0", "us-1"}), [], id="apart"),
        pytest.param(fault("bridge", 10, 25, {"us-0", "eu-1"}), [UNLINKED], id="others do not"),
        pytest.param(fault("kill", 10, 25, {"eu-0", "us-1"}, ready=26.0), [], id="and others"),
        pytest.param(fault("kill", 10, 25, {"us-1"}, ready=26.0), [], id="who had it died"),
        pytest.param(fault("kill", 5, 6, {"us-1"}, ready=14.0), [UNLINKED], id="long ago"),
        pytest.param(fault("kill", 30, 31, {"us-1"}), [UNLINKED], id="later"),
        pytest.param(fault("clock", 10, 25, {"us-1"}, harmless=True), [UNLINKED], id="not felt"),
    ],
)
def test_who_has_a_manifest_has_heard_of_its_blobs(disturbance, broken):
    """Broken: a blob whose copies are out of reach is said not to exist."""
    faults = Disturbances([] if disturbance is None else [disturbance])
    started = op("push", 0, 40, "A", "unknown")
    read = no_blob(16, 17, node="us-0", region="us", seen=15, seen_at="us-1")
    assert [each.rule for each in Rules([started, read], faults).reads()] == broken
    marked = no_blob(16, 17, node="us-0", region="us", seen=15, seen_at="us-1", unconfirmed=True)
    assert not list(Rules([started, marked], faults).reads())
    split_off = cut(10, 25, {"us-0", "us-1"})
    assert [each.rule for each in Rules([PUSH, read], Disturbances([split_off])).reads()] == [
        UNLINKED
    ], "no news are needed for what is known there"
