"""The longest names and documents that a client may send: what the edge takes, the index takes."""

import json
from typing import Final

import pytest

from node.identity.accounts import DENIES_MAX, ROBOT_MAX
from node.identity.actions import Role
from node.registry.names import REPOSITORY_MAX
from tests.api.conftest import Registry, StartRegistry
from tests.api.scene import OPERATOR, PASSWORD, basic

_OWN: Final = "r" * 63
"""The longest that a robot is called behind its project."""

_FITS: Final = "p" * (ROBOT_MAX - len(f"+{_OWN}"))
"""The longest project in which a robot may be called that."""


@pytest.fixture
async def closed(start_registry: StartRegistry) -> Registry:
    return await start_registry(accounts=True)


async def send(registry: Registry, method: str, path: str, document: object) -> tuple[int, bytes]:
    text = json.dumps(document, separators=(",", ":")).encode()
    fields = {"Content-Type": "application/json", **OPERATOR}
    answer = await registry.call(method, f"/atoll/v1/{path}", data=text, headers=fields)
    return answer.status, answer.body


async def test_the_longest_names_are_those_of_settings(closed: Registry):
    """Broken: a name is taken that is none for a setting, and its change is 500."""
    project, user = "p" * REPOSITORY_MAX, "u" * 128
    rules = [{"subject": "*", "verb": "push", "pattern": "**"}] * DENIES_MAX
    for method, path, document, status in (
        ("PUT", f"projects/{project}", {}, 200),
        ("PUT", f"access/{_FITS}", {"public": True, "denies": []}, 204),
        ("PUT", f"access/{project}", {"public": True, "denies": []}, 204),
        ("PUT", "access/p", {"denies": [{**rule, "pattern": "p/**"} for rule in rules]}, 204),
        ("POST", "users", {"name": user, "password": PASSWORD}, 201),
        ("POST", "groups", {"name": user}, 201),
        ("POST", f"access/{_FITS}/robots", {"name": f"{_FITS}+{_OWN}"}, 201),
    ):
        answer = await send(closed, method, path, document)
        assert answer[0] == status, (method, path[:40], answer)


@pytest.mark.parametrize("project", ["p" * REPOSITORY_MAX, f"{_FITS}p"])
async def test_a_robot_with_too_long_a_name_is_refused(closed: Registry, project: str):
    """Broken: a robot of a project with a long name is 500, as peers would not take it either."""
    assert (await send(closed, "PUT", f"access/{project}", {"public": False}))[0] == 204
    status, body = await send(
        closed, "POST", f"access/{project}/robots", {"name": f"{project}+{_OWN}"}
    )
    assert status == 400, body
    assert f"{ROBOT_MAX} characters at most" in json.loads(body)["errors"][0]["message"]


async def test_a_robot_with_the_longest_name_can_push(closed: Registry):
    """Broken: its own name cannot stand as who asked."""
    robot, accounts = f"{_FITS}+{_OWN}", closed.identity.accounts
    await accounts.put_project(_FITS, public=False, denies=())
    await accounts.put_robot(robot, expires=0.0, disabled=False, create=True)
    made = await accounts.add_credential(robot, "ci", expires=0.0, role=Role.ADMIN, patterns=())
    await accounts.grant(_FITS, robot, Role.PUSHER, (), 0.0)
    closed.session.headers.update(basic(robot, made.secret.text))
    await closed.push_image(f"{_FITS}/app", "v1")
    [head] = closed.index.metadata.tag_register(f"{_FITS}/app", "v1").heads
    assert head.who == robot
