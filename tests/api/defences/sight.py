"""Who may see and do what."""

import json
from typing import Final

from cluster.model import Digest, Key, NodeId, Origin
from cluster.objects.events import Write
from node.http.guard import Doorkeeper
from node.http.public_url import PublicUrl
from node.identity.actions import Role, Verb
from node.identity.documents import Deny
from node.identity.errors import SecurityDocumentInvalid
from tests.api.conftest import StartRegistry
from tests.api.defences.checks import PULL, Check
from tests.api.scene import (
    ANN,
    BOB,
    OPERATOR,
    a_scene,
)
from tests.unit.index.nodes import foreign


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


async def what_may_not_be_seen_is_not_there(start: StartRegistry) -> None:
    """Broken: a stranger to a project learns which names it has."""
    scene = await a_scene(start)
    for path in ("manifests/v1", "tags/list", f"blobs/{scene.digests['lib']}"):
        there = await scene.call("GET", f"/v2/lib/app/{path}", BOB)
        absent = await scene.call("GET", f"/v2/lib/none/{path}", BOB)
        assert there.status == absent.status == 404
        assert there.body.replace(b"app", b"none") == absent.body
    assert await scene.start(BOB) == await scene.start(BOB, "lib/none") == 403


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


async def a_mount_by_token_takes_both_scopes(start: StartRegistry) -> None:
    """Broken: a token for one repository reads from all that its owner may."""
    scene = await a_scene(start)
    target, source = "repository:lib/mine:pull,push", "repository:lib/app:pull"
    mount = "/v2/lib/mine/blobs/uploads/?mount="
    path = f"{mount}{scene.digests['lib']}&from=lib/app"
    one, both = await scene.token("ann", target), await scene.token("ann", target, PULL)
    refused = await scene.call("POST", path)
    assert refused.status == 401
    assert f'scope="{target} {source}"' in refused.headers["WWW-Authenticate"]
    for origin in ("lib/mine", "No/name"):
        refused = await scene.call("POST", f"{mount}{scene.digests['lib']}&from={origin}")
        assert f'scope="{target}"' in refused.headers["WWW-Authenticate"]
    assert await scene.status("POST", path, one) == 202, "a client that knows one scope uploads"
    assert await scene.status("POST", f"{mount}{scene.digests['lib']}", one) == 202
    assert await scene.status("POST", path, both) == 201


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


async def a_request_goes_by_what_holds_now(start: StartRegistry) -> None:
    """Broken: a long request that began before somebody was put out lets them in again."""
    scene = await a_scene(start)
    await scene.accounts.create_group("ops")
    await scene.accounts.set_member("ops", "ann", is_member=True)
    await scene.accounts.grant("lib2", "@ops", Role.PULLER, (), 0.0)
    keeper = Doorkeeper(scene.identity, PublicUrl(), scene.registry.time)
    account = await scene.account("ann")
    sight = keeper._principal(account, keeper.subject(account), None, None).access
    assert sight.may_pull("lib2/app")
    await scene.accounts.set_member("ops", "ann", is_member=False)
    assert not sight.may_pull("lib2/app")
    assert await scene.pull(ANN, "lib2/app") == 404


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


CHECKS: Final[tuple[Check, ...]] = (
    the_catalog_takes_a_login_and_hides,
    what_may_not_be_seen_is_not_there,
    conflicts_and_projects_hide,
    a_mount_takes_pull_on_its_source,
    a_mount_by_token_takes_both_scopes,
    an_upload_is_of_who_began_it,
    a_request_goes_by_what_holds_now,
    names_are_no_prefixes,
    a_denial_beats_a_role,
)
