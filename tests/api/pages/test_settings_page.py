"""The page of the settings, and what is planned from there."""

import re
from html import unescape

import pytest

from cluster.errors import NotDecided
from node.assembly.settings import own_setting
from node.identity.actions import Role
from node.identity.sessions import RECENT_S
from node.settings import load
from node.settings.model import NAMES
from tests.api.conftest import Registry, StartRegistry
from tests.api.pages.browser import Browser, check_harmless
from tests.api.scene import PASSWORD
from tests.api.test_layout_api import known, settle

PAGE = "/ui/settings"
HELD = {"copies": "1", "regions_min": "1", "degraded_writes": "allow"}


async def shown(registry: Registry, path: str = PAGE) -> str:
    """The text of the page, in one line."""
    answer = await Browser(registry).get(path)
    assert answer.status == 200, answer.body
    check_harmless(answer.body)
    text = re.sub("<[^>]*>", " ", answer.body.decode()).replace("\N{NO-BREAK SPACE}", " ")
    return " ".join(unescape(text).split())


@pytest.fixture
async def closed(start_registry: StartRegistry) -> Registry:
    """ann runs the cluster, bob may look at it, and cid has a project."""
    registry = await start_registry(accounts=True, is_open=False)
    accounts = registry.identity.accounts
    for name, role in (("ann", Role.ADMIN), ("bob", Role.MAINTAINER), ("cid", None)):
        await accounts.put_user(name, password=PASSWORD, disabled=False, create=True)
        if role is not None:
            await accounts.grant("*", name, role, (), 0.0)
    await accounts.put_project("lib", public=False, denies=())
    await accounts.grant("lib", "cid", Role.ADMIN, (), 0.0)
    return registry


async def logged_in(registry: Registry, name: str) -> Browser:
    browser = Browser(registry)
    assert (await browser.log_in(name)).status == 303
    return browser


async def test_each_value_says_where_it_comes_from(start_registry: StartRegistry, tmp_path):
    file = tmp_path / "atoll.toml"
    file.write_text('region = "eu"\n')
    given = load(
        {"data_dir": "/var/lib/atoll", "copies": "3", "config": str(file)},
        {"ATOLL_LOG_LEVEL": "debug", "ATOLL_CORS_ORIGINS": "https://a.example"},
    )
    registry = await start_registry(own_settings=[own_setting(given, name) for name in NAMES])
    text = await shown(registry)
    assert "copies 3 nodes counts when a cluster begins; since then the layout's" in text
    assert "flag --copies" in text
    assert "log_level debug environment ATOLL_LOG_LEVEL" in text
    assert f"region eu file {file}" in text
    assert "cors_origins https://a.example environment ATOLL_CORS_ORIGINS" in text
    assert "advertise_http the address in http default" in text
    assert all(f" {name} " in text for name in NAMES)


async def test_what_holds_in_the_whole_cluster_is_the_layouts(registry: Registry):
    settle(registry, "local: b solo")
    registry.view.members = (known("b", settings_differing={"joining": "open"}),)
    text = await shown(registry)
    assert f"by layout {registry.layouts.live.newest.version}" in text
    assert "regions_min 1 1 to 256" in text
    assert "atoll layout plan --copies" in text
    assert "open at b" in text
    registry.layouts.absent = NotDecided("there is no layout yet")
    text = await shown(registry)
    assert "There is no layout yet, so nothing holds in the whole cluster." in text
    assert "Plan" not in text


async def test_other_values_are_planned_and_nothing_changes(registry: Registry):
    settle(registry, "local: b c solo")
    registry.view.members = (known("b"), known("c"))
    before = registry.layouts.live.newest
    browser = Browser(registry)
    answer = await browser.post(f"{PAGE}/plan", HELD | {"copies": "3", "degraded_writes": "refuse"})
    assert (answer.status, answer.headers["Location"]) == (303, "/ui/cluster#plan")
    assert registry.layouts.live.newest == before
    [plan] = registry.layouts.plans
    assert (plan.newest.settings.copies, plan.newest.settings.regions_min) == (3, 1)
    assert plan.newest.settings.degraded_writes == "refuse"
    text = await shown(registry, "/ui/cluster")
    assert f"Planned change: layout {plan.newest.version}" in text
    assert "Moves 0 blobs" in text, "what it would move is kept"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("copies", "0"),
        ("copies", "17"),
        ("copies", "two"),
        ("copies", "\N{ARABIC-INDIC DIGIT TWO}"),
        ("copies", "9" * 5000),
        ("regions_min", "257"),
        ("regions_min", ""),
        ("degraded_writes", "accept"),
    ],
)
async def test_what_cannot_be_is_refused_and_named(registry: Registry, field: str, value: str):
    settle(registry, "local: b solo")
    answer = await Browser(registry).post(f"{PAGE}/plan", HELD | {field: value})
    assert answer.status == 400
    check_harmless(answer.body)
    assert f"{field} has to be" in answer.body.decode()
    assert list(registry.layouts.plans) == []


async def test_the_same_values_are_no_plan(registry: Registry):
    settle(registry, "local: b solo")
    live = registry.layouts.live.newest.settings
    held = HELD | {"copies": str(live.copies)}
    assert (await Browser(registry).post(f"{PAGE}/plan", held)).status == 400


async def test_it_is_for_who_runs_the_cluster(closed: Registry):
    for name, status in (("ann", 200), ("bob", 403), ("cid", 403)):
        browser = await logged_in(closed, name)
        answer = await browser.get(PAGE)
        assert answer.status == status, name
        check_harmless(answer.body)
        has_tab = PAGE.encode() in (await browser.get("/ui/")).body
        assert has_tab is (status == 200), name
        form = HELD | {"copies": "2", "proof": await browser.proof()}
        if status == 403:
            assert (await browser.post(f"{PAGE}/plan", form)).status == 403
    stranger = await Browser(closed).get(PAGE)
    assert stranger.status == 401
    assert b'type="password"' in stranger.body
    assert b"/var/lib/atoll" not in stranger.body


async def test_who_asks_for_json_is_told_the_route(closed: Registry):
    browser = await logged_in(closed, "ann")
    answer = await browser.get(PAGE, Accept="application/json")
    assert answer.status == 406
    assert b"/atoll/v1/settings" in answer.body


async def test_a_plan_takes_a_log_in_of_a_moment_ago_and_a_form_of_ours(closed: Registry):
    settle(closed, "local: b c solo")
    browser = await logged_in(closed, "ann")
    form = HELD | {"copies": "3", "proof": await browser.proof()}
    for fields, given in (({"Sec-Fetch-Site": "cross-site"}, form), ({}, form | {"proof": "x"})):
        assert (await browser.post(f"{PAGE}/plan", given, **fields)).status == 403
    closed.time.now += RECENT_S
    answer = await browser.post(f"{PAGE}/plan", form)
    assert answer.status in (401, 403)
    assert b'type="password"' in answer.body
    assert list(closed.layouts.plans) == []
    closed.time.now -= RECENT_S
    assert (await browser.post(f"{PAGE}/plan", form)).status == 303
    assert len(closed.layouts.plans) == 1
