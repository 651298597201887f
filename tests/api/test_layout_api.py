"""The admin API of who belongs: status, the layout, members one by one."""

import pytest

from cluster.errors import (
    ClusterError,
    CopiesAtStake,
    MemberNotDead,
    MemberUnknown,
    NotCaughtUp,
    NotDecided,
    SurvivorsUnfit,
)
from cluster.layout import Hindrance, Live, Phase, Row, View
from cluster.model import Digest, NodeId, Region, Status, Vitals
from cluster.statistics import MemberStatistics
from node.copies.stakes import Shortfall
from tests.api.conftest import Registry
from tests.fakes.layouts import layout, member

STATUS = "/atoll/v1/status"
LAYOUT = "/atoll/v1/layout"


def known(node: str, **fields: object) -> MemberStatistics:
    """A member that is there, as gossip knows it."""
    facts: dict[str, object] = {
        "node": NodeId(node),
        "region": Region("local"),
        "rpc": "127.0.0.1:1",
        "http": "127.0.0.1:2",
        "connected": True,
        "status": Status.ALIVE,
        "incarnation": 1,
        "lag_events": 0,
        "ahead_events": 0,
    }
    return MemberStatistics(**{**facts, **fields})  # type: ignore[arg-type]


def settle(registry: Registry, text: str, **settings: object) -> None:
    """Let the layout be another one."""
    registry.layouts.entries[-1] = registry.layouts.entries[-1]._replace(
        live=Live(layout(text, **settings))
    )


async def planned(registry: Registry, *changes: dict[str, object]):
    return await registry.call("POST", f"{LAYOUT}/plan", json={"changes": list(changes)})


# --- status ---------------------------------------------------------------------------------------


async def test_a_cluster_of_one_is_well(registry: Registry):
    answer = await registry.call("GET", STATUS)
    assert answer.status == 200
    [me] = answer.json["members"]
    assert (me["node"], me["state"], me["roles"]) == ("solo", "alive", ["store", "voter"])
    assert (me["version"], me["blobs"], me["disk_free_bytes"]) == ("1.2.3", 7, 400)
    assert (answer.json["layout"], answer.json["conflicts"]) == (1, 0)
    assert answer.json["attention"] == []


@pytest.mark.parametrize(
    ("fields", "state", "told"),
    [
        ({}, "alive", []),
        ({"status": Status.SUSPECT}, "suspect", ["b is suspect"]),
        ({"status": Status.DEAD, "connected": False}, "dead", ["b is dead", "--lost"]),
        ({"connected": False}, "alive", ["no link to b"]),
        ({"in_layout": False}, "outside", ["another disk", "atoll node replace b b --lost"]),
        ({"settings_differing": {"joining": "open"}}, "alive", ["another joining than solo"]),
    ],
)
async def test_a_member_is_as_gossip_has_it(
    registry: Registry, fields: dict[str, object], state: str, told: list[str]
):
    settle(registry, "local: b solo")
    registry.view.members = (known("b", **fields),)
    document = (await registry.call("GET", STATUS)).json
    [b, _] = document["members"]
    assert b["state"] == state
    assert len(document["attention"]) == bool(told)
    for part in told:
        assert part in document["attention"][0]


async def test_what_a_member_says_of_itself_is_shown_while_it_is_there(registry: Registry):
    settle(registry, "local: b solo")
    vitals = Vitals("1.2.4", 100, 5, 3, 30, "disk: no room")
    registry.view.members = (known("b", vitals=vitals, clock_ahead_ms=-12.345),)
    document = (await registry.call("GET", STATUS)).json
    [b, _] = document["members"]
    assert (b["version"], b["disk_free_bytes"], b["clock_ahead_ms"]) == ("1.2.4", 5, -12.3)
    [line] = document["attention"]
    assert line.startswith("the disk of b is full, and it takes no pushes: no room: ")
    gone = known("b", vitals=vitals, connected=False, status=Status.DEAD)
    registry.view.members = (gone,)
    [b, _] = (await registry.call("GET", STATUS)).json["members"]
    assert (b["version"], b["blobs"], b["trouble"]) == (None, None, None)


@pytest.mark.parametrize(("logs", "told"), [(100, False), (101, True)])
async def test_logs_that_are_not_retired_are_told(registry: Registry, logs: int, told: bool):
    """Broken: a member is away for a year, and greetings grow with each start of a node."""
    settle(registry, "local: b solo")
    registry.view.members, registry.view.logs = (known("b"),), logs
    attention = (await registry.call("GET", STATUS)).json["attention"]
    assert [line.partition(" ")[0] for line in attention] == (["101"] if told else [])


async def test_who_is_in_the_layout_and_was_never_heard_of_is_shown(registry: Registry):
    settle(registry, "local: b solo")
    document = (await registry.call("GET", STATUS)).json
    assert [m["state"] for m in document["members"]] == ["unheard", "alive"]
    assert "nobody has heard of b" in document["attention"][0]


async def test_who_waits_outside_is_shown_and_who_left_is_not(registry: Registry):
    dead = known("c", status=Status.DEAD, connected=False, in_layout=False)
    registry.view.members = (known("b", in_layout=False), dead)
    document = (await registry.call("GET", STATUS)).json
    assert [(m["node"], m["state"]) for m in document["members"]] == [
        ("b", "outside"),
        ("solo", "alive"),
    ]
    assert document["attention"] == ["b is no member: if it is to be one: `atoll node add b`"]


async def test_copies_that_lack_are_a_reason_to_look(registry: Registry):
    registry.layouts.shortfall = Shortfall(9, 90, 2, 20, 1, 10, ())
    document = (await registry.call("GET", STATUS)).json
    assert (document["copies"]["short"], document["copies"]["gone_bytes"]) == (2, 10)
    gone, short = document["attention"]
    assert gone.startswith("1 blobs (10 bytes) are on nobody who is there: ")
    assert short.startswith("2 blobs (20 bytes) have too few copies: ")


async def test_what_cannot_be_told_is_said(registry: Registry):
    """Broken: a node that takes over an index is well, for it has no blobs."""
    registry.layouts.uncounted = NotCaughtUp("it takes over an index")
    registry.replicator.not_current = NotCaughtUp("it takes over an index")
    document = (await registry.call("GET", STATUS)).json
    assert (document["copies"], document["conflicts"]) == (None, None)
    [line] = document["attention"]
    assert line.count("cannot be counted: it takes over an index") == 2


async def test_without_a_layout_there_is_a_status(registry: Registry):
    registry.layouts.absent = NotDecided("there is no layout yet")
    registry.view.members = (known("b", in_layout=False),)
    document = (await registry.call("GET", STATUS)).json
    assert (document["layout"], len(document["members"])) == (None, 2)
    assert "there is no layout yet" in document["attention"][0]
    assert (await registry.call("GET", LAYOUT)).status == 503


async def test_a_change_that_stalls_says_why(registry: Registry):
    hindrance = Hindrance(Region("local"), NodeId("b"), "has not been heard")
    registry.layouts.open = View(Phase.PULLING, (hindrance,))
    document = (await registry.call("GET", STATUS)).json
    assert (document["change"]["phase"], document["attention"]) == ("pulling", [])
    registry.layouts.open = View(Phase.STALLED, (hindrance,))
    document = (await registry.call("GET", STATUS)).json
    [line] = document["attention"]
    assert line.startswith("the change to version 1 STALLED: region local: b has not been heard: ")


async def test_more_copies_than_stores_are_a_reason_to_look(registry: Registry):
    settle(registry, "local: solo", copies=2)
    assert (
        "copies: 2 wanted, 1 possible" in (await registry.call("GET", STATUS)).json["attention"][0]
    )


# --- the layout -----------------------------------------------------------------------------------


async def test_a_plan_is_shown_and_then_applied(registry: Registry):
    registry.layouts.there["b"] = member("b", "local")
    digest = Digest.of(b"blob")
    registry.layouts.held = [Row(digest, 1000, {NodeId("solo")})]
    registry.view.members = (known("b", in_layout=False),)
    add = {"change": "add", "node": "b", "zone": "rack-7", "weight": 50}
    answer = await planned(registry, add, {"change": "settings", "copies": 2})
    assert answer.status == 200, answer.body
    plan = answer.json
    assert plan["changes"] == [
        "b is added: store in region local, zone rack-7, weight 50",
        "copies: 1 -> 2",
    ]
    assert (plan["version"], plan["blobs"], plan["bytes"], plan["far_bytes"]) == (2, 1, 1000, 0)
    assert {each["node"]: each["bytes_in"] for each in plan["nodes"]} == {"b": 1000, "solo": 0}
    shown = (await registry.call("GET", LAYOUT)).json
    assert [each["fingerprint"] for each in shown["plans"]] == [plan["fingerprint"]]
    body = {"version": 2, "fingerprint": plan["fingerprint"]}
    other = {**body, "fingerprint": "0" * 64}
    assert (await registry.call("POST", f"{LAYOUT}/apply", json=other)).status == 404
    done = await registry.call("POST", f"{LAYOUT}/apply", json=body)
    assert done.status == 200
    assert (done.json["version"], len(done.json["members"])) == (2, 2)
    again = await registry.call("POST", f"{LAYOUT}/apply", json=body)
    assert (again.status, "plan again" in again.json["errors"][0]["message"]) == (409, True)
    history = (await registry.call("GET", f"{LAYOUT}/history")).json["entries"]
    assert [(e["version"], e["step"]) for e in history] == [(1, "begin"), (2, "begin"), (2, "end")]
    assert history[1]["changes"] == plan["changes"]
    assert [e["who"] for e in history] == [None, "ann", "node:solo"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"change": "weight", "node": "b", "weight": 7}, "b: weight 100 -> 7"),
        ({"change": "zone", "node": "b", "zone": "z"}, "b: zone (none) -> z"),
        (
            {"change": "availability", "node": "b", "availability": "paused"},
            "b: availability active -> paused",
        ),
        ({"change": "voters", "nodes": ["solo"]}, "b: store, voter -> store"),
        ({"change": "rule", "region": "local", "copies": 1}, "copies in region local: 1, weight 1"),
        ({"change": "settings", "degraded_writes": "refuse"}, "degraded_writes: allow -> refuse"),
        ({"change": "replace", "node": "z", "by": "d", "lost": True}, "z is removed"),
        ({"change": "remove", "node": "z", "lost": True}, "z is removed"),
    ],
)
async def test_each_kind_of_change_can_be_planned(
    registry: Registry, change: dict[str, object], expected: str
):
    settle(registry, "local: a b solo z", copies=1)
    registry.layouts.there["d"] = member("d", "local")
    answer = await planned(registry, change)
    assert answer.status == 200, answer.body
    assert expected in answer.json["changes"]


async def test_a_store_that_is_to_be_none_drains_first(registry: Registry):
    settle(registry, "local: a b solo z", copies=1)
    change = {"change": "roles", "node": "z", "roles": ["proxy"]}
    refused = await planned(registry, change)
    assert (refused.status, "drain it first" in refused.json["errors"][0]["message"]) == (409, True)
    await registry.call("POST", "/atoll/v1/members/z/drain")
    assert (await planned(registry, change)).json["changes"] == ["z: store -> proxy"]


async def test_a_witness_can_be_named(registry: Registry):
    settle(registry, "local: a solo, us: x y z")
    answer = await planned(registry, {"change": "witness", "region": "local", "node": "z"})
    assert answer.json["changes"] == ["witness of region local: z"]


@pytest.mark.parametrize(
    ("change", "status", "told"),
    [
        ({"change": "weight", "node": "x", "weight": 7}, 404, "x is not in the layout"),
        ({"change": "remove", "node": "x"}, 404, "x is not in the layout"),
        ({"change": "add", "node": "x"}, 409, "x cannot be added"),
        ({"change": "remove", "node": "b"}, 409, "drain it first"),
        ({"change": "remove", "node": "b", "lost": True}, 409, "b is alive"),
        ({"change": "settings", "copies": 4}, 409, "ask for fewer copies"),
        ({"change": "voters", "nodes": ["a", "b"]}, 409, "an even number"),
        ({"change": "weight", "node": "a", "weight": 0}, 400, "changes must be a list"),
        ({"change": "nothing"}, 400, "changes must be a list"),
        ({"node": "a"}, 400, "changes must be a list"),
    ],
)
async def test_what_cannot_be_planned_says_what_to_do(
    registry: Registry, change: dict[str, object], status: int, told: str
):
    settle(registry, "local: a b solo", copies=1)
    registry.layouts.alive |= {"a", "b"}
    answer = await planned(registry, change)
    assert (answer.status, answer.codes) == (status, ["UNSUPPORTED"]), answer.body
    assert told in answer.json["errors"][0]["message"]


async def test_without_a_majority_who_is_missing_is_named(registry: Registry):
    registry.layouts.refused = NotDecided("too few voters answer", ["b", "c"])
    for path, body in (
        ("plan", {"changes": [{"change": "weight", "node": "solo", "weight": 7}]}),
        ("apply", {"version": 2, "fingerprint": "0" * 64}),
        ("force", {"survivors": ["solo"]}),
    ):
        answer = await registry.call("POST", f"{LAYOUT}/{path}", json=body)
        assert (answer.status, answer.codes) == (503, ["UNAVAILABLE"])
        [error] = answer.json["errors"]
        assert error["detail"] == {"missing": ["b", "c"]}
        assert "missing: b, c" in error["message"]
        assert "Retry-After" in answer.headers
    assert (await registry.call("GET", LAYOUT)).status == 200, "what is, is shown"


async def test_a_cluster_is_begun_once(registry: Registry):
    assert (await registry.call("POST", f"{LAYOUT}/init")).status == 409
    registry.layouts.absent = NotDecided("there is no layout yet")
    answer = await registry.call("POST", f"{LAYOUT}/init")
    assert (answer.status, answer.json["version"]) == (200, 1)


async def test_survivors_are_named(registry: Registry):
    answer = await registry.call("POST", f"{LAYOUT}/force", json={"survivors": ["solo"]})
    assert answer.status == 200
    assert registry.layouts.survivors == [{"solo"}]
    registry.layouts.refused = SurvivorsUnfit(["solo"], "most voters answer")
    answer = await registry.call("POST", f"{LAYOUT}/force", json={"survivors": ["solo"]})
    assert answer.status == 409
    assert (await registry.call("POST", f"{LAYOUT}/force", json={"survivors": []})).status == 400


# --- members --------------------------------------------------------------------------------------


async def test_a_member_is_paused_drained_and_resumed(registry: Registry):
    settle(registry, "local: a b solo", copies=1)
    for word, becomes in (("pause", "paused"), ("drain", "draining"), ("resume", "active")):
        answer = await registry.call("POST", f"/atoll/v1/members/b/{word}")
        assert (answer.status, answer.json["availability"]) == (200, becomes)
        version = answer.json["version"]
        again = await registry.call("POST", f"/atoll/v1/members/b/{word}")
        assert again.json["version"] == version, "so it is already"
    assert (await registry.call("POST", "/atoll/v1/members/x/pause")).status == 404


async def test_who_may_go_is_told_with_what_is_at_stake(registry: Registry):
    settle(registry, "local: a b solo", copies=2)
    digest = Digest.of(b"blob")
    registry.layouts.held = [Row(digest, 10, {NodeId("b")})]
    path = "/atoll/v1/members/b/safe-to-remove"
    answer = await registry.call("GET", path)
    assert (answer.status, answer.json["safe"], answer.json["draining"]) == (200, False, False)
    assert (answer.json["blobs_last"], answer.json["bytes_last"]) == (1, 10)
    assert answer.json["examples"] == [digest]
    assert "nowhere else; drain it" in answer.json["why"]
    await registry.call("POST", "/atoll/v1/members/b/drain")
    assert "nowhere else" in (await registry.call("GET", path)).json["why"]
    registry.layouts.held = []
    answer = await registry.call("GET", path)
    assert (answer.json["safe"], answer.json["why"]) == (True, None)
    assert (await registry.call("GET", "/atoll/v1/members/x/safe-to-remove")).status == 404


@pytest.mark.parametrize(
    ("query", "drain_s"), [("", 5.0), ("?drain_s=0", 0.0), ("?drain_s=300", 300)]
)
async def test_a_node_is_asked_to_leave(registry: Registry, query: str, drain_s: float):
    answer = await registry.call("POST", f"/atoll/v1/leave{query}")
    none = dict.fromkeys(("blobs_last", "bytes_last", "blobs_short", "bytes_short"), 0)
    left = {"state": "draining", "noted_by": [], "why": None}
    assert (answer.status, answer.json) == (
        202,
        {"node": "solo", "drain_s": drain_s, **none, **left},
    )
    assert registry.view.departures == [drain_s]


@pytest.mark.parametrize("given", ["301", "-1", "x", ""])
async def test_a_node_does_not_drain_for_ever(registry: Registry, given: str):
    answer = await registry.call("POST", f"/atoll/v1/leave?drain_s={given}")
    assert answer.status == 400
    assert registry.view.departures == []


async def test_a_node_does_not_leave_with_what_others_lack(registry: Registry):
    """Broken: two nodes leave one after the other, and images are lost, each time with success."""
    registry.view.verdict = registry.view.verdict._replace(last=1, last_bytes=10, short=3)
    for query in ("", "?lost=false"):
        answer = await registry.call("POST", f"/atoll/v1/leave{query}")
        assert answer.status == 409
        assert "1 blobs (10 bytes) are nowhere else" in answer.json["errors"][0]["message"]
    assert registry.view.departures == []
    assert (await registry.call("POST", "/atoll/v1/leave?lost=yes")).status == 400
    answer = await registry.call("POST", "/atoll/v1/leave?lost=true")
    assert (answer.status, answer.json["blobs_last"], answer.json["blobs_short"]) == (202, 1, 3)


async def test_a_member_is_taken_out_by_its_name(registry: Registry):
    assert (await registry.call("DELETE", "/atoll/v1/members/b")).status == 202
    assert (await registry.call("DELETE", "/atoll/v1/members/c?lost=true")).status == 202
    assert registry.view.removed == [("b", False), ("c", True)]


@pytest.mark.parametrize(
    ("problem", "status", "code"),
    [
        (MemberUnknown("b"), 404, "UNSUPPORTED"),
        (MemberNotDead("b", "alive"), 409, "UNSUPPORTED"),
        (CopiesAtStake(NodeId("b"), 1, 10, 0), 409, "UNSUPPORTED"),
        (NotDecided("too few voters answer", ["c"]), 503, "UNAVAILABLE"),
    ],
)
async def test_who_cannot_go_stays(
    registry: Registry, problem: ClusterError, status: int, code: str
):
    registry.view.not_removed = problem
    answer = await registry.call("DELETE", "/atoll/v1/members/b")
    assert (answer.status, answer.codes) == (status, [code])
    assert answer.json["errors"][0]["message"] == str(problem)
