"""The judge of the real-fault runs: broken promises are seen, and what is allowed is let pass."""

import random
from itertools import count, pairwise

import pytest

from tests.netfaults.disturbances import RECONNECT_S, SETTLE_S, Disturbance, Disturbances
from tests.netfaults.evidence import Evidence
from tests.netfaults.history import LATE_S, Op
from tests.netfaults.rules import CLOCK_S, CUT_OFF, Rules
from tests.netfaults.scenarios import CALM_S, plan

NODES = {"eu": "eu-0", "us": "us-0"}
_numbers = count()


def op(kind, start, end, digest="", outcome="ok", region="eu", node="", **more):
    status = {"ok": 200, "missing": 404, "unknown": 503, "refused": 502}[outcome]
    return Op(
        number=next(_numbers),
        kind=kind,
        region=region,
        repo="a",
        tag=more.pop("tag", "t"),
        start=start,
        end=end,
        node=node or NODES[region],
        outcome=outcome,
        digest=digest,
        status=more.pop("status", status),
        **more,
    )


def cut(start, end, nodes, **more):
    return Disturbance(name="cut", start=start, end=end, nodes=frozenset(nodes), cut=True, **more)


def rules_broken(history, *disturbances):
    return [each.rule for each in Rules(history, Disturbances(list(disturbances))).reads()]


PUSH = op("push", 0, 1, "A")
STALE = ["stale in its region"]


@pytest.mark.parametrize(
    ("history", "broken"),
    [
        pytest.param([PUSH, op("pull", 2, 3, "A")], [], id="the value that was written"),
        pytest.param(
            [PUSH, op("push", 2, 3, "B"), op("pull", 4, 5, "A")], STALE, id="an older value"
        ),
        pytest.param([PUSH, op("pull", 2, 3, outcome="missing")], STALE, id="not found"),
        pytest.param(
            [PUSH, op("push", 2, 3, "B"), op("pull", 2.5, 5, "A")], [], id="began before the 201"
        ),
        pytest.param(
            [PUSH, op("push", 0.5, 3, "B"), op("pull", 4, 5, "A")], [], id="writes that overlap"
        ),
        pytest.param(
            [PUSH, op("push", 2, 3, "B", region="us"), op("pull", 4, 5, "A")],
            [],
            id="the other region's write may come later",
        ),
        pytest.param(
            [op("push", 0, 1, "B", region="us"), op("push", 2, 3, "A"), op("pull", 4, 5, "B")],
            STALE,
            id="the other region's older write",
        ),
        pytest.param(
            [
                op("push", 0, 1.9, "B", region="us"),
                op("push", 2, 3, "A"),
                op("pull", 4, 5, "B"),
            ],
            [],
            id="the clocks do not decide",
        ),
        pytest.param(
            [
                op("push", 0, 1, "B", region="us"),
                op("push", 2, 3, "A"),
                op("delete", 4, 5),
                op("pull", 6, 7, "B"),
            ],
            [],
            id="the other region's older write is uncovered by a deletion",
        ),
        pytest.param(
            [
                op("push", 0, 1, "B"),
                op("push", 2, 3, "A"),
                op("delete", 4, 5),
                op("pull", 6, 7, "B"),
            ],
            STALE,
            id="what was replaced is not uncovered",
        ),
        pytest.param(
            [PUSH, op("delete", 2, 3), op("pull", 4, 5, "A")], STALE, id="deleted and served"
        ),
        pytest.param(
            [PUSH, op("delete", 2, 3), op("pull", 4, 5, outcome="missing")], [], id="deleted"
        ),
        pytest.param(
            [PUSH, op("delete", 2, 3, outcome="unknown"), op("pull", 4, 5, outcome="missing")],
            [],
            id="a deletion of unknown outcome, done",
        ),
        pytest.param(
            [PUSH, op("delete", 2, 3, outcome="unknown"), op("pull", 4, 5, "A")],
            [],
            id="a deletion of unknown outcome, not done",
        ),
        pytest.param(
            [PUSH, op("push", 2, 3, "B", "unknown"), op("pull", 4, 5, "B")],
            [],
            id="a push of unknown outcome, done",
        ),
        pytest.param(
            [op("push", 0, 1, "B", "unknown"), op("push", 3, 4, "A"), op("pull", 5, 6, "B")],
            STALE,
            id="a failed push does not come back over a later one",
        ),
        pytest.param(
            [
                op("push", 0, 1, "B", "unknown", timed_out=True),
                op("push", LATE_S, LATE_S + 1, "A"),
                op("pull", LATE_S + 2, LATE_S + 3, "B"),
            ],
            [],
            id="a push without an answer may arrive late",
        ),
        pytest.param(
            [PUSH, op("push", 2, 3, "B", "refused"), op("pull", 4, 5, "B")],
            ["a value that nobody wrote"],
            id="a refused push has no effect",
        ),
        pytest.param([PUSH, op("delete", 2, 3, outcome="missing")], STALE, id="nothing to delete"),
        pytest.param(
            [PUSH, op("list", 2, 3, tag="", listed=[])], STALE, id="a listing without the tag"
        ),
        pytest.param([PUSH, op("list", 2, 3, tag="", listed=["t"])], [], id="a whole listing"),
        pytest.param(
            [PUSH, op("list", 2, 3, tag="", listed=["t", "x"])],
            ["listed, and nobody wrote it"],
            id="an invented tag",
        ),
        pytest.param(
            [PUSH, op("delete", 2, 3), op("list", 4, 5, tag="", listed=["t"])],
            STALE,
            id="a listing with a deleted tag",
        ),
    ],
)
def test_reads_in_a_region(history, broken):
    """Broken: a stale read goes unnoticed, or a correct run is called wrong."""
    assert rules_broken(history) == broken


def test_a_node_that_was_cut_off_is_told_apart():
    """Broken: the runs cannot tell what P2 allows from what it does not."""
    push = op("push", 10, 11, "B", node="eu-0")
    late = op("pull", 12, 13, outcome="missing", node="eu-1")
    away = cut(5, 11.5, {"eu-1"})
    assert rules_broken([push, late], away) == [CUT_OFF]
    assert rules_broken([push, late], cut(5, 6, {"eu-0", "eu-1"})) == STALE, "on the same side"
    assert rules_broken([push, late], cut(1, 12 - RECONNECT_S - 0.1, {"eu-1"})) == STALE, "healed"


@pytest.mark.parametrize(
    ("history", "tags", "broken"),
    [
        ([PUSH], {("a", "t"): "A"}, []),
        ([PUSH], {}, ["acknowledged, and undone"]),
        ([PUSH, op("push", 2, 3, "B")], {("a", "t"): "A"}, ["acknowledged, and undone"]),
        ([PUSH, op("push", 0.5, 3, "B")], {("a", "t"): "A"}, []),
        ([PUSH, op("push", 2, 3, "B", "unknown")], {("a", "t"): "A"}, []),
        ([PUSH, op("push", 2, 3, "B", "unknown")], {("a", "t"): "B"}, []),
        ([PUSH, op("push", 2, 3, "B", "unknown")], {}, ["acknowledged, and undone"]),
        ([PUSH, op("delete", 2, 3)], {("a", "t"): "A"}, ["deleted, and back"]),
        ([PUSH, op("delete", 2, 3)], {}, []),
        ([PUSH], {("a", "t"): "A", ("a", "x"): "B"}, ["listed, and nobody wrote it"]),
        (
            [PUSH, op("push", 1 + CLOCK_S, 3, "B", region="us")],
            {("a", "t"): "A"},
            ["acknowledged, and undone"],
        ),
        ([PUSH, op("delete", 2, 3, region="us")], {("a", "t"): "A"}, []),
    ],
)
def test_tags_in_the_end(history, tags, broken):
    """Broken: an acknowledged write that was lost, or a deletion that was, goes unnoticed."""
    found = Rules(history, Disturbances()).final_tags(tags)
    assert [each.rule for each in found] == broken


def test_a_deletion_does_not_hide_what_it_cannot_have_seen():
    """Broken: a push that another region's deletion took away counts as deleted."""
    push = op("push", 10, 11, "A", region="eu")
    delete = op("delete", 15, 16, region="us")
    split = cut(9, 20, {"us-0"})
    hidden = Rules([push, delete], Disturbances([split])).final_tags({})
    assert [each.rule for each in hidden] == ["hidden by a deletion that had not seen it"]
    for disturbances in ([], [cut(12, 20, {"us-0"})], [cut(9, 20, {"us-0"}, both_ways=False)]):
        assert not list(Rules([push, delete], Disturbances(disturbances)).final_tags({}))
    again = op("delete", 21, 22, region="eu")
    assert not list(Rules([push, delete, again], Disturbances([split])).final_tags({}))


def test_every_failure_needs_a_cause():
    """Broken: errors without a fault, and errors that no fault explains, go unnoticed."""
    refused = op("push", 10, 11, "A", "unknown")
    wrong = op("pull", 10, 11, outcome="unknown", status=500)
    again = op("push", 10, 11, "A", "refused", status=404, code="BLOB_UPLOAD_UNKNOWN")
    lost = op("retag", 10, 11, "A", "refused", status=404, code="MANIFEST_BLOB_UNKNOWN")
    fault = Disturbance(name="kill", start=5, end=9, nodes=frozenset({"eu-0"}))
    long_ago = cut(1, 10 - SETTLE_S - 0.1, {"eu-0"})

    def without_cause(*disturbances):
        history = [refused, wrong, again, lost, op("pull", 10, 11, outcome="missing")]
        return [each.ops[0] for each in Rules(history, Disturbances(list(disturbances))).answers()]

    assert without_cause(fault) == [wrong, lost]
    assert without_cause(cut(5, 9, {"eu-0"})) == [wrong], "it may not have heard of the blob"
    assert without_cause() == without_cause(long_ago) == [refused, wrong, again, lost]


def test_evidence_can_be_judged_again(tmp_path):
    """Broken: a run that failed cannot be judged a second time, with better rules."""
    history = [PUSH, op("list", 2, 3, tag="", listed=[]), op("pull", 2, 3, outcome="missing")]
    evidence = Evidence(history, Disturbances([cut(5, 9, {"eu-0"})]), {("a", "t"): "A"})
    evidence.save(tmp_path / "evidence")
    again = Evidence.load(tmp_path / "evidence")
    assert again.disturbances == evidence.disturbances
    assert list(map(str, again.judge())) == list(map(str, evidence.judge()))
    assert len(list(again.judge())) == 2


@pytest.mark.parametrize("seed", range(20))
def test_a_plan_ends_with_a_heal(seed):
    """Broken: the time to agree is measured from a moment at which nothing was healed."""
    slots = plan(random.Random(seed), 60.0, (2.0, 6.0), (1.0, 3.0))
    assert slots[0].start >= CALM_S
    assert slots[-1].end == 60.0
    assert len(slots) >= 6
    for before, after in pairwise(slots):
        assert before.start < before.end <= after.start - 1.0
