"""
The defences of the log-in, each as a check that fails without it: the rows of the list of what went
wrong in other registries that are about identity, tokens, verbs, uploads, lists and foreign
content.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable
from ipaddress import ip_network
from typing import Any, Final

from joserfc import jwt
from joserfc.jwk import OKPKey
from joserfc.jws import JWSRegistry

from cluster.model import Digest, Key, NodeId, Origin
from cluster.objects.events import Write
from node.http.public_url import PublicUrl
from node.identity.actions import Role, Verb
from node.identity.documents import Deny, RoleGrant, encode
from node.identity.errors import AccountExists, SecurityDocumentInvalid
from node.registry.values import PutSetting
from tests.api.conftest import StartRegistry
from tests.api.scene import (
    ANN,
    BOB,
    OPERATOR,
    PASSWORD,
    Fields,
    Scene,
    a_scene,
    basic,
    bearer,
    parts_of,
)
from tests.unit.index.nodes import foreign

Check = Callable[[StartRegistry], Awaitable[None]]

DEFENCES: Final[dict[str, Check]] = {}


def defence(check: Check) -> Check:
    DEFENCES[check.__name__] = check
    return check


PULL: Final = "repository:lib/app:pull"
PUSH: Final = "repository:lib/app:pull,push"


# --- who may see what -----------------------------------------------------------------------------


@defence
async def the_catalog_takes_a_login_and_hides(start: StartRegistry) -> None:
    """CVE-2019-19030: anybody could list the repositories of all tenants."""
    scene = await a_scene(start)
    assert await scene.status("GET", "/v2/_catalog") == 401
    assert await scene.status("GET", "/v2/_catalog", await scene.token("")) == 401
    shown = (await scene.call("GET", "/v2/_catalog", ANN)).json["repositories"]
    assert shown == ["lib/app", "pub/app"]
    first = await scene.call("GET", "/v2/_catalog?n=1", BOB)
    assert first.json["repositories"] == ["bobs/app"]
    assert "last=bobs%2Fapp" in first.headers["Link"]
    rest = await scene.call("GET", "/v2/_catalog?n=1&last=bobs/app", BOB)
    assert (rest.json["repositories"], rest.headers.get("Link")) == (["pub/app"], None)


@defence
async def what_may_not_be_seen_is_not_there(start: StartRegistry) -> None:
    """Broken: a stranger to a project learns which names it has."""
    scene = await a_scene(start)
    for path in ("manifests/v1", "tags/list", f"blobs/{scene.digests['lib']}"):
        there = await scene.call("GET", f"/v2/lib/app/{path}", BOB)
        absent = await scene.call("GET", f"/v2/lib/none/{path}", BOB)
        assert there.status == absent.status == 404
        assert there.body.replace(b"app", b"none") == absent.body
    assert await scene.start(BOB) == await scene.start(BOB, "lib/none") == 403


@defence
async def conflicts_and_projects_hide(start: StartRegistry) -> None:
    """Broken: the operator's lists tell tenants of each other."""
    scene = await a_scene(start)
    for project in ("lib", "bobs"):
        body = {"history_max": 3}
        path = f"/atoll/v1/projects/{project}"
        assert await scene.status("PUT", path, OPERATOR, data=json.dumps(body)) == 200
        index, tag = scene.registry.index, Key("tag", f"{project}/app", "v1")
        seq = index.replica.vector().get(Origin(NodeId("z"), 7), 0) + 1
        other = Write((), scene.digests["pub"])
        await index.replica.apply([foreign(index, seq, tag, other)])
    assert (await scene.call("GET", "/atoll/v1/projects", ANN)).json["projects"] == ["lib"]
    for who, shown in (
        (ANN, ["lib/app"]),
        (BOB, ["bobs/app"]),
        (OPERATOR, ["bobs/app", "lib/app"]),
    ):
        page = (await scene.call("GET", "/atoll/v1/conflicts", who)).json
        assert [each["repository"] for each in page["conflicts"]] == shown
    assert (await scene.call("GET", "/atoll/v1/access", BOB)).json["projects"] == ["bobs"]


@defence
async def a_mount_takes_pull_on_its_source(start: StartRegistry) -> None:
    """CVE-2024-39897: a digest was enough to have a blob of another tenant."""
    scene = await a_scene(start)
    foreign, own = scene.digests["bobs"], scene.digests["pub"]
    mount = "/v2/lib/mine/blobs/uploads/?mount="
    assert await scene.status("POST", f"{mount}{foreign}&from=bobs/app", ANN) == 202
    assert await scene.status("POST", f"{mount}{foreign}", ANN) == 202
    assert await scene.status("HEAD", f"/v2/lib/mine/blobs/{foreign}", ANN) == 404
    assert await scene.status("POST", f"{mount}{own}&from=pub/app", ANN) == 201
    assert await scene.status("POST", f"{mount}{scene.digests['lib']}", ANN) == 201


@defence
async def a_mount_by_token_takes_both_scopes(start: StartRegistry) -> None:
    """Broken: a token for one repository reads from all that its owner may."""
    scene = await a_scene(start)
    target = "repository:lib/mine:pull,push"
    path = f"/v2/lib/mine/blobs/uploads/?mount={scene.digests['lib']}&from=lib/app"
    assert await scene.status("POST", path, await scene.token("ann", target)) == 202
    assert await scene.status("POST", path, await scene.token("ann", target, PULL)) == 201


@defence
async def an_upload_is_of_who_began_it(start: StartRegistry) -> None:
    """CVE-2026-32589: the id of an upload was enough to go on with it."""
    scene = await a_scene(start)
    await scene.accounts.grant("lib", "bob", Role.PUSHER, (), 0.0)
    opened = await scene.call("POST", "/v2/lib/app/blobs/uploads/", ANN)
    location, data = opened.headers["Location"], b"bytes of ann"
    digest = Digest.of(data)
    assert await scene.status("PATCH", location, ANN, data=data) == 202
    for method, more in (("GET", ""), ("PATCH", ""), ("PUT", f"?digest={digest}"), ("DELETE", "")):
        assert await scene.status(method, location + more, BOB) == 404
    elsewhere = location.replace("lib/app", "lib/other")
    assert await scene.status("GET", elsewhere, ANN) == 404
    assert await scene.status("PUT", f"{location}?digest={digest}", ANN) == 201


@defence
async def names_are_no_prefixes(start: StartRegistry) -> None:
    """CVE-2026-110697, Harbor #23675: who had `lib` had `lib2`, or whatever a wildcard meant."""
    scene = await a_scene(start)
    assert await scene.pull(ANN, "lib2/app") == 404
    await scene.accounts.grant("lib2", "ann", Role.PULLER, ("lib2/ap",), 0.0)
    assert await scene.pull(ANN, "lib2/app") == 404
    await scene.accounts.grant("lib2", "ann", Role.PULLER, ("lib2/*",), 0.0)
    assert await scene.pull(ANN, "lib2/app") == 200
    for text in ("lib%", "lib2/a.p", "lib2/a?p", "**"):
        try:
            await scene.accounts.grant("lib", "ann", Role.ADMIN, (text,), 0.0)
        except SecurityDocumentInvalid:
            continue
        raise AssertionError(text)


@defence
async def a_denial_beats_a_role(start: StartRegistry) -> None:
    """Broken: who is kept out of a repository comes in by a role in the project."""
    scene = await a_scene(start)
    await scene.accounts.put_project(
        "lib", public=False, denies=[Deny("ann", Verb.PULL, "lib/app")]
    )
    assert await scene.pull(ANN) == 404
    assert await scene.start(ANN) == 403
    assert await scene.start(ANN, "lib/other") == 202
    assert (await scene.call("GET", "/v2/_catalog", ANN)).json["repositories"] == ["pub/app"]


# --- tokens ---------------------------------------------------------------------------------------


def signed(scene: Scene, header: dict[str, Any], claims: dict[str, Any], key: OKPKey) -> Fields:
    registry = JWSRegistry(algorithms=["Ed25519"], strict_check_header=False)
    return bearer(jwt.encode(header, claims, key, registry=registry))


@defence
async def a_key_in_a_token_is_no_key(start: StartRegistry) -> None:
    """CVE-2025-24976: a key embedded in the token was believed, as its kid was known."""
    scene = await a_scene(start)
    header, claims, _ = parts_of(await scene.token("ann", PULL))
    own = OKPKey.generate_key("Ed25519")
    for extra in ({}, {"jwk": own.as_dict(private=False)}, {"jku": "http://127.0.0.1/keys"}):
        forged = signed(scene, {**header, **extra}, claims, own)
        assert await scene.pull(forged) == 401
    right = OKPKey.import_key(dict(scene.identity.signer._own[0].jwk))
    assert await scene.pull(signed(scene, header, claims, right)) == 200


@defence
async def one_algorithm_and_no_other(start: StartRegistry) -> None:
    """CVE-2026-48526 and its kin: `none`, or a public key taken for a shared secret."""
    scene = await a_scene(start)
    header, claims, _ = parts_of(await scene.token("ann", PULL))
    key = scene.identity.directory.get_key(header["kid"])
    assert key is not None
    raw = base64.urlsafe_b64decode(key.x + "=")
    for algorithm in ("none", "HS256", "EdDSA"):
        head, body = (
            base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
            for part in ({**header, "alg": algorithm}, claims)
        )
        mac = hmac.digest(raw, f"{head}.{body}".encode(), hashlib.sha256)
        for signature in ("", base64.urlsafe_b64encode(mac).rstrip(b"=").decode()):
            assert await scene.pull(bearer(f"{head}.{body}.{signature}")) == 401


@defence
async def a_token_is_of_this_registry_and_this_time(start: StartRegistry) -> None:
    """CVE-2026-123710: the client chose the audience; tokens of another registry were good."""
    scene = await a_scene(start)
    header, claims, _ = parts_of(await scene.token("ann", PULL))
    own = OKPKey.import_key(dict(scene.identity.signer._own[0].jwk))
    now = scene.registry.time.now
    for wrong in (
        {"aud": "other"}, {"iss": "atoll:other"}, {"exp": now}, {"nbf": now + 60}, {"sub": 3},
        {"how": "password/x"}, {"sub": "0" * 32},
    ):  # fmt: skip
        assert await scene.pull(signed(scene, header, {**claims, **wrong}, own)) == 401, wrong
    scene.registry.time.now += 299
    assert await scene.pull(signed(scene, header, claims, own)) == 200
    scene.registry.time.now += 1
    assert await scene.pull(signed(scene, header, claims, own)) == 401


@defence
async def a_refresh_token_opens_nothing(start: StartRegistry) -> None:
    """Broken: what lives for a month is as good as what lives for five minutes."""
    scene = await a_scene(start)
    refresh = await scene.refresh_token("ann")
    assert await scene.status("GET", "/v2/", bearer(refresh)) == 401
    access = (await scene.token("ann", PULL))["Authorization"].removeprefix("Bearer ")
    assert (await scene.refresh(access)).status == 401


@defence
async def a_token_is_for_what_it_says(start: StartRegistry) -> None:
    """CVE-2026-61833: DELETE needed only push."""
    scene = await a_scene(start)
    await scene.accounts.grant("lib", "ann", Role.MAINTAINER, (), 0.0)
    push = await scene.token("ann", PUSH)
    assert await scene.start(push) == 202
    assert await scene.status("DELETE", "/v2/lib/app/manifests/v1", push) == 401
    pull = await scene.token("ann", PULL)
    assert await scene.start(pull) == 401
    assert await scene.pull(pull, "lib/other") == 401
    whole = await scene.token("ann", "repository:lib/app:*")
    assert await scene.status("DELETE", "/v2/lib/app/manifests/v1", whole) == 202


@defence
async def a_token_is_no_more_than_its_owner(start: StartRegistry) -> None:
    """Broken: the client says what a token is for, and gets it."""
    scene = await a_scene(start)
    whole = await scene.token("ann", "repository:lib/app:*", "repository:bobs/app:*")
    _, claims, _ = parts_of(whole)
    assert [entry["actions"] for entry in claims["access"]] == [["pull", "push"]]
    assert await scene.status("DELETE", "/v2/lib/app/manifests/v1", whole) == 403
    assert await scene.pull(whole, "bobs/app") == 404


@defence
async def a_token_ends_with_the_right_that_it_is_of(start: StartRegistry) -> None:
    """Broken: who was locked out goes on until the token ends, on nodes that know better."""
    scene = await a_scene(start)
    token = await scene.token("ann", PULL)
    assert await scene.pull(token) == 200
    await scene.accounts.revoke("lib", "ann")
    assert await scene.pull(token) == 404
    await scene.accounts.grant("lib", "ann", Role.PULLER, (), 0.0)
    assert await scene.pull(token) == 200
    await scene.accounts.put_user("ann", password=None, disabled=True, create=False)
    assert await scene.pull(token) == 401
    assert await scene.pull(ANN) == 401


@defence
async def a_project_made_anew_is_another_one(start: StartRegistry) -> None:
    """Harbor #22900, #23270: a new tenant's repository was open to tokens of the old one's."""
    scene = await a_scene(start)
    await scene.accounts.grant("*", "ann", Role.PULLER, (), 0.0)
    token = await scene.token("ann", PULL)
    assert await scene.pull(token) == 200
    await scene.accounts.delete_project("lib")
    await scene.accounts.put_project("lib", public=False, denies=())
    assert await scene.start(ANN) == 403
    assert await scene.pull(ANN) == 200
    assert await scene.pull(token) == 401
    assert await scene.pull(await scene.token("ann", PULL)) == 200


@defence
async def a_user_made_anew_is_somebody_else(start: StartRegistry) -> None:
    """Broken: the next one of that name has the roles, tokens and groups of the last one."""
    scene = await a_scene(start)
    token, refresh = await scene.token("ann", PULL), await scene.refresh_token("ann")
    secret = await scene.accounts.add_credential(
        "ann", "laptop", expires=0.0, role=Role.ADMIN, patterns=()
    )
    await scene.accounts.create_group("ops")
    await scene.accounts.set_member("ops", "ann", is_member=True)
    await scene.accounts.grant("lib2", "@ops", Role.PULLER, (), 0.0)
    assert await scene.pull(ANN, "lib2/app") == 200
    await scene.accounts.delete_user("ann")
    assert await scene.pull(ANN) == 401
    await scene.accounts.put_user("ann", password=PASSWORD, disabled=False, create=True)
    assert await scene.pull(token) == 401
    assert (await scene.refresh(refresh)).status == 401
    assert await scene.pull(basic("ann", secret.secret.text)) == 401
    assert [await scene.pull(ANN, f"{each}/app") for each in ("lib", "lib2")] == [404, 404]


@defence
async def a_group_made_anew_is_another_one(start: StartRegistry) -> None:
    """Broken: the roles of a group that is gone are those of who was in it, or of the next one."""
    scene = await a_scene(start)
    await scene.accounts.create_group("ops")
    await scene.accounts.set_member("ops", "bob", is_member=True)
    await scene.accounts.grant("lib2", "@ops", Role.PULLER, (), 0.0)
    assert await scene.pull(BOB, "lib2/app") == 200
    await scene.accounts.delete_group("ops")
    assert await scene.pull(BOB, "lib2/app") == 404
    await scene.accounts.create_group("ops")
    assert await scene.pull(BOB, "lib2/app") == 404
    await scene.accounts.set_member("ops", "bob", is_member=True)
    assert await scene.pull(BOB, "lib2/app") == 404


@defence
async def a_key_that_was_revoked_signs_nothing(start: StartRegistry) -> None:
    """Broken: nothing helps against a stolen disk."""
    scene = await a_scene(start)
    token = await scene.token("ann", PULL)
    assert await scene.pull(token) == 200
    body = json.dumps({"key": parts_of(token)[0]["kid"]})
    assert await scene.status("POST", "/atoll/v1/keys/revoke", OPERATOR, data=body) == 204
    assert await scene.pull(token) == 401
    assert await scene.pull(await scene.token("ann", PULL)) == 200


# --- secrets --------------------------------------------------------------------------------------


@defence
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


@defence
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


@defence
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


@defence
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


@defence
async def nothing_slow_is_done_for_a_crowd(start: StartRegistry) -> None:
    """Broken: some hundred log-ins at once take all of the memory."""
    scene = await a_scene(start)
    passwords = scene.identity.passwords
    passwords._running = passwords._running_max
    assert await scene.status("GET", "/v2/", basic("ann", "not the password")) == 429
    passwords._running = 0
    assert await scene.status("GET", "/v2/", basic("ann", "not the password")) == 401


# --- where a password is sent, and when it counts -------------------------------------------------


@defence
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


@defence
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


@defence
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
