"""Every route, each of its methods, every role, own and foreign projects, public and private
ones."""

import itertools
from collections.abc import Mapping

import pytest
from aiohttp import web

from node.edge import SERVED
from node.http.endpoint import Endpoint, Request
from node.http.session_cookie import PLAIN
from node.identity.actions import Action, Role
from node.identity.login import NOBODY
from node.identity.scopes import parse_scopes
from tests.api.conftest import Registry, StartRegistry
from tests.api.rights import LEAST, PROJECTS, PUBLIC, ROLES, expected
from tests.api.scene import PASSWORD, basic, bearer

REACHED = 299


async def reached(request: Request) -> web.Response:
    return web.Response(status=REACHED)


async def prepared(registry: Registry) -> dict[str, str]:
    """Make the callers and projects of `tests.api.rights`; the secrets of the callers."""
    accounts, secrets = registry.identity.accounts, {}
    for project in PROJECTS:
        await accounts.put_project(project, public=project in PUBLIC, denies=())
    for name, roles in ROLES.items():
        if not name:
            continue
        if "+" in name:
            await accounts.put_robot(name, expires=0.0, disabled=False, create=True)
            made = await accounts.add_credential(
                name, "ci", expires=0.0, role=Role.ADMIN, patterns=()
            )
            secrets[name] = made.secret.text
        else:
            await accounts.put_user(name, password=PASSWORD, disabled=False, create=True)
            secrets[name] = PASSWORD
        for project, role in roles.items():
            await accounts.grant(project, name, Role[role.upper()], (), 0.0)
    return secrets


def path_of(endpoint: Endpoint, project: str) -> str:
    """A path of that endpoint that is about the project, as far as it is about any."""
    given = {
        "name": f"{project}/app",
        "reference": "a",
        "digest": "sha256:" + "0" * 64,
        "upload": "x.solo",
        "tag": "a",
        "project": project,
        "robot": f"{project}+ci",
        "node": "a",
        "user": "ann",
        "group": "ops",
        "asset": "x.css",
    }
    return endpoint.path.format(**given)


def test_every_action_is_in_the_table():
    assert LEAST.keys() == {str(action) for action in Action}
    assert {endpoint.action for endpoint in SERVED} == set(Action)


@pytest.mark.parametrize("with_token", [False, True], ids=["basic", "bearer"])
async def test_all_is_as_the_table_says(start_registry: StartRegistry, with_token: bool):
    registry = await start_registry(accounts=True, reaches=reached)
    secrets = await prepared(registry)
    wrong, cases = [], 0
    for caller, project in itertools.product(ROLES, PROJECTS):
        programs = await credentials(registry, caller, secrets, project, with_token=with_token)
        browser = await session_of(registry, caller, secrets)
        for endpoint in SERVED:
            if endpoint.is_page and "+" in caller:
                continue  # a robot has no password, and so no session
            fields = browser if endpoint.is_page else programs
            path = path_of(endpoint, project)
            told = expected(endpoint.action, caller, project, with_token=with_token)
            should = told or REACHED
            for method in endpoint.methods:
                url = registry.url + path
                async with registry.session.request(method, url, headers=fields) as answer:
                    status, challenge = answer.status, answer.headers.get("WWW-Authenticate")
                cases += 1
                if status != should or (status == 401) != (challenge is not None):
                    wrong.append((caller, method, path, status, should))
    assert not wrong
    assert cases > 2500


async def session_of(registry: Registry, caller: str, secrets: Mapping[str, str]) -> dict[str, str]:
    """The cookie of a browser in which the caller has logged in."""
    if not caller:
        return {}
    identity = registry.identity
    account = await identity.login.log_in(caller, secrets[caller])
    assert account is not None
    await identity.ensure_key()
    return {"Cookie": f"{PLAIN}={identity.sessions.begin(account).token}"}


async def credentials(
    registry: Registry, caller: str, secrets: Mapping[str, str], project: str, *, with_token: bool
) -> dict[str, str]:
    own = basic(caller, secrets[caller]) if caller else {}
    if not with_token:
        return own
    identity, scopes = registry.identity, ["registry:catalog:*", "registry:atoll:*"]
    scopes.append(f"repository:{project}/app:*")
    account = await identity.login.log_in(caller, secrets[caller]) if caller else NOBODY
    assert account is not None
    await identity.ensure_key()
    return bearer(identity.tokens.issue(account, parse_scopes(scopes)).token)
