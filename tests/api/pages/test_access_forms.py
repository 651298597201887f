"""What the forms of access do, and for whom."""

import re
from html import unescape

import pytest

from node.http.session_cookie import PLAIN
from node.identity.actions import Role, Verb
from node.identity.documents import Deny
from node.identity.sessions import RECENT_S
from tests.api.conftest import Registry, StartRegistry
from tests.api.pages.accounts import (
    ACCESS,
    a_closed_registry,
    enter,
    links,
    log_in_status,
    secret_in,
    send,
    shown,
    words,
)
from tests.api.pages.browser import Browser, check_harmless
from tests.api.scene import PASSWORD, basic

ANOTHER = "another long password"


@pytest.fixture
async def closed(start_registry: StartRegistry) -> Registry:
    return await a_closed_registry(start_registry)


FORMS = (
    ("users", {"name": "eve"}),
    ("users/bob", {"set": "disabled"}),
    ("users/bob/delete", {"typed": "bob"}),
    ("groups", {"name": "devs"}),
    ("groups/ops", {"set": "nobody", "user": "bob"}),
    ("groups/ops/delete", {"typed": "ops"}),
    ("projects", {"name": "new"}),
    ("projects/lib", {"public": "true"}),
    ("projects/lib/roles", {"subject": "bob", "role": "admin"}),
    ("projects/lib/roles/revoke", {"subject": "ann"}),
    ("projects/lib/robots", {"name": "cd", "role": "puller"}),
    ("robots/lib+ci", {"set": "disabled"}),
    ("robots/lib+ci/delete", {"typed": "lib+ci"}),
    ("robots/lib+ci/secrets", {"label": "a", "role": "admin"}),
    ("roles", {"subject": "bob", "role": "admin"}),
    ("roles/revoke", {"subject": "root"}),
    ("password", {"password": ANOTHER, "again": ANOTHER}),
    ("tokens", {"label": "a", "role": "admin"}),
)


@pytest.mark.parametrize(("path", "fields"), FORMS, ids=[path for path, _ in FORMS])
async def test_a_form_is_of_this_session_from_here_and_of_a_moment_ago(
    closed: Registry, path: str, fields: dict[str, str]
):
    """Broken: a page of another site, or who finds a browser open, changes who may do what."""
    root = await enter(closed, "root")
    address, word = f"{ACCESS}/{path}", closed.identity.directory.word
    assert (await root.post(address, fields)).status == 403
    assert (await root.post(address, {**fields, "proof": "0" * 64})).status == 403
    proof = {"proof": await root.proof()}
    other = {"Sec-Fetch-Site": "cross-site"}
    assert (await root.post(address, {**fields, **proof}, **other)).status == 403
    assert (await Browser(closed).post(address, {**fields, **proof})).status == 401
    assert (await closed.call("POST", address, headers=basic("root"))).status == 401
    closed.time.now += RECENT_S
    stale = await root.post(address, {**fields, **proof})
    assert stale.status == 403
    assert b'type="password"' in stale.body
    check_harmless(stale.body)
    assert closed.identity.directory.word == word
    await root.log_in("root")
    assert (await send(root, path, **fields)).status in (200, 303)
    assert closed.identity.directory.word != word


async def test_who_logged_in_too_long_ago_is_offered_to_do_it_again(closed: Registry):
    root = await enter(closed, "root")
    closed.time.now += RECENT_S
    for path in ("", "?of=groups", "?of=roles", "?of=keys", "?of=account", "/users/bob",
                 "/groups/ops", "/projects/lib", "/robots/lib%2Bci"):  # fmt: skip
        page = await shown(root, f"{ACCESS}{path}")
        assert "Log in again" in page
        offered = re.findall('method="post" action="([^"]*)"', page)
        assert {*offered} <= {"/ui/logout", f"{ACCESS}/tokens/revoke"}
    [renew] = re.findall('href="(/ui/login[^"]*)"', page)
    assert unescape(renew) == "/ui/login?next=%2Fui%2Faccess%2Frobots%2Flib%252Bci"
    assert 'value="/ui/access/robots/lib%2Bci"' in await shown(root, unescape(renew))


async def test_a_user_is_made_once(closed: Registry):
    root = await enter(closed, "root")
    fields = {"name": "eve@example.org", "password": PASSWORD, "again": PASSWORD}
    answer = await send(root, "users", **fields)
    assert answer.headers["Location"] == f"{ACCESS}/users/eve%40example.org"
    made = closed.identity.directory.user("eve@example.org")
    again = await send(root, "users", **fields)
    assert again.status == 409
    assert closed.identity.directory.user("eve@example.org") == made
    page = await shown(root, answer.headers["Location"])
    assert "No role anywhere" in page
    assert await log_in_status(closed, "eve@example.org", PASSWORD) == 200
    assert (await send(root, "users", name="x", password=PASSWORD, again="")).status == 400
    assert (await send(root, "users", name="x", password="short", again="short")).status == 400
    assert closed.identity.directory.user("x") is None
    await send(root, "users", name="x", password="", again="")
    assert "x no password" in words(await shown(root))


HOSTILE = (
    '"><script>alert(1)</script>', "a/b", "../x", "Ann", "operator", "anonymous", "a\u202eb", "",
    "x" * 129, "a\x00b", "{{7*7}}", "a b",
)  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
async def test_hostile_names_are_refused_and_shown_as_text(closed: Registry, name: str):
    root = await enter(closed, "root")
    before = closed.identity.directory.word
    for path in ("users", "groups", "projects"):
        if path == "projects" and name in ("operator", "anonymous", "x" * 129):
            continue
        assert (await send(root, path, name=name)).status == 400
    if name not in ("operator", "anonymous"):
        given = {"name": name, "role": "puller"}
        assert (await send(root, "projects/lib/robots", **given)).status == 400
    assert (await send(root, "roles", subject=name, role="puller")).status == 404
    pattern = f"{name}%".replace(" ", "")
    given = {"subject": "bob", "role": "puller", "patterns": pattern}
    assert (await send(root, "roles", **given)).status == 400
    assert (await send(root, "users/bob/delete", typed=name)).status == 400
    assert closed.identity.directory.word == before


async def test_what_others_wrote_does_nothing_on_the_pages(closed: Registry):
    """Broken: a label, or a name out of another node's event, is markup."""
    accounts, evil = closed.identity.accounts, "</td><script>alert(1)</script>"
    ann = await enter(closed, "ann")
    await accounts.add_credential("ann", evil, expires=0.0, role=Role.ADMIN, patterns=())
    await accounts.add_credential("lib+ci", evil, expires=0.0, role=Role.ADMIN, patterns=())
    page = await shown(ann)
    assert "&lt;/td&gt;&lt;script&gt;" in page
    assert "&lt;script&gt;" in await shown(ann, f"{ACCESS}/robots/lib%2Bci")
    root = await enter(closed, "root")
    for path in ("users/%3Cscript%3E", "groups/%22%3E", "robots/lib%2B%3Cb%3E", "users/%E2%80%AE"):
        page = await shown(root, f"{ACCESS}/{path}", 404)
        assert "<script>alert" not in page
    await shown(root, f"{ACCESS}?of=%3Cscript%3E", 400)
    await shown(root, f"{ACCESS}?of=why", 400)
    await shown(root, f"{ACCESS}?after=%00%3Cscript%3E&q=%E2%80%AE")


async def test_a_user_is_disabled_and_enabled(closed: Registry):
    root, bob = await enter(closed, "root"), await enter(closed, "bob")
    answer = await send(root, "users/bob", set="disabled")
    assert answer.headers["Location"] == f"{ACCESS}/users/bob#log-in"
    assert (await bob.get(ACCESS)).status == 401
    page = await shown(root, f"{ACCESS}/users/bob")
    assert "disabled" in words(page)
    assert ">Enable</button>" in page
    await send(root, "users/bob", set="enabled")
    assert (await bob.get(ACCESS)).status == 200
    assert (await send(root, "users/bob", set="something")).status == 400
    assert (await send(root, "users/nobody", set="disabled")).status == 404


async def test_a_password_is_set_and_said_to_be(closed: Registry):
    root = await enter(closed, "root")
    fields = {"set": "password", "password": ANOTHER, "again": ANOTHER}
    answer = await send(root, "users/bob", **fields)
    address = answer.headers["Location"].partition("#")[0]
    assert ANOTHER not in answer.headers["Location"]
    assert "The password is set" in await shown(root, address)
    assert "The password is set" not in await shown(root, f"{ACCESS}/users/bob?done=x")
    assert "The password is set" not in await shown(root, f"{ACCESS}/users/bob?done=")
    assert await log_in_status(closed, "bob", ANOTHER) == 200
    assert await log_in_status(closed, "bob", PASSWORD) == 401


async def test_deleting_takes_the_name(closed: Registry):
    """Broken: a click by mistake deletes somebody for good."""
    root = await enter(closed, "root")
    opened = await shown(root, f"{ACCESS}/users/bob?confirm=delete")
    assert '<details class="confirm" open><summary>Delete…' in opened
    assert "open" not in re.findall("<details[^>]*", await shown(root, f"{ACCESS}/users/bob"))[-1]
    for typed in ("", "bo", "ann", "Bob"):
        assert (await send(root, "users/bob/delete", typed=typed)).status == 400
    assert (await send(root, "users/bob/delete", typed="bob")).status == 303
    assert closed.identity.directory.user("bob") is None
    assert (await send(root, "users/bob/delete", typed="bob")).status == 404
    assert (await send(root, "groups/ops/delete", typed="@ops")).status == 400
    assert (await send(root, "groups/ops/delete", typed="ops")).status == 303
    assert closed.identity.directory.group("ops") is None
    assert (await send(root, "robots/lib+ci/delete", typed="ci")).status == 400
    assert (await send(root, "robots/lib+ci/delete", typed="lib+ci")).status == 303
    assert closed.identity.directory.robot("lib+ci") is None


async def test_who_deletes_the_only_admin_is_told_so_first(closed: Registry):
    """As by the API and the commands it can be done: who may read the data directory is there."""
    root = await enter(closed, "root")
    lonely = "Nobody else runs the cluster"
    assert lonely in await shown(root, f"{ACCESS}/users/root")
    assert "This is you" in await shown(root, f"{ACCESS}/users/root")
    assert lonely in await shown(root, f"{ACCESS}?of=roles")
    assert lonely not in await shown(root, f"{ACCESS}/users/bob")
    await closed.identity.accounts.grant("*", "ann", Role.ADMIN, (), 0.0)
    assert lonely not in await shown(root, f"{ACCESS}/users/root")
    assert lonely not in await shown(root, f"{ACCESS}?of=roles")


async def test_members_come_and_go(closed: Registry):
    root = await enter(closed, "root")
    answer = await send(root, "groups/ops", set="member", user="ann")
    assert answer.headers["Location"] == f"{ACCESS}/groups/ops#members"
    page = await shown(root, f"{ACCESS}/groups/ops")
    assert [each for each in links(page) if "/users/" in each] == [
        f"{ACCESS}/users/ann", f"{ACCESS}/users/bob",
    ]  # fmt: skip
    await send(root, "groups/ops", set="nobody", user="bob")
    assert f"{ACCESS}/users/bob" not in links(await shown(root, f"{ACCESS}/groups/ops"))
    assert (await send(root, "groups/ops", set="member", user="nobody")).status == 404
    assert (await send(root, "groups/ops", set="x", user="ann")).status == 400
    answer = await send(root, "groups", name="devs")
    assert "Nobody is in it" in await shown(root, answer.headers["Location"])


async def test_roles_are_given_and_taken_away(closed: Registry):
    ann = await enter(closed, "ann")
    fields = {"subject": "bob", "role": "pusher", "patterns": "lib/app, lib/x/*", "days": "30"}
    assert (await send(ann, "projects/lib/roles", **fields)).status == 303
    page = words(await shown(ann, f"{ACCESS}/projects/lib"))
    assert re.search("bob pusher lib/app, lib/x/[*] in 30.days", page)
    bob = await enter(closed, "bob")
    assert "lib pusher lib/app" in words(await shown(bob))
    assert (await send(ann, "projects/lib/roles/revoke", subject="bob")).status == 303
    assert "lib pusher" not in words(await shown(bob))
    for wrong in ({"role": "king"}, {"days": "0"}, {"days": "x"}, {"patterns": "other/app"}):
        assert (await send(ann, "projects/lib/roles", **{**fields, **wrong})).status == 400
    assert (await send(ann, "projects/lib/roles", subject="eve", role="puller")).status == 404


async def test_a_role_of_who_is_gone_is_said_to_be(closed: Registry):
    accounts = closed.identity.accounts
    await accounts.grant("lib", "bob", Role.PUSHER, (), 0.0)
    await accounts.delete_user("bob")
    await accounts.put_user("bob", password=PASSWORD, disabled=False, create=True)
    ann = await enter(closed, "ann")
    assert "bob is not there any more" in words(await shown(ann, f"{ACCESS}/projects/lib"))
    bob = await enter(closed, "bob")
    assert "You have no role anywhere" in words(await shown(bob))


async def test_a_project_is_made_and_keeps_what_is_denied(closed: Registry):
    root = await enter(closed, "root")
    answer = await send(root, "projects", name="new", public="true")
    assert answer.headers["Location"] == f"{ACCESS}/projects/new"
    assert "strangers may pull" in await shown(root, f"{ACCESS}/projects/new")
    assert (await send(root, "projects", name="new")).status == 409
    accounts = closed.identity.accounts
    denies = [
        Deny("bob", Verb.PUSH, "new/app"),
        Deny("*", Verb.DELETE, "new/*"),
    ]
    await accounts.put_project("new", public=True, denies=denies)
    before = closed.identity.directory.project("new")
    page = words(await shown(root, f"{ACCESS}/projects/new"))
    assert "bob push new/app" in page
    asked = "user=bob&action=manifest.write&repository=new/app"
    told = words(await shown(root, f"{ACCESS}/why?{asked}"))
    assert "push is denied to bob in new/app" in told, "by the name, and not by an id"
    assert (await send(root, "projects/new", public="false")).status == 303
    after = closed.identity.directory.project("new")
    assert before is not None
    assert after is not None
    assert (after.id, after.denies, after.public) == (before.id, before.denies, False)


async def test_a_robot_is_made_and_its_secret_shown_once(closed: Registry):
    """Broken: a secret is in an address, kept by a cache, or there are two of a double click."""
    ann = await enter(closed, "ann")
    page = await shown(ann, f"{ACCESS}/projects/lib")
    [once] = re.findall('name="once" value="([0-9a-f]{16})"', page)
    fields = {
        "name": "cd", "role": "pusher", "patterns": "lib/app", "label": "deploy", "days": "90",
        "once": once,
    }  # fmt: skip
    answer = await send(ann, "projects/lib/robots", **fields)
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Location" not in answer.headers
    secret = secret_in(answer)
    assert secret.startswith(f"atoll_{once}_")
    assert "docker login -u lib+cd --password-stdin" in answer.body.decode()
    assert (await send(ann, "projects/lib/robots", **fields)).status == 409
    robot = closed.identity.directory.robot("lib+cd")
    assert robot is not None
    assert len(closed.identity.directory.credentials(robot.id)) == 1
    shown_later = await shown(ann, f"{ACCESS}/robots/lib%2Bcd")
    assert secret not in shown_later
    assert re.search(
        f"deploy {once} admin all repositories just now in 90.days", words(shown_later)
    )
    assert await log_in_status(closed, "lib+cd", secret) == 200
    for wrong in ({"role": "admin"}, {"role": "watcher"}, {"role": "x"}, {"days": "4000"}):
        assert (
            await send(ann, "projects/lib/robots", **{**fields, "name": "z", **wrong})
        ).status == 400
    assert closed.identity.directory.robot("lib+z") is None


async def test_a_secret_is_changed_for_another(closed: Registry):
    ann = await enter(closed, "ann")
    address = f"{ACCESS}/robots/lib%2Bci"
    [once] = re.findall('name="once" value="([0-9a-f]{16})"', await shown(ann, address))
    fields = {"label": "runner", "role": "pusher", "days": "", "patterns": "", "once": once}
    first = secret_in(await send(ann, "robots/lib+ci/secrets", **fields))
    again = await send(ann, "robots/lib+ci/secrets", **fields)
    assert again.status == 409
    assert b"atoll_" not in again.body
    second = secret_in(await send(ann, "robots/lib+ci/secrets", **{**fields, "once": ""}))
    assert await log_in_status(closed, "lib+ci", first) == 200
    opened = await shown(ann, f"{address}?confirm={once}")
    assert '<details class="confirm" open><summary>Take back…' in opened
    answer = await send(ann, "robots/lib+ci/secrets/revoke", id=once)
    assert answer.headers["Location"] == f"{address}#secrets"
    assert await log_in_status(closed, "lib+ci", first) == 401
    assert await log_in_status(closed, "lib+ci", second) == 200
    # What was taken back does not come again under the same id.
    assert (await send(ann, "robots/lib+ci/secrets", **fields)).status == 409
    assert (await send(ann, "robots/lib+ci/secrets", **{**fields, "once": "../x"})).status == 400
    assert (await send(ann, "robots/lib+ci/secrets/revoke", id=once)).status == 404


async def test_a_robot_ends_and_is_disabled(closed: Registry):
    ann = await enter(closed, "ann")
    assert (await send(ann, "robots/lib+ci", set="end", days="30")).status == 303
    assert (await send(ann, "robots/lib+ci", set="disabled")).status == 303
    robot = closed.identity.directory.robot("lib+ci")
    assert robot is not None
    assert robot.disabled
    assert robot.expires == closed.time.now + 30 * 86_400
    await send(ann, "robots/lib+ci", set="enabled")
    robot = closed.identity.directory.robot("lib+ci")
    assert robot is not None
    assert not robot.disabled
    assert robot.expires, "enabling it leaves its end alone"
    assert (await send(ann, "robots/lib+ci", set="x")).status == 400
    closed.time.now += 31 * 86_400
    ann = await enter(closed, "ann")
    assert "lib+ci has ended pusher" in words(await shown(ann, f"{ACCESS}/projects/lib"))


async def test_robots_of_a_project_that_is_gone_are_nobodys(closed: Registry):
    """Broken: who makes a project of an old name gets its robots."""
    accounts = closed.identity.accounts
    await accounts.delete_project("lib")
    await accounts.put_project("lib", public=False, denies=())
    root = await enter(closed, "root")
    assert "lib+ci" not in await shown(root, f"{ACCESS}?of=robots")
    assert "lib+ci" not in await shown(root, f"{ACCESS}/projects/lib")
    await shown(root, f"{ACCESS}/robots/lib%2Bci", 404)
    for path in ("", "/delete", "/secrets", "/secrets/revoke"):
        assert (
            await send(root, f"robots/lib+ci{path}", set="enabled", typed="lib+ci")
        ).status == 404


async def test_somebody_changes_their_own_password(closed: Registry):
    """Broken: the other browsers go on; or the one that asked is thrown out."""
    bob, elsewhere = await enter(closed, "bob"), await enter(closed, "bob")
    before = bob.session
    assert (await send(bob, "password", password=ANOTHER, again=PASSWORD)).status == 400
    assert (await send(bob, "password", password="short", again="short")).status == 400
    answer = await send(bob, "password", password=ANOTHER, again=ANOTHER)
    assert answer.status == 303
    assert bob.session != before
    assert "Your password is set" in await shown(bob, answer.headers["Location"].partition("#")[0])
    assert (await elsewhere.get(ACCESS)).status == 401
    assert (await Browser(closed).get(ACCESS, Cookie=f"{PLAIN}={before}")).status == 401
    assert await log_in_status(closed, "bob", ANOTHER) == 200


async def test_somebody_makes_tokens_of_their_own(closed: Registry):
    bob = await enter(closed, "bob")
    [once] = re.findall('name="once" value="([0-9a-f]{16})"', await shown(bob))
    fields = {"label": "laptop", "role": "puller", "days": "30", "patterns": "", "once": once}
    secret = secret_in(await send(bob, "tokens", **fields))
    assert (await send(bob, "tokens", **fields)).status == 409
    page = await shown(bob)
    assert secret not in page
    assert "laptop" in words(page)
    assert await log_in_status(closed, "bob", secret) == 200
    assert (await send(bob, "tokens", **{**fields, "label": ""})).status == 400
    closed.time.now += RECENT_S
    assert (await send(bob, "tokens/revoke", id=once)).status == 303, "at any time"
    assert await log_in_status(closed, "bob", secret) == 401
    assert (await send(bob, "tokens/revoke", id=once)).status == 404


async def test_a_key_is_taken_back(closed: Registry):
    root = await enter(closed, "root")
    [key] = closed.identity.directory.keys()
    assert (await send(root, "keys/revoke", key=key.id, typed="x")).status == 400
    opened = await shown(root, f"{ACCESS}?of=keys&confirm={key.id}")
    assert '<details class="confirm" open>' in opened
    assert (await send(root, "keys/revoke", key=key.id, typed=key.id)).status == 303
    assert (await root.get(ACCESS)).status == 401, "it has signed this session, too"


async def test_a_write_that_is_not_confirmed_is_told_as_that(closed: Registry):
    root = await enter(closed, "root")
    proof = await root.proof()
    closed.replicator.not_durable = True
    form = {"proof": proof, "name": "eve", "password": "", "again": ""}
    answer = await root.post(f"{ACCESS}/users", form)
    assert answer.status == 503
    check_harmless(answer.body)


async def test_who_may_not_see_the_tab_has_none(closed: Registry, start_registry: StartRegistry):
    bob = await enter(closed, "bob")
    assert ">Access</a>" in await shown(bob, "/ui/")
    assert ">Access</a>" not in await shown(Browser(closed), "/ui/", 401)
