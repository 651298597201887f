"""Secrets, where a password is sent, and when it counts."""

import json
from ipaddress import ip_network
from typing import Final

from node.http.public_url import PublicUrl
from node.identity.actions import Role
from node.identity.documents import RoleGrant, encode
from node.identity.errors import AccountExists, SecurityDocumentInvalid
from node.identity.login import Login
from node.identity.scopes import parse_scopes
from node.registry.values import PutSetting
from tests.api.conftest import StartRegistry
from tests.api.defences.checks import PULL, PUSH, Check
from tests.api.scene import (
    ANN,
    OPERATOR,
    PASSWORD,
    a_scene,
    basic,
    bearer,
)
from tests.fakes.identity import OPERATOR_SECRET


async def a_secret_is_for_no_more_than_it_says(start: StartRegistry) -> None:
    """CVE-2025-4374: what was made for pulling could do everything."""
    scene = await a_scene(start)
    made = await scene.accounts.add_credential(
        "ann", "ci", expires=0.0, role=Role.PULLER, patterns=("lib/app",)
    )
    little = basic("ann", made.secret.text)
    assert await scene.pull(little) == 200
    assert await scene.start(little) == 403
    body = json.dumps({"label": "more"})
    assert await scene.status("POST", "/atoll/v1/account/tokens", little, data=body) == 403
    new = json.dumps({"password": "a password of theirs"})
    assert await scene.status("PUT", "/atoll/v1/account/password", little, data=new) == 403
    assert await scene.status("POST", "/atoll/v1/account/tokens", ANN, data=body) == 201


async def secrets_expire_and_are_taken_back(start: StartRegistry) -> None:
    """Broken: a robot of years ago still pushes."""
    scene = await a_scene(start)
    await scene.accounts.put_robot("lib+ci", expires=0.0, disabled=False, create=True)
    await scene.accounts.grant("lib", "lib+ci", Role.PUSHER, (), 0.0)
    now = scene.registry.time.now
    made = [
        await scene.accounts.add_credential(
            "lib+ci", label, expires=expires, role=Role.ADMIN, patterns=()
        )
        for label, expires in (("old", now + 10), ("new", 0.0))
    ]
    old, new = (basic("lib+ci", each.secret.text) for each in made)
    token = await scene.token("lib+ci", PUSH, password=made[0].secret.text)
    assert [await scene.start(each) for each in (old, new, token)] == [202, 202, 202]
    scene.registry.time.now += 10
    assert [await scene.start(each) for each in (old, new, token)] == [401, 202, 401]
    await scene.accounts.revoke_credential("lib+ci", made[1].secret.id)
    assert await scene.start(new) == 401


async def a_robot_stays_in_its_project(start: StartRegistry) -> None:
    """Broken: who may make robots in one project may make them for all."""
    scene = await a_scene(start)
    await scene.accounts.put_robot("lib+ci", expires=0.0, disabled=False, create=True)
    for project, role in (("bobs", Role.PULLER), ("*", Role.PULLER), ("lib", Role.ADMIN)):
        try:
            await scene.accounts.grant(project, "lib+ci", role, (), 0.0)
        except SecurityDocumentInvalid:
            continue
        raise AssertionError(project)
    made = await scene.accounts.add_credential(
        "lib+ci", "ci", expires=0.0, role=Role.ADMIN, patterns=()
    )
    # Written by who does not go by the rules, it is worth nothing all the same.
    robot = scene.identity.directory.robot("lib+ci")
    assert robot is not None
    text = encode(RoleGrant(robot.id, "lib+ci", Role.ADMIN))
    await scene.registry.index.metadata.put(PutSetting("grant", f"*/{robot.id}", text))
    robots = basic("lib+ci", made.secret.text)
    assert await scene.pull(robots, "bobs/app") == 404
    assert await scene.status("GET", "/atoll/v1/status", robots) == 403


async def there_is_no_default_account(start: StartRegistry) -> None:
    """CVE-2026-4404, CVE-2019-16097: a password that everybody knows; anybody made themselves
    admin."""
    scene = await a_scene(start)
    for name, password in (
        ("admin", "admin"), ("admin", ""), ("operator", ""), ("", ""), ("ann", ""),
        ("operator", "operator"),
    ):  # fmt: skip
        assert await scene.status("GET", "/v2/", basic(name, password)) == 401
    assert await scene.status("GET", "/v2/", OPERATOR) == 200
    for caller in (None, ANN):
        body = json.dumps({"name": "eve", "password": PASSWORD})
        assert await scene.status("POST", "/atoll/v1/users", caller, data=body) in (401, 403)
        role = json.dumps({"subject": "ann", "role": "admin"})
        assert await scene.status("POST", "/atoll/v1/roles", caller, data=role) in (401, 403)
    for name in ("operator", "Ann", "a\0b", "lib+x"):
        try:
            await scene.accounts.put_user(name, password=PASSWORD, disabled=False, create=True)
        except SecurityDocumentInvalid:
            continue
        raise AssertionError(name)
    try:
        await scene.accounts.put_user("ann", password="x" * 20, disabled=False, create=True)
    except AccountExists:
        return
    raise AssertionError("ann was made twice")


async def the_operator_is_of_one_node_and_run(start: StartRegistry) -> None:
    """Broken: who could read a data directory once is admin of the cluster for a month."""
    scene = await a_scene(start)
    account = await scene.account("operator", OPERATOR_SECRET)
    await scene.identity.ensure_key()
    issued = scene.identity.tokens.issue(account, parse_scopes(["registry:atoll:*"]), refresh=True)
    token = bearer(issued.token)
    assert await scene.status("GET", "/atoll/v1/users", token) == 200
    login = scene.identity.login
    for secret in ("another one", ""):
        other = Login(
            scene.identity.directory, scene.identity.passwords, scene.registry.replicator,
            scene.registry.authority, scene.registry.time, cutoff_s=0.0, operator=secret,
        )  # fmt: skip
        assert login.subject(account) is not None
        assert other.subject(account) is None


async def nothing_slow_is_done_for_a_crowd(start: StartRegistry) -> None:
    """Broken: some hundred log-ins at once take all of the memory."""
    scene = await a_scene(start)
    passwords = scene.identity.passwords
    passwords._running = passwords._running_max
    assert await scene.status("GET", "/v2/", basic("ann", "not the password")) == 429
    passwords._running = 0
    assert await scene.status("GET", "/v2/", basic("ann", "not the password")) == 401


async def the_realm_is_where_the_client_is(start: StartRegistry) -> None:
    """CVE-2020-15157, CVE-2026-33540: somebody in between says where the password goes."""
    scene = await a_scene(start)
    lied = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    told = (await scene.call("GET", "/v2/", lied)).headers["WWW-Authenticate"]
    assert told.startswith(f'Bearer realm="{scene.registry.url}/token"')
    behind = await a_scene(start, PublicUrl("", [ip_network("127.0.0.0/8")]))
    given = {"X-Forwarded-Host": "r.example, inner", "X-Forwarded-Proto": "https"}
    told = (await behind.call("GET", "/v2/", given)).headers["WWW-Authenticate"]
    assert told.startswith('Bearer realm="https://r.example/token"')
    for odd in ('a"b', "a b", "a/b", "x" * 300):
        fields = {"X-Forwarded-Host": odd}
        answer = await behind.call("GET", "/v2/", fields)
        assert (answer.status, answer.headers.get("WWW-Authenticate")) == (401, None)


async def who_is_cut_off_logs_nobody_in(start: StartRegistry) -> None:
    """Broken: a robot that was revoked on the other side of a partition goes on for days."""
    scene = await a_scene(start)
    token, refresh = await scene.token("ann", PULL), await scene.refresh_token("ann")
    scene.registry.authority.apart = 3600.0
    assert (await scene.refresh(refresh)).status == 200
    assert await scene.pull(ANN) == 200
    scene.registry.authority.apart = 3601.0
    answer = await scene.refresh(refresh)
    assert answer.status == 503
    assert answer.codes == ["UNAVAILABLE"]
    assert "login_cutoff_s" in answer.json["errors"][0]["message"]
    assert await scene.pull(ANN) == 503
    assert await scene.pull(token) == 200
    assert await scene.status("GET", "/v2/", OPERATOR) == 200


async def a_changed_password_ends_what_was_got_by_the_last(start: StartRegistry) -> None:
    """Broken: who changes a password that was stolen changes nothing."""
    scene = await a_scene(start)
    assert await scene.pull(ANN) == 200
    token, refresh = await scene.token("ann", PULL), await scene.refresh_token("ann")
    await scene.accounts.set_password("ann", "another password")
    assert await scene.pull(ANN) == 401
    assert await scene.pull(token) == 401
    assert (await scene.refresh(refresh)).status == 401
    assert await scene.pull(basic("ann", "another password")) == 200


CHECKS: Final[tuple[Check, ...]] = (
    a_secret_is_for_no_more_than_it_says,
    secrets_expire_and_are_taken_back,
    a_robot_stays_in_its_project,
    there_is_no_default_account,
    the_operator_is_of_one_node_and_run,
    nothing_slow_is_done_for_a_crowd,
    the_realm_is_where_the_client_is,
    who_is_cut_off_logs_nobody_in,
    a_changed_password_ends_what_was_got_by_the_last,
)
