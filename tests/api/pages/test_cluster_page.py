"""The page of the cluster, and what of it is on the first one."""

import re
from typing import Any

import pytest

from cluster.layout import Hindrance, Phase, View
from cluster.model import NodeId, Region, Status, Vitals
from node.attention.facts import BlobSum, CopyPlaces, NodeCopies
from node.copies.stakes import Shortfall
from node.desk.series import Tally
from node.identity.actions import Role
from tests.api.conftest import Registry, StartRegistry
from tests.api.pages.browser import Browser, check_harmless
from tests.api.scene import PASSWORD
from tests.api.test_layout_api import known, planned, settle

CLUSTER = "/ui/cluster"


async def shown(registry: Registry, path: str = CLUSTER) -> str:
    answer = await Browser(registry).get(path)
    assert answer.status == 200, answer.body
    check_harmless(answer.body)
    return answer.body.decode().replace("\N{NO-BREAK SPACE}", " ")


def three(registry: Registry, **fields: Any) -> None:
    """solo and b are there; c is as *fields* say."""
    settle(registry, "local: b c solo")
    vitals = Vitals("1.2.3", 1000, 250, 7, 70)
    registry.view.members = (known("b", vitals=vitals), known("c", **fields))


async def count(registry: Registry) -> None:
    assert (await registry.call("GET", "/atoll/v1/status")).status == 200


async def test_it_says_how_many_serve_and_which_may_be_stopped(registry: Registry):
    three(registry)
    assert "Which nodes may be stopped is not known" in await shown(registry)
    await count(registry)
    text = await shown(registry)
    assert "3 of 3 nodes serve" in text
    assert "You may stop one of b, c, solo for a while." in text
    assert "3 of 3 voters answer, so the layout can be changed." in text
    assert "Nothing that takes long." in text


async def test_who_is_missing_is_named_on_both_pages(registry: Registry):
    """Broken: the figures of a node that hangs are taken for those of now."""
    three(registry, status=Status.DEAD, connected=False, lag_events=3)
    registry.view.written_at[3] = registry.time() - 41
    await count(registry)
    text = await shown(registry)
    assert "2 of 3 nodes serve No node may be stopped now." in re.sub(
        r"\s+", " ", re.sub("<[^>]*>", " ", text)
    )
    assert "not heard now: c" in text
    assert "2 are needed" in text
    assert text.index(">c<") < text.index(">b<"), "who is in trouble comes first"
    first = await shown(registry, "/ui/")
    assert "without c: not heard now" in first
    assert "1 of 3 do not serve" in first
    assert re.search(r"4[12] s", first)


async def test_a_node_has_its_row(registry: Registry):
    three(
        registry, clock_ahead_ms=12.0, settings_differing={"joining": "open"},
        vitals=Vitals("1.2.4", 1000, 100, 7, 70, "disk: no room"),
    )  # fmt: skip
    registry.view.round_trips_s["c"] = 0.084
    text = await shown(registry)
    for told in ("1.2.4", "84 ms", "+12 ms", "another joining: open", "disk: no room"):
        assert told in text
    assert 'value="90"' in text


async def test_work_has_a_bar_or_says_why_it_stalls(registry: Registry):
    three(registry)
    short = NodeCopies(BlobSum(4, 40_000_000), BlobSum(), BlobSum(1, 10_000_000))
    places = CopyPlaces({"b": short}, {}, BlobSum(1, 10_000_000), 1)
    registry.layouts.shortfall = Shortfall(9, 90, 1, 10_000_000, 0, 0, (), places)
    await count(registry)
    assert (await registry.call("POST", "/atoll/v1/members/b/drain")).status == 200
    view = View(Phase.STALLED, (Hindrance(Region("local"), NodeId("c"), "has not been heard"),))
    registry.layouts.open = view
    text = await shown(registry)
    assert "others get the copies of b" in text
    assert '<progress max="100" value="75"' in text
    assert "3 of 4 blobs, 30 MB of 40 MB" in text
    assert "region local: c has not been heard" in text
    assert "atoll layout show" in text


async def test_a_plan_is_shown_with_what_it_moves(registry: Registry):
    three(registry)
    assert "None here." in await shown(registry)
    made = (await planned(registry, {"change": "settings", "copies": 3})).json
    text = await shown(registry)
    assert f"Planned change: layout {made['version']}" in text
    assert "b at 75 % before, b at 75 % after" in text
    assert 'action="/ui/cluster/apply"' in text
    assert f"layout {made['version']}" in text


async def apply(
    browser: Browser, made: dict[str, Any], typed: str, **fields: str
) -> tuple[int, str]:
    given = {"version": str(made["version"]), "fingerprint": made["fingerprint"], "typed": typed}
    answer = await browser.post(f"{CLUSTER}/apply", {**given, **fields})
    return answer.status, answer.headers.get("Location", "")


async def test_a_plan_is_applied_by_its_number(registry: Registry):
    """Broken: a click by mistake changes the layout."""
    three(registry)
    made = (await planned(registry, {"change": "settings", "copies": 3})).json
    browser = Browser(registry)
    before = registry.layouts.live.newest.version
    assert (await apply(browser, made, "yes"))[0] == 400
    assert (await apply(browser, made, ""))[0] == 400
    assert (await apply(browser, made, str(made["version"]), fingerprint="f" * 64))[0] == 404
    assert registry.layouts.live.newest.version == before
    assert await apply(browser, made, str(made["version"])) == (303, "/ui/cluster#layouts")
    assert registry.layouts.live.newest.version == made["version"]
    assert (await apply(browser, made, str(made["version"])))[0] == 404, "it is no plan any more"
    text = await shown(registry)
    assert "ann" in text, "who asked for it"
    assert "begins" in text


async def test_a_plan_that_loses_members_takes_their_names(registry: Registry):
    """Broken: what only a member has is given up by who typed a number."""
    three(registry, status=Status.DEAD, connected=False)
    made = (await planned(registry, {"change": "remove", "node": "c", "lost": True})).json
    assert "Lost by it" in await shown(registry)
    browser = Browser(registry)
    assert (await apply(browser, made, str(made["version"])))[0] == 400
    assert registry.layouts.live.newest.member(NodeId("c")) is not None
    assert (await apply(browser, made, "c"))[0] == 303
    assert registry.layouts.live.newest.member(NodeId("c")) is None


async def test_a_member_that_is_lost_is_replaced_by_page(registry: Registry):
    """Broken: nobody can mend a cluster by page; or a member that lives is thrown out."""
    three(registry, status=Status.DEAD, connected=False)
    registry.layouts.alive = {NodeId("b")}
    assert (await shown(registry)).count("Replace or remove") == 1
    browser = Browser(registry)

    async def plan(node: str, by: str) -> tuple[int, str]:
        answer = await browser.post(f"{CLUSTER}/lost", {"node": node, "by": by})
        return answer.status, answer.headers.get("Location", "")

    assert (await plan("c", "nobody"))[0] == 409, "nobody of that name is there"
    assert (await plan("b", ""))[0] == 409, "it is alive"
    assert (await plan("c", "<b>"))[0] == 400
    assert registry.layouts.plans == []
    assert await plan("c", "") == (303, "/ui/cluster#plan")
    text = await shown(registry)
    assert "Lost by it" in text
    assert "Type <b>c</b>" in text
    assert registry.layouts.live.newest.member(NodeId("c")) is not None, "a plan changes nothing"


async def test_figures_are_those_of_one_node(registry: Registry):
    three(registry)
    registry.desk.cluster.sample()
    registry.view.tally = Tally(pulls=5)
    registry.desk.cluster.sample()
    text = await shown(registry, "/ui/")
    assert "Figures of solo alone." in text
    assert "so they are without b, c" in text
    assert "Manifests pulled" in text
    assert '<svg class="big-map"' in text


@pytest.mark.parametrize(("role", "status"), [(None, 403), (Role.PULLER, 200), (Role.ADMIN, 200)])
async def test_who_may_not_look_at_the_cluster_is_told_nothing_of_it(
    start_registry: StartRegistry, role: Role | None, status: int
):
    registry = await start_registry(accounts=True, is_open=False)
    accounts = registry.identity.accounts
    await accounts.put_user("ann", password=PASSWORD, disabled=False, create=True)
    if role is not None:
        await accounts.grant("*", "ann", role, (), 0.0)
    browser = Browser(registry)
    await browser.log_in("ann")
    answer = await browser.get(CLUSTER)
    assert answer.status == status
    check_harmless(answer.body)
    assert (b"Regions as a table" in (await browser.get("/ui/")).body) is (status == 200)
    assert (CLUSTER.encode() in (await browser.get("/ui/")).body) is (status == 200)
