"""The pages of a tag and of an image, and going back by them."""

import asyncio
import json
import re
from html import unescape

import pytest

from cluster.errors import NotCaughtUp
from cluster.model import Digest, Dot, Key
from cluster.objects import Write
from node.identity.actions import Role
from tests.api.conftest import Answer, Registry, StartRegistry
from tests.api.pages.browser import Browser, check_harmless
from tests.api.pages.hostile import LAYERS, LINK, REPOSITORY, SCRIPT, TAG, push_hostile
from tests.api.scene import PASSWORD, a_scene
from tests.builders import an_event

PAGE = "/ui/i/lib/app:v1"


async def read(registry: Registry, path: str = PAGE, status: int = 200) -> str:
    """What the page says, its markup taken away."""
    return text_of(await Browser(registry).get(path), status)


def text_of(answer: Answer, status: int = 200) -> str:
    assert answer.status == status, answer.body[-2000:]
    check_harmless(answer.body)
    bare = re.sub(r"<[^>]*>", " ", answer.body.decode())
    return " ".join(unescape(bare).replace("\N{NO-BREAK SPACE}", " ").split())


async def two_pushes(registry: Registry) -> tuple[str, str]:
    """The events of an old and a new push."""
    await registry.push_image("lib/app", "v1", text="old")
    await registry.push_image("lib/app", "v1", text="new")
    old, new = registry.index.metadata.tag_history("lib/app", "v1")
    return str(old.version.dot), str(new.version.dot)


async def in_conflict(registry: Registry) -> tuple[str, str]:
    """The events of two pushes that had not heard of each other, the served one first."""
    await registry.push_image("lib/app", "v1", text="mine")
    other = await registry.push_image("lib/app", text="other")
    stamp = registry.index.journal.clock.tick(0)
    theirs = an_event(Dot("zz", 1, 1), Key("tag", "lib/app", "v1"), Write((), other), stamp)
    await registry.index.replica.apply([theirs])
    served, *rest = sorted(
        registry.index.metadata.tag_register("lib/app", "v1").heads,
        key=lambda head: head.stamp,
        reverse=True,
    )
    return str(served.dot), str(rest[0].dot)


def served(registry: Registry) -> str:
    found = registry.index.metadata.tagged("lib/app", "v1")
    assert found is not None
    return found.digest


async def test_a_tag_has_a_page(registry: Registry):
    await two_pushes(registry)
    text = await read(registry)
    digest = served(registry)
    host = f"127.0.0.1:{registry.port}"
    assert f"docker pull {host}/lib/app:v1" in text
    assert f"docker pull {host}/lib/app@{digest}" in text
    assert "Known in 1 of 1 regions, complete in 1" in text
    assert "Roll back v1" in text
    assert "served now" in text
    assert f"atoll image {host}/lib/app:v1" in text


async def test_an_image_has_a_page_by_its_digest(registry: Registry):
    await registry.push_image("lib/app", "v1", "v2", text="old")
    digest = served(registry)
    await registry.push_image("lib/app", "v1", text="new")
    text = await read(registry, f"/ui/i/lib/app@{digest}")
    assert "tags v2" in text
    assert "earlier also v1" in text
    assert "History" not in text


async def test_a_rollback_goes_on_to_the_page_that_says_so(registry: Registry):
    old, new = await two_pushes(registry)
    browser = Browser(registry)
    answer = await browser.post(PAGE, {"event": old, "seen": new})
    assert answer.status == 303, answer.body
    text = text_of(await browser.get(answer.headers["Location"].partition("#")[0]))
    assert "v1 is rolled back" in text
    assert "rolled back" in text
    assert "v1 is rolled back" not in await read(registry, f"{PAGE}?done={new}"), (
        "any event will do"
    )


async def test_a_stale_rollback_is_412_and_says_what_is_now(registry: Registry):
    """Broken: who goes back throws away a push that the page did not show."""
    old, new = await two_pushes(registry)
    newest = await registry.push_image("lib/app", "v1", text="newest")
    answer = await Browser(registry).post(PAGE, {"event": old, "seen": new})
    text = text_of(answer, 412)
    assert "v1 has moved since the page was made" in text
    assert newest[:19] in text
    assert served(registry) == newest


async def test_a_double_click_does_one_thing(registry: Registry):
    old, new = await two_pushes(registry)
    browser = Browser(registry)
    answers = await asyncio.gather(
        *(browser.post(PAGE, {"event": old, "seen": new}) for _ in range(4))
    )
    assert [answer.status for answer in answers] == [303] * 4
    assert len(registry.index.metadata.tag_history("lib/app", "v1")) == 3


async def test_the_question_opens_without_a_script(registry: Registry):
    old, _ = await two_pushes(registry)
    answer = await Browser(registry).get(f"{PAGE}?rollback={old}")
    assert answer.body.count(b'<details class="confirm" open>') == 1
    assert b'<details class="confirm" open>' not in (await Browser(registry).get(PAGE)).body


async def test_a_conflict_shows_both_and_takes_an_answer(registry: Registry):
    ours, theirs = await in_conflict(registry)
    text = await read(registry)
    assert "v1 was pushed twice at the same time" in text
    assert "Keep the one from zz" in text
    assert "Keep the one from solo" in text
    browser = Browser(registry)
    answer = await browser.post(PAGE, {"event": theirs, "seen": theirs})
    assert "was pushed twice" in text_of(answer, 412)
    answer = await browser.post(PAGE, {"event": theirs, "seen": f"{ours},{theirs}"})
    assert answer.status == 303
    assert "was pushed twice" not in await read(registry)


async def test_a_deleted_tag_can_be_brought_back(registry: Registry):
    digest = await registry.push_image("lib/app", "v1")
    await registry.call("DELETE", "/v2/lib/app/manifests/v1")
    text = await read(registry)
    assert "v1 is deleted" in text
    deleted, written = reversed(registry.index.metadata.tag_history("lib/app", "v1"))
    form = {"event": str(written.version.dot), "seen": str(deleted.version.dot)}
    assert (await Browser(registry).post(PAGE, form)).status == 303
    assert served(registry) == digest


async def test_what_is_not_there_is_404(registry: Registry):
    await registry.push_image("lib/app", "v1")
    for path in ("/ui/i/lib/app:nope", "/ui/i/no:v1", f"/ui/i/lib/app@{Digest.of(b'')}"):
        answer = await Browser(registry).get(path)
        assert answer.status == 404
        check_harmless(answer.body)


@pytest.mark.parametrize("form", [{}, {"event": "x", "seen": ""}, {"event": "a/1/1", "seen": "x"}])
async def test_forms_that_make_no_sense_are_refused(registry: Registry, form: dict[str, str]):
    await two_pushes(registry)
    answer = await Browser(registry).post(PAGE, form)
    assert answer.status in (400, 404)
    assert len(registry.index.metadata.tag_history("lib/app", "v1")) == 2


async def test_another_site_cannot_roll_back(registry: Registry):
    old, new = await two_pushes(registry)
    form = {"event": old, "seen": new}
    answer = await Browser(registry).post(PAGE, form, **{"Sec-Fetch-Site": "cross-site"})
    assert answer.status == 403
    assert len(registry.index.metadata.tag_history("lib/app", "v1")) == 2


async def test_a_page_comes_without_what_is_not_known_in_time(registry: Registry):
    """Broken: a page waits for a node that does not answer."""
    await two_pushes(registry)
    registry.view.released.clear()
    text = await read(registry)
    assert "nobody who could tell has answered in time" in text
    assert "docker pull" in text


async def test_a_node_that_is_not_current_says_so(registry: Registry):
    await two_pushes(registry)
    registry.replicator.not_current = NotCaughtUp(["b"])
    answer = await Browser(registry).get(PAGE)
    assert answer.status == 503
    check_harmless(answer.body)


async def test_a_hostile_image_is_shown_and_does_nothing(registry: Registry):
    """Broken: who looks at an image does what its maker wants."""
    digest = await push_hostile(registry)
    for path in (f"/ui/i/{REPOSITORY}:{TAG}", f"/ui/i/{REPOSITORY}@{digest}"):
        answer = await Browser(registry).get(path)
        assert answer.status == 200
        check_harmless(answer.body)
        page = answer.body.decode()
        assert "\u202e" not in page
        assert r"\u202egpj.exe" in page
        assert SCRIPT not in page
        assert SCRIPT in unescape(page)
        assert LINK in page
        assert not re.search(r'href="[^"]*javascript:', page)
        assert 'href="https://a.example/x"' in page
        assert f"there are {LAYERS}" in page
        assert len(page) < 300_000


async def test_rights_are_those_of_the_api(start_registry: StartRegistry):
    """Broken: who may only pull sees who pushed, or is offered a rollback."""
    scene = await a_scene(start_registry)
    await scene.accounts.grant("lib", "bob", Role.PULLER, (), 0.0)
    await scene.accounts.put_user("cid", password=PASSWORD, disabled=False, create=True)
    await scene.accounts.grant("lib", "cid", Role.MAINTAINER, (), 0.0)
    event = str(scene.registry.index.metadata.tag_history("lib/app", "v1")[0].version.dot)
    path = "/ui/i/lib/app:v1"
    for who, status, history in (("bob", 200, False), ("cid", 200, True)):
        browser = Browser(scene.registry)
        await browser.log_in(who)
        text = text_of(await browser.get(path), status)
        assert ("History of" in text) is history
        assert ("operator" in text) is history
        proof = await browser.proof(path)
        answer = await browser.post(path, {"event": event, "seen": event, "proof": proof})
        assert answer.status == (303 if history else 403)
    stranger = Browser(scene.registry)
    assert (await stranger.get(path)).status == 401
    await stranger.log_in("ann")
    for hidden in ("/ui/i/lib2/app:v1", "/ui/i/lib2/none:v1", "/ui/i/none/app:v1"):
        answer = await stranger.get(hidden)
        assert answer.status == 404
        bodies = re.sub(
            rb"(lib2/none|lib2/app|none/app)|request <code>\S+|in \d+ ms", b"", answer.body
        )
        assert b"operator" not in bodies


# --- what happened -------------------------------------------------------------------------------


async def test_the_activity_has_a_page(registry: Registry):
    await two_pushes(registry)
    await in_conflict(registry)
    text = await read(registry, "/ui/activity")
    assert text.count("lib/app:v1") == 5
    assert "conflict" in text
    assert "atoll activity" in text
    text = await read(registry, "/ui/activity?kind=conflict&repo=lib/app&who=")
    assert "atoll activity --kind conflict --repository lib/app" in text
    assert text.count("lib/app:v1") == 1
    text = await read(registry, "/ui/activity?who=%3C/script%3E;x")
    assert "Nothing that was asked for has happened" in text
    assert (await Browser(registry).get("/ui/activity?kind=x")).status == 400
    answer = await Browser(registry).get("/ui/activity", Accept="application/json")
    assert (answer.status, b"/atoll/v1/activity" in answer.body) == (406, True)


async def test_the_activity_leads_further_back(registry: Registry):
    body = json.dumps({"digest": await registry.push_image("lib/app", "v1")}).encode()
    for _ in range(60):
        answer = await registry.call(
            "POST", "/atoll/v1/repositories/lib/app/tags/v1/rollback", data=body
        )
        assert answer.status == 200
    page = (await Browser(registry).get("/ui/activity")).body.decode()
    found = re.search(r'href="([^"]*)" rel="next"', page)
    assert found is not None
    text = await read(registry, unescape(found[1]))
    assert text.count("lib/app:v1") == 11
