"""The commands of who runs a cluster: `atoll status`, `leave`, `node`, `layout`."""

import asyncio
import json
from collections.abc import Callable

import pytest

from cluster.errors import MemberNotDead, NotDecided
from cluster.layout import Row
from cluster.model import Digest, NodeId, Status
from node.cli.cluster.layout import apply, force
from node.cli.cluster.leave import leave as ask_to_leave
from node.cli.cluster.members import remove_lost, until_safe
from node.cli.cluster.status import Health, watch
from node.cli.errors import CommandError
from node.cli.words import insist_on_word, size
from node.copies.stakes import Shortfall
from node.lifetime.departure import Farewell
from tests.api.commands import atoll
from tests.api.conftest import Registry
from tests.api.test_layout_api import known, settle
from tests.fakes.layouts import member

ALONE = Row(Digest.of(b"alone"), 1000, {NodeId("b")})


def url(registry: Registry) -> tuple[str, str]:
    return ("--url", f"127.0.0.1:{registry.port}")


# --- status ---------------------------------------------------------------------------------------


async def test_the_status_is_a_table_and_an_exit_code(registry: Registry):
    done = await atoll("status", *url(registry))
    assert done.exit_code == 0, done
    first, head, row, *rest = done.output.splitlines()
    assert first == "version 1 of the layout, as solo (local) sees it"
    assert head.split()[:3] == ["NODE", "REGION", "ZONE"]
    assert row.split()[:7] == ["solo", "local", "-", "100", "store,voter", "active", "alive"]
    assert "1.2.3" in row
    assert "400 B of 1000 B" in row
    assert rest == ["copies: 0 blobs (0 B), all have theirs", "conflicts: none", "all is well"]


async def test_what_needs_a_person_is_exit_code_1(registry: Registry):
    """Broken: a script that upgrades node after node goes on while one is down."""
    settle(registry, "local: b solo")
    registry.layouts.shortfall = Shortfall(9, 9 << 20, 2, 20, 1, 10, ())
    done = await atoll("status", *url(registry))
    assert done.exit_code == 1
    assert "! nobody has heard of b" in done.output
    assert "copies: 9 blobs (9.0 MiB), 2 blobs (20 B) have too few" in done.output
    assert "all is well" not in done.output


async def test_what_cannot_be_told_is_exit_code_2(registry: Registry):
    nobody = await atoll("status", "--url", "127.0.0.1:1")
    assert (nobody.exit_code, "cannot reach" in nobody.output) == (2, True)
    registry.layouts.absent = NotDecided("there is no layout yet")
    done = await atoll("status", "--json", *url(registry))
    assert (done.exit_code, json.loads(done.output)["layout"]) == (2, None)


async def test_a_watcher_ends_with_what_it_saw_last(registry: Registry):
    shown = []

    def show(outcome) -> None:
        shown.append(outcome.text)
        raise KeyboardInterrupt

    health = await asyncio.to_thread(watch, f"127.0.0.1:{registry.port}", show)
    assert (health, len(shown)) == (Health.WELL, 1)


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (163 << 30, "163.0 GiB")]
)
def test_sizes_are_for_people(count: int, text: str):
    assert size(count) == text


# --- what has to be typed -------------------------------------------------------------------------


def typed(text: str) -> Callable[[str], str]:
    return lambda question: text


@pytest.mark.parametrize("answer", ["b", " b ", "b,c", "yes", ""])
def test_what_is_lost_has_to_be_typed(answer: str):
    if answer.strip() == "b":
        insist_on_word(["b"], "b would be lost", (), typed(answer))
        return
    with pytest.raises(CommandError, match="nothing was done"):
        insist_on_word(["b"], "b would be lost", (), typed(answer))


def test_a_script_has_to_name_what_it_loses():
    insist_on_word(["b", "c"], "both would be lost", ["c", "b"], None)
    with pytest.raises(CommandError, match=r"nothing was done: give --yes-i-lose b --yes-i-lose c"):
        insist_on_word(["c", "b"], "both would be lost", (), None)
    with pytest.raises(CommandError, match="--yes-i-lose names b, and b, c would be lost"):
        insist_on_word(["c", "b"], "both would be lost", ["b"], typed("b c"))


# --- members --------------------------------------------------------------------------------------


async def test_a_node_is_added_by_its_name(registry: Registry):
    done = await atoll("node", "add", "b", *url(registry))
    assert (done.exit_code, "b cannot be added" in done.told) == (1, True)
    registry.layouts.there["b"] = member("b", "local")
    done = await atoll("node", "add", "b", "--zone", "z", "--weight", "5", *url(registry))
    assert (done.exit_code, done.output) == (0, "b is a member by version 2 of the layout\n"), done
    added = registry.layouts.live.newest.member(NodeId("b"))
    assert added is not None
    assert (added.zone, added.weight) == ("z", 5)


async def test_a_member_is_paused_and_resumed(registry: Registry):
    settle(registry, "local: a b solo", copies=1)
    for word, becomes in (("pause", "paused"), ("drain", "draining"), ("resume", "active")):
        done = await atoll("node", word, "b", *url(registry))
        assert (done.exit_code, done.output) == (0, f"b is {becomes}\n")


async def test_whether_a_member_may_go_is_an_exit_code(registry: Registry):
    settle(registry, "local: a b solo", copies=1)
    no = await atoll("node", "safe-to-remove", "b", *url(registry))
    assert (no.exit_code, "drain it first" in no.output) == (1, True)
    await atoll("node", "drain", "b", *url(registry))
    yes = await atoll("node", "safe-to-remove", "b", *url(registry))
    assert (yes.exit_code, yes.output) == (0, "b may go\n")
    unknown = await atoll("node", "safe-to-remove", "x", *url(registry))
    assert (unknown.exit_code, "x is not in the layout" in unknown.told) == (2, True)


async def test_a_member_drains_before_it_is_removed(registry: Registry):
    settle(registry, "local: a b solo", copies=1)
    done = await atoll("node", "remove", "b", *url(registry))
    assert (done.exit_code, done.output) == (0, "b is removed\n"), done
    assert registry.view.removed == [("b", False)]
    assert registry.layouts.live.newest.version == 2, "it drains"


async def test_draining_that_comes_to_nothing_says_why(registry: Registry):
    settle(registry, "local: a b solo", copies=2)
    registry.layouts.held = [ALONE]
    registry.view.members = (
        known("a", vitals=registry.view.vitals._replace(trouble="disk: full")),
    )
    done = await atoll("node", "remove", "b", "--patience", "0.5", *url(registry))
    assert (done.exit_code, registry.view.removed) == (1, [])
    progress, told = done.told.splitlines()
    assert progress == "b drains: 1 blob (1000 B) left to be copied"
    assert "STALLED" in told
    assert "1 blobs (1000 bytes) are nowhere else" in told
    assert "the disk of a is full" in told
    [b] = [m for m in registry.layouts.live.newest.members if m.node == "b"]
    assert b.availability == "active", "it is as it was"


async def test_who_drained_before_goes_on_draining(registry: Registry):
    settle(registry, "local: a b solo", copies=2)
    await registry.call("POST", "/atoll/v1/members/b/drain")
    registry.layouts.held = [ALONE]
    done = await atoll("node", "remove", "b", "--patience", "0", *url(registry))
    assert (done.exit_code, "STALLED" in done.told) == (1, True)
    [b] = [m for m in registry.layouts.live.newest.members if m.node == "b"]
    assert b.availability == "draining"


async def test_progress_is_told_as_it_is_made(registry: Registry):
    settle(registry, "local: a b solo", copies=1)
    registry.layouts.held = [ALONE, Row(Digest.of(b"other"), 24, {NodeId("b")})]
    told = []

    def tell(text: str) -> None:
        told.append(text)
        registry.layouts.held.pop()

    await asyncio.to_thread(until_safe, registry.url, "b", patience_s=10.0, tell=tell)
    assert told == [
        "b drains: 2 blobs (1.0 KiB) left to be copied",
        "b drains: 1 blob (1000 B) left to be copied",
    ]


async def test_a_lost_member_goes_by_its_name_alone(registry: Registry):
    """Broken: a slip of the finger, or a script, and the last copies are gone."""
    settle(registry, "local: a b solo", copies=1)
    registry.layouts.held = [ALONE]
    done = await atoll("node", "remove", "b", "--lost", *url(registry))
    assert (done.exit_code, registry.view.removed) == (1, [])
    assert "1 blob (1000 B) that nobody else has" in done.told
    assert "give --yes-i-lose b" in done.told
    base = f"127.0.0.1:{registry.port}"
    with pytest.raises(CommandError, match="nothing was done"):
        await asyncio.to_thread(remove_lost, base, ["b"], ask_word=typed("yes"), given=())
    assert registry.view.removed == []
    await asyncio.to_thread(remove_lost, base, ["b"], ask_word=typed("b"), given=())
    done = await atoll("node", "remove", "b", "--lost", "--yes-i-lose", "b", *url(registry))
    assert (done.exit_code, done.output) == (0, "b is removed\n")
    assert registry.view.removed == [("b", True)] * 2
    registry.view.not_removed = MemberNotDead("b", "alive")
    done = await atoll("node", "remove", "b", "--lost", "--yes-i-lose", "b", *url(registry))
    assert (done.exit_code, "b is alive" in done.told) == (1, True)


async def test_most_of_a_region_go_by_one_change(registry: Registry):
    """Broken: each is refused, as a majority of its region is silent until the other goes."""
    settle(registry, "eu: a b c solo", copies=2)
    for node in ("b", "c"):
        registry.view.members += (known(node, status=Status.DEAD, connected=False),)
    lost = ("--yes-i-lose", "c", "--yes-i-lose", "b")
    done = await atoll("node", "remove", "b", "c", "--lost", *lost, *url(registry))
    assert (done.exit_code, done.output) == (0, "b, c are removed\n"), done.told
    assert registry.layouts.live.newest.nodes == {"a", "solo"}


async def test_another_node_takes_a_members_place(registry: Registry):
    settle(registry, "local: a b solo", copies=1)
    registry.layouts.there["d"] = member("d", "local")
    done = await atoll("node", "replace", "b", "d", *url(registry))
    assert (done.exit_code, done.output) == (0, "d is in the place of b\n"), done
    assert NodeId("d") in registry.layouts.live.newest.nodes
    assert registry.view.removed == [("b", False)]
    same = await atoll("node", "replace", "b", "b", *url(registry))
    assert (same.exit_code, "--lost" in same.told) == (1, True)


async def test_a_lost_disk_is_replaced_by_its_nodes_name(registry: Registry):
    settle(registry, "local: a b solo z", copies=1)
    registry.layouts.there["z"] = member("z", "local", disk=2)
    refused = await atoll("node", "replace", "z", "z", "--lost", *url(registry))
    assert (refused.exit_code, "--yes-i-lose z" in refused.told) == (1, True)
    done = await atoll("node", "replace", "z", "z", "--lost", "--yes-i-lose", "z", *url(registry))
    assert done.exit_code == 0, done
    replaced = registry.layouts.live.newest.member(NodeId("z"))
    assert replaced is not None
    assert replaced.store == "z-disk2"


# --- the layout -----------------------------------------------------------------------------------


async def test_what_was_planned_is_what_is_applied(registry: Registry):
    settle(registry, "local: a b solo", copies=1)
    plan = await atoll("layout", "plan", "--weight", "b=7", "--copies", "2", *url(registry))
    assert plan.exit_code == 0, plan
    assert "  b: weight 100 -> 7\n  copies: 1 -> 2\n" in plan.output
    assert "atoll layout apply --version 2" in plan.output
    shown = await atoll("layout", "show", *url(registry))
    assert "planned: version 2" in shown.output
    done = await atoll("layout", "apply", "--version", "2", *url(registry))
    assert (done.exit_code, "copies: 2" in done.output) == (0, True)
    stale = await atoll("layout", "apply", "--version", "2", *url(registry))
    assert (stale.exit_code, "plan again" in stale.told) == (1, True)
    history = await atoll("layout", "history", *url(registry))
    assert "version 2 begins, by solo, asked by ann\n  b: weight 100 -> 7" in history.output


async def test_of_two_plans_nobody_applies_the_other_one(registry: Registry):
    """Broken: two operators plan at one node, and one brings about what the other meant."""
    settle(registry, "local: a b solo", copies=1)
    for weight in ("7", "8"):
        await atoll("layout", "plan", "--weight", f"b={weight}", *url(registry))
    done = await atoll("layout", "apply", "--version", "2", *url(registry))
    assert (done.exit_code, "several plans" in done.told) == (1, True)
    shown = json.loads((await atoll("layout", "show", "--json", *url(registry))).output)
    first = shown["plans"][0]["fingerprint"][:12]
    done = await atoll("layout", "apply", "--version", "2", "--plan", first, *url(registry))
    assert done.exit_code == 0, done
    assert registry.layouts.live.newest.member(NodeId("b")).weight == 7


async def test_a_plan_that_loses_somebody_is_not_applied_by_the_way(registry: Registry):
    settle(registry, "local: a b solo z", copies=1)
    change = {"change": "remove", "node": "z", "lost": True}
    await registry.call("POST", "/atoll/v1/layout/plan", json={"changes": [change]})
    done = await atoll("layout", "apply", "--version", "2", *url(registry))
    assert (done.exit_code, "give --yes-i-lose z" in done.told) == (1, True)
    base = f"127.0.0.1:{registry.port}"
    await asyncio.to_thread(apply, base, 2, "", ask_word=typed("z"), given=())
    assert NodeId("z") not in registry.layouts.live.newest.nodes


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "nothing to plan"),
        (("--weight", "b"), "'b' is not NAME=VALUE"),
        (("--weight", "b=heavy"), "'heavy' is not a number"),
        (("--copies", "9"), "ask for fewer copies"),
        (("--roles", "b=king"), "changes must be a list"),
    ],
)
async def test_plans_that_make_no_sense(registry: Registry, options: tuple[str, ...], told: str):
    settle(registry, "local: a b solo", copies=1)
    done = await atoll("layout", "plan", *options, *url(registry))
    assert (done.exit_code, told in done.told) == (1, True), done


async def test_all_that_can_be_planned_is_sent(registry: Registry):
    settle(registry, "local: a solo, us: x y z", copies=2)
    registry.layouts.there["d"] = member("d", "local")
    done = await atoll(
        *("layout", "plan", "--zone", "x=r1", "--pause", "y", "--witness", "local=z"),
        *("--region-copies", "us=1", "--regions-min", "2", "--degraded-writes", "refuse"),
        *("--voters", "a,x,solo", "--json", *url(registry)),
    )
    assert done.exit_code == 0, done
    assert set(json.loads(done.output)["changes"]) >= {
        "x: zone (none) -> r1",
        "y: availability active -> paused",
        "witness of region local: z",
        "copies in region us: 1, weight 1",
        "regions_min: 1 -> 2",
        "degraded_writes: allow -> refuse",
    }


async def test_who_is_missing_for_a_decision_is_named(registry: Registry):
    registry.layouts.refused = NotDecided("too few voters answer", ["b", "c"])
    done = await atoll("layout", "plan", "--copies", "1", *url(registry))
    assert (done.exit_code, "missing: b, c" in done.told) == (1, True)


async def test_a_cluster_is_begun_by_a_command(registry: Registry):
    registry.layouts.absent = NotDecided("there is no layout yet")
    done = await atoll("layout", "init", *url(registry))
    assert (done.exit_code, "version 1" in done.output) == (0, True)


async def test_after_a_disaster_the_lost_are_typed(registry: Registry):
    settle(registry, "local: a b solo", copies=1)
    survivors = ("layout", "force", "--survivors", "solo")
    for given in ((), ("--yes-i-lose", "a")):
        done = await atoll(*survivors, *given, *url(registry))
        assert (done.exit_code, registry.layouts.survivors) == (1, [])
        assert "nothing was done" in done.told
    done = await atoll(*survivors, "--yes-i-lose", "a", "--yes-i-lose", "b", *url(registry))
    assert done.exit_code == 0, done
    base = f"127.0.0.1:{registry.port}"
    await asyncio.to_thread(force, base, ["solo"], ask_word=typed("a, b"), given=())
    assert registry.layouts.survivors == [{"solo"}] * 2


# --- leaving --------------------------------------------------------------------------------------


async def drained(registry: Registry) -> None:
    """Let *solo* be one of three, with nothing that others lack."""
    settle(registry, "local: a b solo", copies=1)


async def test_leaving_alone_waits_for_nobody(registry: Registry):
    await drained(registry)
    done = await atoll("leave", *url(registry), "--drain", "1.5")
    assert done.exit_code == 0, done
    assert "solo is leaving; nobody was connected" in done.output
    assert registry.view.departures == [1.5]


async def test_the_last_of_a_cluster_does_not_leave(registry: Registry):
    done = await atoll("leave", *url(registry))
    assert (done.exit_code, registry.view.departures) == (1, [])
    assert "copies: 1 wanted, 0 possible" in done.told


async def test_leaving_waits_for_copies_and_says_so(registry: Registry):
    """Broken: a script takes two nodes out, and what they had is nowhere, or on one disk."""
    await drained(registry)
    registry.layouts.held = [Row(Digest.of(b"alone"), 1000, {NodeId("solo")})]
    done = await atoll("leave", *url(registry), "--patience", "0.5")
    assert (done.exit_code, registry.view.departures) == (1, [])
    assert "solo drains: 1 blob (1000 B) left to be copied" in done.told
    assert "STALLED" in done.told
    lost = await atoll("leave", *url(registry), "--lost")
    assert (lost.exit_code, "give --yes-i-lose solo" in lost.told) == (1, True)
    assert registry.view.departures == []
    lost = await atoll("leave", *url(registry), "--lost", "--yes-i-lose", "solo")
    assert (lost.exit_code, len(registry.view.departures)) == (0, 1)


@pytest.mark.parametrize("said", ["solo", "yes"])
async def test_who_types_the_command_is_asked(registry: Registry, said: str):
    leaving = asyncio.to_thread(
        ask_to_leave,
        f"127.0.0.1:{registry.port}",
        None,
        1.0,
        tell=print,
        lost=True,
        ask_word=typed(said),
    )
    if said == "solo":
        assert "solo is leaving" in (await leaving).text
    else:
        with pytest.raises(CommandError, match="nothing was done"):
            await leaving
    assert len(registry.view.departures) == (said == "solo")


@pytest.mark.parametrize(
    ("went", "told"),
    [
        (Farewell("left", [NodeId("peer")]), ""),
        (Farewell("left", [NodeId("x")]), "peer did not say that it is no member any more"),
        (Farewell("failed", (), "b drains"), "solo stops, and is still a member: b drains"),
        (Farewell("draining"), "solo was asked to leave, and has not left yet"),
    ],
)
async def test_leaving_is_done_when_the_peers_have_taken_note(
    registry: Registry, went: Farewell, told: str
):
    """An operator who is told too early takes the disk away while others wait for the node."""
    settle(registry, "local: peer solo x", copies=1)
    registry.view.members = (known("peer", http="127.0.0.1:1"),)
    registry.view.went = went
    done = await atoll("leave", *url(registry), "--drain", "0", "--timeout", "0.5")
    if told:
        assert (done.exit_code, told in done.told) == (1, True), done
    else:
        assert (done.exit_code, done.output) == (0, "solo has left\n"), done
