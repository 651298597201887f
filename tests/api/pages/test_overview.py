"""The first page."""

import re

import pytest

from cluster.model import Status
from node.copies.stakes import Shortfall
from node.identity.actions import Role
from node.ui.overview import first_steps
from tests.api.conftest import Registry, StartRegistry
from tests.api.pages.browser import Browser, check_harmless
from tests.api.scene import PASSWORD, Scene
from tests.api.test_attention import kill
from tests.api.test_layout_api import known, settle


async def overview(registry: Registry) -> str:
    answer = await Browser(registry).get("/ui/")
    assert answer.status == 200
    check_harmless(answer.body)
    return answer.body.decode()


async def test_a_first_run_has_the_commands(registry: Registry):
    text = await overview(registry)
    host = f"127.0.0.1:{registry.port}"
    assert re.findall(r'data-copy="([^"]*)"', text) == [
        f"docker tag alpine {host}/team-a/alpine:3",
        f"docker push {host}/team-a/alpine:3",
    ]
    await registry.push_image("lib/app", "v1")
    assert "data-copy" not in await overview(registry)


def test_where_people_log_in_that_comes_first():
    """Broken: docker asks for a name and a password where nobody has one."""
    login, *rest = [each.text for each in first_steps("registry.test:5000", is_open=False)]
    assert login == "docker login registry.test:5000"
    assert rest == [each.text for each in first_steps("registry.test:5000", is_open=True)]


async def test_what_is_wrong_is_told_with_what_to_do(registry: Registry):
    settle(registry, "local: b solo z")
    registry.view.members = (known("z"),)
    kill(registry, "b")
    registry.layouts.shortfall = Shortfall(9, 90, 2, 20, 0, 0, ())
    told = await registry.call("GET", "/atoll/v1/attention")
    text = await overview(registry)
    assert "Serving: 1 thing needs you" in text
    concerns = told.json["attention"]
    assert concerns
    for concern in concerns:
        assert concern["title"] in text
        assert concern["runbook"] in text
        for step in concern["next"]:
            assert step["text"] in text.replace("&#39;", "'")
            assert step["command"] in text
        for consequence in concern["explains"]:
            assert consequence["title"] in text
    titles = [text.index(concern["title"]) for concern in concerns]
    assert titles == sorted(titles), "the worst first"


async def test_a_dead_node_is_in_the_verdict(registry: Registry):
    settle(registry, "local: solo b")
    registry.view.members = (known("b", status=Status.DEAD, connected=False),)
    assert "1 of 2 nodes answer, in 1 region." in await overview(registry)


@pytest.mark.parametrize(("role", "sees"), [(None, False), (Role.PULLER, True)])
async def test_who_may_not_look_at_the_cluster_is_told_nothing_of_it(
    start_registry: StartRegistry, role: Role | None, sees: bool
):
    """Broken: a developer reads which disk is full, and which nodes there are."""
    registry = await start_registry(accounts=True, is_open=False)
    accounts = registry.identity.accounts
    await accounts.put_user("ann", password=PASSWORD, disabled=False, create=True)
    if role is not None:
        await accounts.grant("*", "ann", role, (), 0.0)
    browser = Browser(registry)
    await browser.log_in("ann")
    answer = await browser.get("/ui/")
    assert answer.status == 200
    check_harmless(answer.body)
    assert (b"What needs attention" in answer.body) is sees
    assert (b"atoll doctor" in answer.body) is sees
    assert b"ann" in answer.body


async def test_a_page_comes_where_nothing_is_current(registry: Registry):
    """Broken: the page that says what is wrong is not there when something is."""
    from cluster.errors import NotCaughtUp

    registry.replicator.not_current = NotCaughtUp(["b"])
    assert "What needs attention" in await overview(registry)


async def test_recent_pushes_are_those_that_one_may_see(start_registry: StartRegistry):
    """Broken: a developer reads the names of images of others; or the first page shows none."""
    registry = await start_registry(accounts=True)
    scene = Scene(registry)
    await scene.fill()
    browser = Browser(registry)
    await browser.log_in("ann")
    answer = await browser.get("/ui/")
    assert answer.status == 200
    check_harmless(answer.body)
    text = answer.body.decode()
    assert '<a href="/ui/i/lib/app:v1">lib/app:v1</a>' in text
    assert "pub/app" in text
    assert "bobs/app" not in text
    assert "lib2/app" not in text


async def test_the_newest_push_comes_first(registry: Registry):
    for number in range(8):
        await registry.push_image("lib/app", f"v{number}", text=str(number))
    found = re.findall(r'href="/ui/i/lib/app:(v\d)"', await overview(registry))
    assert found == ["v7", "v6", "v5", "v4", "v3", "v2"]
