"""Logging in: Basic, tokens, challenges."""

import base64
import io
import json
from ipaddress import ip_network

import pytest

from node.http.client_address import TrustedProxies
from node.identity.actions import Role
from node.identity.scopes import parse_scopes
from node.shares.lockout import FREE
from tests.api.conftest import Registry, StartRegistry
from tests.api.scene import ANN, OPERATOR, PASSWORD, Scene, basic, bearer, parts_of
from tests.api.wire import Wire, head
from tests.fakes.identity import OPERATOR_SECRET


@pytest.fixture
async def closed(start_registry: StartRegistry) -> Registry:
    """A registry where one has to log in, with the user ann, a pusher of the private project
    lib."""
    registry = await start_registry(accounts=True)
    accounts = registry.identity.accounts
    await accounts.put_user("ann", password=PASSWORD, disabled=False, create=True)
    await accounts.put_project("lib", public=False, denies=())
    await accounts.grant("lib", "ann", Role.PUSHER, (), 0.0)
    return registry


async def test_a_stranger_is_told_where_to_get_a_token(closed: Registry):
    answer = await closed.call("GET", "/v2/")
    assert (answer.status, answer.codes) == (401, ["UNAUTHORIZED"])
    assert answer.headers["WWW-Authenticate"] == (
        f'Bearer realm="{closed.url}/token",service="atoll"'
    )
    answer = await closed.call("PUT", "/v2/lib/app/manifests/a", data=b"{}")
    assert answer.headers["WWW-Authenticate"] == (
        f'Bearer realm="{closed.url}/token",service="atoll",scope="repository:lib/app:pull,push"'
    )


async def test_basic_is_enough(closed: Registry):
    assert (await closed.call("GET", "/v2/", headers=ANN)).status == 200
    assert (await closed.call("GET", "/v2/", headers=basic("ann", "x" * 20))).status == 401
    assert (await closed.call("GET", "/v2/", headers=basic("bob", PASSWORD))).status == 401
    answer = await closed.call("POST", "/v2/lib/app/blobs/uploads/", headers=ANN)
    assert answer.status == 202


@pytest.mark.parametrize(
    "given",
    [
        b"Basic \xc3\xa9",
        b"Basic \xff",
        b"Basic YW5u\xff",
        b"Bearer \xff",
        b"Bearer \xc3\xa9.\xed\xa0\x80.",
    ],
)
async def test_what_is_no_ascii_logs_nobody_in(closed: Registry, given: bytes):
    """Broken: whoever is let in nowhere makes the node meet an unexpected error."""
    for path in ("/v2/", "/token"):
        wire = await Wire.to(closed)
        await wire.send(head("GET", path)[:-2] + b"Authorization: " + given + b"\r\n\r\n")
        assert (await wire.reply()).status == 401
        await wire.close()


async def test_a_token_ends_where_it_ends(closed: Registry):
    """Broken: what Python takes for white space may stand behind a token, and is another one."""
    made = await token(closed, "scope=repository:lib/app:pull", **ANN)
    for behind, status in ((b"", 200), (b" ", 200), (b"\xc2\xa0", 401), (b"\x1f", 401)):
        wire = await Wire.to(closed)
        field = f"Authorization: Bearer {made['token']}".encode() + behind
        await wire.send(head("GET", "/v2/")[:-2] + field + b"\r\n\r\n")
        assert (await wire.reply()).status in (status, 400)
        await wire.close()


async def test_a_scope_is_for_the_same_in_whichever_order(closed: Registry):
    """Broken: it is not what it is written as, and two tokens for the same are two."""
    for asked in ("push,pull", "pull,push"):
        made = await token(closed, f"scope=repository:lib/app:{asked}", **ANN)
        assert [each["actions"] for each in parts_of(bearer(made["token"]))[1]["access"]] == [
            ["pull", "push"]
        ]
    split = [f"repository:lib/app:{verb}" for verb in ("push", "pull")]
    assert list(map(str, parse_scopes(split))) == ["repository:lib/app:pull,push"]


async def token(registry: Registry, query: str, **headers: str) -> dict:
    answer = await registry.call("GET", f"/token?service=atoll&{query}", headers=headers)
    assert answer.status == 200, answer.body
    return answer.json


async def test_a_token_is_for_what_was_asked_and_allowed(closed: Registry):
    made = await token(closed, "scope=repository:lib/app:pull,push,delete", **ANN)
    assert made["token"] == made["access_token"]
    assert made["expires_in"] == 300
    _, claims, _ = parts_of(bearer(made["token"]))
    (entry,) = claims["access"]
    assert entry["actions"] == ["pull", "push"]
    given = bearer(made["token"])
    assert (await closed.call("GET", "/v2/", headers=given)).status == 200
    started = await closed.call("POST", "/v2/lib/app/blobs/uploads/", headers=given)
    assert started.status == 202
    other = await closed.call("POST", "/v2/lib/other/blobs/uploads/", headers=given)
    assert other.status == 401
    assert 'error="insufficient_scope"' in other.headers["WWW-Authenticate"]


async def test_a_refresh_token_is_good_until_it_is_not(closed: Registry):
    made = await token(closed, "offline_token=true&scope=repository:lib/app:pull", **ANN)
    form = {
        "grant_type": "refresh_token",
        "refresh_token": made["refresh_token"],
        "service": "atoll",
        "scope": "repository:lib/app:pull",
    }
    again = await closed.call("POST", "/token", data=form)
    assert again.status == 200
    await closed.identity.accounts.set_password("ann", "another password")
    again = await closed.call("POST", "/token", data=form)
    assert (again.status, again.codes) == (401, ["UNAUTHORIZED"])
    # nor is what was got before
    answer = await closed.call("GET", "/v2/", headers=bearer(made["token"]))
    assert answer.status == 401


@pytest.mark.parametrize("field", ["Basic", "Basic !!", "Basic YWJj", "Basic " + "A" * 5000, "x y"])
async def test_credentials_that_are_none(closed: Registry, field: str):
    for path in ("/v2/", "/token"):
        answer = await closed.call("GET", path, headers={"Authorization": field})
        assert (answer.status, answer.codes) == (401, ["UNAUTHORIZED"])


@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"grant_type", b"&".join(b"a%d=1" % n for n in range(17))]
)
async def test_forms_that_are_none(closed: Registry, body: bytes):
    answer = await closed.call("POST", "/token", data=body)
    assert (answer.status, answer.codes) == (400, ["UNSUPPORTED"])


async def test_who_guesses_waits_and_nobody_else_does(start_registry: StartRegistry):
    """Broken: a password is found by trying; or whoever knows a name keeps its owner out."""
    registry = await start_registry(
        accounts=True, proxies=TrustedProxies([ip_network("127.0.0.0/8")])
    )
    await registry.identity.accounts.put_user("ann", password=PASSWORD, disabled=False, create=True)
    thief, owner = ({"X-Forwarded-For": address} for address in ("203.0.113.66", "203.0.113.7"))
    guesses = [
        await registry.call("GET", "/v2/", headers=thief | basic("ann", f"a guess {number:012}"))
        for number in range(FREE + 4)
    ]
    assert [answer.status for answer in guesses] == [401] * (FREE + 1) + [429] * 3
    assert guesses[-1].codes == ["TOOMANYREQUESTS"]
    assert guesses[-1].headers["Retry-After"] == "1"
    for path in ("/v2/", "/token?service=atoll"):
        assert (await registry.call("GET", path, headers=thief | ANN)).status == 429, "right or not"
        assert (await registry.call("GET", path, headers=owner | ANN)).status == 200
        other = await registry.call("GET", path, headers=thief | basic("bob", PASSWORD))
        assert other.status == 401, "another name"
    form = {"grant_type": "password", "username": "ann", "password": PASSWORD}
    asked = await registry.call("POST", "/token", headers=thief, data=form)
    assert asked.status == 429


async def test_no_secret_is_logged(closed: Registry, lines: io.BytesIO):
    """Broken: who may read logs may log in."""
    scene = Scene(closed)
    made = await closed.identity.accounts.add_credential(
        "ann", "ci", expires=0.0, role=Role.ADMIN, patterns=()
    )
    token = await scene.token("ann", "repository:lib/app:pull")
    refresh = await scene.refresh_token("ann")
    planted = [PASSWORD, made.secret.text, token["Authorization"][7:], refresh, OPERATOR_SECRET]
    planted += [base64.b64encode(f"ann:{each}".encode()).decode() for each in planted]
    for who in (ANN, token, basic("ann", made.secret.text), OPERATOR, bearer(refresh)):
        for path in ("/v2/", "/token", "/v2/lib/app/manifests/none"):
            await closed.call("GET", path, headers=who)
        await closed.call("POST", "/v2/lib/app/blobs/uploads/", headers=who)
    for text in (PASSWORD, "wrong " + PASSWORD):
        form = {"grant_type": "password", "username": "ann", "password": text}
        await closed.call("POST", "/token", data=form)
    await scene.refresh(refresh)
    new = json.dumps({"password": PASSWORD + PASSWORD})
    for body in (new[:-1], new.replace("password", "passwd", 1), new):
        await closed.call("PUT", "/atoll/v1/account/password", headers=ANN, data=body)
    logged = lines.getvalue().decode()
    assert '"who":"ann"' in logged.replace(" ", "")
    assert [each for each in planted if each in logged] == []
