"""The judge of the real-fault runs, on tags: broken promises are seen, what is allowed passes."""

import pytest

from tests.netfaults.disturbances import RECONNECT_S, Disturbances
from tests.netfaults.evidence import Evidence
from tests.netfaults.histories import cut, fault, op
from tests.netfaults.history import LATE_S
from tests.netfaults.lateness import Lateness
from tests.netfaults.rules import (
    BACK,
    FEW_DISKS,
    INVENTED,
    LISTED,
    MARKED,
    STALE,
    UNASKED,
    UNDONE,
    WRONG_BYTES,
    Rules,
)
from tests.netfaults.writes import CLOCK_S


def judge(history, *disturbances):
    return Rules(history, Disturbances(list(disturbances)))


def rules_broken(history, *disturbances):
    return [each.rule for each in judge(history, *disturbances).reads()]


PUSH = op("push", 0, 1, "A")
LATER = op("push", 2, 3, "B")


@pytest.mark.parametrize(
    ("history", "broken"),
    [
        pytest.param([PUSH, op("pull", 2, 3, "A")], [], id="the value that was written"),
        pytest.param([PUSH, LATER, op("pull", 4, 5, "A")], [STALE], id="an older value"),
        pytest.param([PUSH, op("pull", 2, 3, outcome="missing")], [STALE], id="not found"),
        pytest.param(
            [PUSH, op("pull", 0.5, 3, outcome="missing")], [], id="not found before the 201"
        ),
        pytest.param(
            [PUSH, op("pull", 2, 3, outcome="missing", region="us")],
            [UNASKED],
            id="not found in a region that did not ask",
        ),
        pytest.param(
            [PUSH, op("delete", 2, 3, outcome="missing", region="us")],
            [UNASKED],
            id="nothing to delete in a region that did not ask",
        ),
        pytest.param(
            [PUSH, op("list", 2, 3, region="us", listed=[])],
            [],
            id="a listing of another region does not ask",
        ),
        pytest.param(
            [PUSH, LATER, op("pull", 4, 5, "A", region="us")],
            [],
            id="another region may have an older value",
        ),
        pytest.param([PUSH, LATER, op("pull", 2.5, 5, "A")], [], id="began before the 201"),
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
            [STALE],
            id="the other region's older write",
        ),
        pytest.param(
            [op("push", 0, 1.9, "B", region="us"), op("push", 2, 3, "A"), op("pull", 4, 5, "B")],
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
            [STALE],
            id="a deletion uncovers no older write",
        ),
        pytest.param(
            [
                op("push", 0, 1, "B", region="us"),
                op("push", 2, 3, "A"),
                op("pull", 4, 5, "B"),
                op("delete", 6, 7),
            ],
            [STALE],
            id="not by one that came after the read",
        ),
        pytest.param(
            [
                op("push", 0, 1, "B"),
                op("push", 2, 3, "A"),
                op("delete", 4, 5),
                op("pull", 6, 7, "B"),
            ],
            [STALE],
            id="what was replaced is not uncovered",
        ),
        pytest.param(
            [PUSH, op("delete", 2, 3), op("pull", 4, 5, "A")], [STALE], id="deleted and served"
        ),
        pytest.param(
            [PUSH, op("delete", 2, 3), op("pull", 4, 5, outcome="missing")], [], id="deleted"
        ),
        pytest.param(
            [PUSH, op("delete", 2, 3), op("push", 4, 5, "B"), op("pull", 6, 7, outcome="missing")],
            [STALE],
            id="deleted, pushed, not found",
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
            [STALE],
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
            [INVENTED],
            id="a refused push has no effect",
        ),
        pytest.param([op("pull", 2, 3, "B")], [INVENTED], id="a tag that nobody wrote"),
        pytest.param(
            [PUSH, op("delete", 2, 3, outcome="missing")], [STALE], id="nothing to delete"
        ),
        pytest.param([PUSH, op("list", 2, 3, listed=[])], [STALE], id="a listing without the tag"),
        pytest.param([PUSH, op("list", 2, 3, listed=["t"])], [], id="a whole listing"),
        pytest.param([PUSH, op("list", 2, 3, listed=["t", "x"])], [LISTED], id="an invented tag"),
        pytest.param(
            [PUSH, op("delete", 2, 3), op("list", 4, 5, listed=["t"])],
            [STALE],
            id="a listing with a deleted tag",
        ),
    ],
)
def test_reads_in_a_region(history, broken):
    """Broken: a stale read goes unnoticed, or a correct run is called wrong."""
    assert rules_broken(history) == broken


CONCURRENT = op("push", 0.5, 1.5, "B", region="us")
ELSEWHERE = op("push", 2.5, 3.5, "A", tag="u")


@pytest.mark.parametrize(
    ("history", "broken"),
    [
        pytest.param(
            [PUSH, op("delete_digest", 2, 3, "A"), op("pull", 4, 5, outcome="missing")],
            [],
            id="the tag ends with its manifest",
        ),
        pytest.param(
            [PUSH, op("delete_digest", 2, 3, "A"), op("pull", 4, 5, "A")],
            [STALE],
            id="it has to",
        ),
        pytest.param(
            [PUSH, op("delete_digest", 2, 3, "A"), op("list", 4, 5, listed=["t"])],
            [STALE],
            id="in listings as well",
        ),
        pytest.param(
            [PUSH, op("delete_digest", 2, 3, "A"), op("pull", 2.5, 5, "A")],
            [],
            id="not before the answer",
        ),
        pytest.param(
            [PUSH, op("delete_digest", 2, 3, "A", region="us"), op("pull", 4, 5, "A")],
            [],
            id="not at once in the other region",
        ),
        pytest.param(
            [
                op("push", 0, 1, "A", region="us"),
                op("delete_digest", 1.9, 3, "A"),
                op("pull", 4, 5, "A"),
            ],
            [],
            id="a push that the deletion may not have heard of, nor be younger than",
        ),
        pytest.param(
            [
                op("push", 0, 1, "A", region="us"),
                op("delete_digest", 2, 3, "A"),
                op("pull", 4, 5, "A"),
            ],
            [STALE],
            id="a push that is older, whether the deletion has heard of it or not",
        ),
        pytest.param(
            [
                PUSH,
                op("delete_digest", 2, 3, "A"),
                op("retag", 2.5, 3.5, "A"),
                op("pull", 4, 5, "A"),
            ],
            [],
            id="a concurrent push survives",
        ),
        pytest.param(
            [PUSH, op("delete_digest", 2, 3, "B"), op("pull", 4, 5, outcome="missing")],
            [STALE],
            id="another manifest's deletion takes nothing off",
        ),
        pytest.param(
            [
                PUSH,
                op("delete_digest", 2, 3, "A", "refused"),
                op("pull", 4, 5, outcome="missing"),
            ],
            [STALE],
            id="nor one that was refused",
        ),
        pytest.param(
            [
                PUSH,
                op("delete_digest", 2, 3, "A"),
                op("retag", 4, 5, "A"),
                op("pull", 6, 7, outcome="missing"),
            ],
            [STALE],
            id="nor one before the push",
        ),
        pytest.param(
            [
                PUSH,
                LATER,
                op("delete_digest", 4, 5, "B"),
                op("pull", 6, 7, outcome="missing"),
            ],
            [],
            id="nothing is left when the last value is deleted",
        ),
        pytest.param(
            [PUSH, LATER, op("delete_digest", 4, 5, "B"), op("pull", 6, 7, "A")],
            [STALE],
            id="the one before does not come back",
        ),
        pytest.param(
            [PUSH, CONCURRENT, op("delete_digest", 4, 5, "B"), op("pull", 6, 7, "A")],
            [],
            id="one at the same time is uncovered",
        ),
        pytest.param(
            [
                op("push", 0, 1, "B", region="us"),
                op("push", 3, 4, "A"),
                op("delete_digest", 5, 6, "A"),
                op("pull", 7, 8, "B"),
            ],
            [],
            id="and one that was not heard of",
        ),
        pytest.param(
            [
                op("push", 0, 1, "B", region="us"),
                op("push", 3, 4, "A"),
                op("push", 5, 6, "C"),
                op("delete_digest", 7, 8, "C"),
                op("pull", 9, 10, "B"),
            ],
            [],
            id="also when what is deleted had replaced a newer one",
        ),
        pytest.param(
            [
                op("push", 0, 1, "B", region="us"),
                op("push", 3, 4, "A"),
                op("push", 5, 6, "C"),
                op("delete_digest", 7, 8, "A"),
                op("pull", 9, 10, "B"),
            ],
            [STALE],
            id="but not when that stands",
        ),
        pytest.param(
            [PUSH, op("delete_digest", 2, 3, "A"), ELSEWHERE, op("pull", 4, 5, "A")],
            [STALE],
            id="the tag stays off when the manifest is back",
        ),
        pytest.param(
            [PUSH, CONCURRENT, op("delete_digest", 2, 3, "A"), ELSEWHERE, op("pull", 4, 5, "A")],
            [STALE],
            id="whatever else it showed then",
        ),
    ],
)
def test_deleting_a_manifest_ends_its_tags(history, broken):
    """Broken: a tag that points to a deleted manifest goes unnoticed, or one that may is wrong."""
    assert rules_broken(history) == broken


def test_only_a_mark_lets_a_read_be_stale():
    """Broken: a node that was cut off serves what is old as if it were the latest."""
    push = op("push", 10, 11, "B", node="eu-0")
    faults = [
        cut(5, 11.5, {"eu-1"}),
        cut(5, 11.5, {"eu-0"}),
        *(fault(kind, 5, 11.5, {"eu-1"}) for kind in ("kill", "stop", "clock", "disk")),
        fault("bridge", 5, 11.5, {"eu-0", "eu-1"}),
    ]
    reads = [
        {"kind": "pull", "outcome": "missing"},
        {"kind": "pull", "digest": "A"},
        {"kind": "list", "listed": []},
    ]
    older = op("push", 7, 8, "A", node="eu-0")
    for more in reads:
        plain = op(start=12, end=13, node="eu-1", **more)
        marked = op(start=12, end=13, node="eu-1", unconfirmed=True, **more)
        assert rules_broken([older, push, plain]) == [STALE]
        for wrong in faults:
            assert rules_broken([older, push, plain], wrong) == [STALE]
        assert rules_broken([older, push, marked]) == [MARKED], "whether it had to: `marks`"
    invented = op("pull", 12, 13, "C", unconfirmed=True)
    assert rules_broken([push, invented]) == [INVENTED], "a mark is no leave to make things up"


def test_who_is_cut_off_from_every_copy_has_nobody_to_ask():
    """Broken: 404 counts as not asking where nobody is left to ask, or as right where one is."""
    push = op("push", 10, 11, "A", region="eu")
    read = op("pull", 12, 13, outcome="missing", region="us")
    assert rules_broken([push, read]) == [UNASKED]
    marked = op("pull", 12, 13, outcome="missing", region="us", unconfirmed=True)
    assert rules_broken([push, marked]) == []
    assert rules_broken([push, read], cut(9, 20, {"us-0", "us-1"})) == []
    assert rules_broken([push, read], cut(9, 20, {"us-0"})) == []
    assert rules_broken([push, read], fault("bridge", 9, 20, {"eu-0", "eu-1"})) == [UNASKED]
    healed = cut(1, 12 - RECONNECT_S - 0.1, {"us-0", "us-1"})
    assert rules_broken([push, read], healed) == [UNASKED]
    assert rules_broken([push, read], cut(9, 20, {"eu-0"})) == [UNASKED]
    assert rules_broken([push, read], cut(9, 20, {"us-1"})) == [UNASKED]


@pytest.mark.parametrize(
    ("history", "tags", "broken"),
    [
        ([PUSH], {("a", "t"): "A"}, []),
        ([PUSH], {}, [UNDONE]),
        ([PUSH, LATER], {("a", "t"): "A"}, [UNDONE]),
        ([PUSH, op("push", 0.5, 3, "B")], {("a", "t"): "A"}, []),
        ([PUSH, op("push", 2, 3, "B", "unknown")], {("a", "t"): "A"}, []),
        ([PUSH, op("push", 2, 3, "B", "unknown")], {("a", "t"): "B"}, []),
        ([PUSH, op("push", 2, 3, "B", "unknown")], {}, [UNDONE]),
        ([PUSH, op("delete", 2, 3)], {("a", "t"): "A"}, [BACK]),
        ([PUSH, op("delete", 2, 3)], {}, []),
        ([PUSH], {("a", "t"): "A", ("a", "x"): "B"}, [LISTED]),
        ([PUSH], {("a", "t"): "B"}, [INVENTED]),
        ([PUSH, op("push", 1 + CLOCK_S, 3, "B", region="us")], {("a", "t"): "A"}, [UNDONE]),
        ([PUSH, op("delete", 1.9, 3, region="us")], {("a", "t"): "A"}, []),
        ([PUSH, op("delete", 2, 3, region="us")], {("a", "t"): "A"}, [BACK]),
        ([PUSH, op("delete_digest", 2, 3, "A")], {}, []),
        ([PUSH, op("delete_digest", 2, 3, "A")], {("a", "t"): "A"}, [BACK]),
        ([PUSH, op("delete_digest", 1.9, 3, "A", region="us")], {("a", "t"): "A"}, []),
        ([PUSH, op("delete_digest", 2, 3, "A", region="us")], {("a", "t"): "A"}, [BACK]),
        (
            [PUSH, op("delete_digest", 2, 3, "A"), ELSEWHERE],
            {("a", "t"): "A", ("a", "u"): "A"},
            [BACK],
        ),
        ([PUSH, op("delete_digest", 2, 3, "A"), op("retag", 4, 5, "A")], {}, [UNDONE]),
        ([PUSH, op("delete_digest", 2, 3, "B")], {}, [UNDONE]),
        ([PUSH, LATER, op("delete_digest", 4, 5, "B")], {}, []),
        ([PUSH, LATER, op("delete_digest", 4, 5, "B")], {("a", "t"): "A"}, [UNDONE]),
    ],
)
def test_tags_in_the_end(history, tags, broken):
    """Broken: an acknowledged write that was lost, or a deletion that was, goes unnoticed."""
    assert [each.rule for each in judge(history).final_tags(tags)] == broken


@pytest.mark.parametrize("kind", ["delete", "delete_digest"])
def test_a_deletion_hides_what_is_older_and_nothing_else(kind):
    """Broken: a push that another region's older deletion took away counts as deleted, or one that
    a younger deletion left in place counts as there."""
    push = op("push", 10, 11, "A", region="eu")
    digest = "A" if kind == "delete_digest" else ""
    split = cut(3, 30, {"us-0", "us-1"})

    def broken(start, end, tags):
        delete = op(kind, start, end, digest, region="us")
        return [each.rule for each in judge([push, delete], split).final_tags(tags)]

    here = {("a", "t"): "A"}
    assert broken(15, 16, {}) == []
    assert broken(15, 16, here) == [BACK]
    assert broken(5, 6, {}) == [UNDONE]
    assert broken(5, 6, here) == []
    for start, end in ((11 + CLOCK_S / 2, 13), (8, 10 - CLOCK_S / 2)):
        assert broken(start, end, {}) == broken(start, end, here) == [], "clocks may say either"
    seen = op(kind, 11, 12, digest, region="us")
    assert not list(judge([push, seen]).final_tags({}))
    assert not list(judge([push, seen]).final_tags(here))


def test_every_body_is_hashed():
    """Broken: a node may serve other bytes than those that were asked for."""
    right, wrong = op("pull", 2, 3, "A"), op("pull", 2, 3, "A", body="B")
    by_digest = op("pull_digest", 2, 3, "A", body="B")
    nothing = op("pull_digest", 2, 3, "A", "missing", body="")
    blob = op("pull_blob", 2, 3, "A", blob="blob", body="blob")
    other = op("pull_blob", 2, 3, "A", blob="blob", body="A")
    broken = list(judge([PUSH, right, wrong, by_digest, nothing, blob, other]).bodies())
    assert [(each.rule, each.ops) for each in broken] == [
        (WRONG_BYTES, (wrong,)),
        (WRONG_BYTES, (by_digest,)),
        (WRONG_BYTES, (other,)),
    ]


def test_an_acknowledgement_on_one_disk_is_noticed():
    """Broken: a node that is cut off may acknowledge what it could lose alone."""
    degraded = op("push", 2, 3, "B", degraded="1")
    assert [each.ops for each in judge([PUSH, degraded]).copies()] == [(degraded,)]
    assert [each.rule for each in judge([PUSH, degraded]).copies()] == [FEW_DISKS]


def test_evidence_can_be_judged_again(tmp_path):
    """Broken: a run that failed cannot be judged a second time, with better rules."""
    history = [PUSH, op("list", 2, 3, listed=[]), op("pull", 2, 3, outcome="missing")]
    history.append(op("pull", 4, 5, outcome="unknown", owners=["us-1"]))
    evidence = Evidence(
        history,
        Disturbances([cut(9, 10, {"eu-0"})]),
        {("a", "t"): "A"},
        {("a", "A"), ("a", "B")},
        Lateness(lambda: 9.0, [(4.5, 0.25)]),
    )
    evidence.save(tmp_path / "evidence")
    again = Evidence.load(tmp_path / "evidence")
    assert again.disturbances == evidence.disturbances
    assert again.manifests == evidence.manifests
    told = list(map(str, again.judge()))
    assert told == list(map(str, evidence.judge()))
    assert len(told) == 3
    assert "0.25 s late" in told[-1], "how busy the machine was then"
