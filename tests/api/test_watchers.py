"""Who may see how the cluster is, and nothing of what is stored in it."""

import json

import pytest

from node.identity.actions import Role
from node.identity.errors import SecurityDocumentInvalid
from tests.api.conftest import StartRegistry
from tests.api.scene import BOB, OPERATOR, a_scene, basic

LOOKS = ("/metrics", "/atoll/v1/status", "/atoll/v1/attention", "/atoll/v1/layout")


async def test_a_watcher_sees_the_cluster_and_no_image(start_registry: StartRegistry):
    """Broken: a Prometheus that is broken into gives every private image away."""
    scene = await a_scene(start_registry)
    # bob may push to a project, and watches besides.
    assert [await scene.status("GET", path, BOB) for path in LOOKS] == [403] * 4
    grant = json.dumps({"subject": "bob", "role": "watcher"})
    assert await scene.status("POST", "/atoll/v1/roles", OPERATOR, data=grant) == 204
    assert [await scene.status("GET", path, BOB) for path in LOOKS] == [200] * 4
    assert [await scene.pull(BOB, f"{project}/app") for project in ("lib", "bobs")] == [404, 200]
    assert await scene.status("GET", "/atoll/v1/users", BOB) == 403
    shown = (await scene.call("GET", "/atoll/v1/roles", OPERATOR)).json["roles"]
    assert [(each["subject"], each["role"]) for each in shown] == [("bob", "watcher")]


@pytest.mark.parametrize("role", [Role.PULLER, Role.ADMIN])
async def test_a_token_may_be_for_watching_alone(start_registry: StartRegistry, role: Role):
    """Broken: what a machine has is good for all that its owner may."""
    scene = await a_scene(start_registry)
    await scene.accounts.grant("*", "bob", role, (), 0.0)
    made = await scene.accounts.add_credential(
        "bob", "scraping", expires=0.0, role=Role.WATCHER, patterns=()
    )
    watcher = basic("bob", made.secret.text)
    assert [await scene.status("GET", path, watcher) for path in LOOKS] == [200] * 4
    assert [await scene.pull(who) for who in (watcher, BOB)] == [404, 200], (
        "as if it were not there"
    )
    assert await scene.pull(watcher, "pub/app") == 200, "as everybody may"
    assert await scene.status("GET", "/atoll/v1/users", watcher) == 403
    [listed] = (await scene.call("GET", "/atoll/v1/account/tokens", BOB)).json["secrets"]
    assert listed["role"] == "watcher"


async def test_nobody_watches_a_part(start_registry: StartRegistry):
    """Broken: somebody gets a role that is good for nothing, and believes that it is for more."""
    scene = await a_scene(start_registry)
    for project, patterns in (("lib", ()), ("*", ("lib/*",))):
        with pytest.raises(SecurityDocumentInvalid):
            await scene.accounts.grant(project, "bob", Role.WATCHER, patterns, 0.0)
