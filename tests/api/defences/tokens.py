"""Tokens."""

import base64
import hashlib
import hmac
import json
from typing import Any, Final

from joserfc import jwt
from joserfc.jwk import OKPKey
from joserfc.jws import JWSRegistry

from node.identity.actions import Role
from tests.api.conftest import StartRegistry
from tests.api.defences.checks import PULL, PUSH, Check
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


def signed(scene: Scene, header: dict[str, Any], claims: dict[str, Any], key: OKPKey) -> Fields:
    registry = JWSRegistry(algorithms=["Ed25519"], strict_check_header=False)
    return bearer(jwt.encode(header, claims, key, registry=registry))


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


async def a_refresh_token_opens_nothing(start: StartRegistry) -> None:
    """Broken: what lives for a month is as good as what lives for five minutes."""
    scene = await a_scene(start)
    refresh = await scene.refresh_token("ann")
    assert await scene.status("GET", "/v2/", bearer(refresh)) == 401
    access = (await scene.token("ann", PULL))["Authorization"].removeprefix("Bearer ")
    assert (await scene.refresh(access)).status == 401


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


async def a_token_is_no_more_than_its_owner(start: StartRegistry) -> None:
    """Broken: the client says what a token is for, and gets it."""
    scene = await a_scene(start)
    whole = await scene.token("ann", "repository:lib/app:*", "repository:bobs/app:*")
    _, claims, _ = parts_of(whole)
    assert [entry["actions"] for entry in claims["access"]] == [["pull", "push"]]
    assert await scene.status("DELETE", "/v2/lib/app/manifests/v1", whole) == 403
    assert await scene.pull(whole, "bobs/app") == 404


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


async def a_key_that_was_revoked_signs_nothing(start: StartRegistry) -> None:
    """Broken: nothing helps against a stolen disk."""
    scene = await a_scene(start)
    token = await scene.token("ann", PULL)
    assert await scene.pull(token) == 200
    body = json.dumps({"key": parts_of(token)[0]["kid"]})
    assert await scene.status("POST", "/atoll/v1/keys/revoke", OPERATOR, data=body) == 204
    assert await scene.pull(token) == 401
    assert await scene.pull(await scene.token("ann", PULL)) == 200


CHECKS: Final[tuple[Check, ...]] = (
    a_key_in_a_token_is_no_key,
    one_algorithm_and_no_other,
    a_token_is_of_this_registry_and_this_time,
    a_refresh_token_opens_nothing,
    a_token_is_for_what_it_says,
    a_token_is_no_more_than_its_owner,
    a_token_ends_with_the_right_that_it_is_of,
    a_project_made_anew_is_another_one,
    a_user_made_anew_is_somebody_else,
    a_group_made_anew_is_another_one,
    a_key_that_was_revoked_signs_nothing,
)
