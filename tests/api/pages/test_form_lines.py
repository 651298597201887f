"""What is done by a form of a page, or refused, has one line in the log, with its session."""

import io
import json
from typing import Any

import pytest

from node.http.client_address import TrustedProxies
from node.http.public_url import PublicUrl
from node.identity.actions import Role
from node.settings.kinds import Networks
from tests.api.conftest import Registry, StartRegistry
from tests.api.pages.browser import Browser
from tests.api.scene import OPERATOR, PASSWORD

PAGE = "/ui/i/lib/app:v1"
HISTORY = "/atoll/v1/repositories/lib/app/tags/v1"


@pytest.fixture
async def closed(start_registry: StartRegistry, lines: io.BytesIO) -> Registry:
    """Behind a proxy; ann may go back in lib, bob may look, and two images were pushed to v1."""
    registry = await start_registry(
        accounts=True,
        public_url=PublicUrl("https://registry.example"),
        proxies=TrustedProxies(Networks(most=1).parse("127.0.0.1/32")),
    )
    accounts = registry.identity.accounts
    for name in ("ann", "bob"):
        await accounts.put_user(name, password=PASSWORD, disabled=False, create=True)
    await accounts.put_project("lib", public=False, denies=())
    await accounts.grant("lib", "ann", Role.MAINTAINER, (), 0.0)
    await accounts.grant("lib", "bob", Role.PULLER, (), 0.0)
    registry.session.headers.update(OPERATOR)
    for text in ("old", "new"):
        await registry.push_image("lib/app", "v1", text=text)
    registry.session.headers.clear()
    return registry


async def logged_in(registry: Registry, name: str) -> Browser:
    browser = Browser(registry, tls=True)
    assert (await browser.log_in(name)).status == 303
    return browser


async def session_id(registry: Registry, browser: Browser) -> str:
    session = await registry.identity.sessions.find(browser.session)
    assert session is not None
    return session.id


async def going_back(registry: Registry, browser: Browser) -> dict[str, str]:
    """What the form of the page sends to go back to the first push."""
    view = (await registry.call("GET", HISTORY, headers=OPERATOR)).json
    new, old = (each["event"] for each in view["history"])
    return {"event": old, "seen": new, "proof": await browser.proof()}


def said(lines: io.BytesIO) -> list[dict[str, Any]]:
    """The lines of forms since the last look."""
    found = [json.loads(line) for line in lines.getvalue().splitlines()]
    lines.seek(0)
    lines.truncate()
    return [line for line in found if line.get("method") == "POST"]


def check_no_secret(lines: io.BytesIO, registry: Registry, *browsers: Browser) -> None:
    text = lines.getvalue().decode()
    for browser in browsers:
        assert len(browser.session) > 100
        assert browser.session not in text
        for part in browser.session.split("."):
            assert part not in text
    assert PASSWORD not in text


async def test_a_rollback_leaves_a_line_with_who_and_in_which_session(
    closed: Registry, lines: io.BytesIO
):
    browser = await logged_in(closed, "ann")
    form = await going_back(closed, browser)
    said(lines)
    assert (await browser.post(PAGE, form)).status == 303
    check_no_secret(lines, closed, browser)
    assert form["proof"] not in lines.getvalue().decode()
    [line] = said(lines)
    told = {
        "level": "info",
        "event": "request",
        "who": "ann",
        "client": "203.0.113.9",
        "session": await session_id(closed, browser),
        "action": "page.rollback",
        "repository": "lib/app",
        "subject": "v1",
        "path": PAGE,
        "status": 303,
    }
    assert {name: line.get(name) for name in told} == told
    assert line["request_id"]


async def test_a_form_from_elsewhere_leaves_a_line_that_it_was_refused(
    closed: Registry, lines: io.BytesIO
):
    """Broken: somebody tries what a browser has a session for, and nobody can see it."""
    browser = await logged_in(closed, "ann")
    form = await going_back(closed, browser)
    for fields, given in (
        ({"Sec-Fetch-Site": "cross-site"}, form),
        ({}, form | {"proof": "x" * 64}),
    ):
        said(lines)
        assert (await browser.post(PAGE, given, **fields)).status == 403
        check_no_secret(lines, closed, browser)
        [line] = said(lines)
        told = {
            "who": "ann",
            "client": "203.0.113.9",
            "session": await session_id(closed, browser),
            "action": "page.rollback",
            "repository": "lib/app",
            "subject": "v1",
            "status": 403,
            "code": "DENIED",
        }
        assert {name: line.get(name) for name in told} == told
        assert line["reason"]


async def test_who_may_not_is_named_with_their_session(closed: Registry, lines: io.BytesIO):
    """Broken: what somebody tried who may not is put down to nobody."""
    browser = await logged_in(closed, "bob")
    form = await going_back(closed, browser)
    said(lines)
    assert (await browser.post(PAGE, form)).status == 403
    [line] = said(lines)
    assert (line["who"], line["status"], line["action"]) == ("bob", 403, "page.rollback")
    assert line["session"] == await session_id(closed, browser)
    stranger = Browser(closed, tls=True)
    assert (await stranger.post(PAGE, form)).status == 401
    [line] = said(lines)
    assert (line["who"], line["status"]) == ("anonymous", 401)
    assert "session" not in line


async def test_a_form_without_a_repository_says_what_it_was_about(
    closed: Registry, lines: io.BytesIO
):
    await closed.identity.accounts.grant("*", "ann", Role.ADMIN, (), 0.0)
    browser = await logged_in(closed, "ann")
    form = {"version": "7", "fingerprint": "f" * 64, "typed": "7", "proof": await browser.proof()}
    said(lines)
    assert (await browser.post("/ui/cluster/apply", form)).status == 404
    [line] = said(lines)
    assert (line["action"], line["subject"], line["status"]) == (
        "page.layout.apply",
        "layout 7",
        404,
    )


async def test_one_id_finds_a_session_from_its_log_in_to_its_end(
    closed: Registry, lines: io.BytesIO
):
    browser = await logged_in(closed, "ann")
    known = await session_id(closed, browser)
    form = await going_back(closed, browser)
    await browser.post(PAGE, form)
    await browser.post("/ui/logout", {"proof": form["proof"]})
    found = [json.loads(line) for line in lines.getvalue().splitlines()]
    of_session = [line for line in found if line.get("session") == known]
    assert [line.get("action") or line["event"] for line in of_session] == [
        "session begun",
        "page.rollback",
        "session ended",
        "session.end",
    ]
    assert {line["who"] for line in of_session} == {"ann"}


async def test_what_is_read_and_what_programs_send_is_logged_as_before(
    closed: Registry, lines: io.BytesIO
):
    browser = await logged_in(closed, "ann")
    said(lines)
    assert (await browser.get("/ui/nothing")).status == 404
    assert (await closed.call("POST", f"{HISTORY}/rollback", data=b"{}")).status == 401
    found = [json.loads(line) for line in lines.getvalue().splitlines()]
    for line in found:
        assert not {"session", "action", "subject"} & set(line), line
