"""Who asked: in the histories that the admin API shows, and in the lines of the log."""

import io
import json
from typing import Any

import pytest

from cluster.model import Digest, Dot, Key
from cluster.objects import Write
from node.identity.actions import Role
from tests.api.asker import Client
from tests.api.commands import atoll
from tests.api.conftest import Registry, StartRegistry
from tests.api.scene import ANN, BOB, OPERATOR, PASSWORD, Scene, a_scene, basic
from tests.builders import an_event

TAG = "/atoll/v1/repositories/lib/app/tags/v1"
PATH = "/v2/lib/app/manifests/v1"


@pytest.fixture
async def scene(start_registry: StartRegistry) -> Scene:
    return await a_scene(start_registry)


def lines_of(lines: io.BytesIO, component: str = "http") -> list[dict[str, Any]]:
    """What was logged since the last look."""
    found = [json.loads(line) for line in lines.getvalue().splitlines()]
    lines.seek(0)
    lines.truncate()
    return [line for line in found if line.get("component") == component]


async def test_each_entry_of_a_history_says_who_asked(scene: Scene):
    """A push by a robot, a rollback, a move and a deletion, each by somebody else."""
    accounts = scene.accounts
    await accounts.grant("lib", "bob", Role.MAINTAINER, (), 0.0)
    await accounts.put_robot("lib+ci", expires=0.0, disabled=False, create=True)
    await accounts.grant("lib", "lib+ci", Role.PUSHER, (), 0.0)
    made = await accounts.add_credential("lib+ci", "ci", expires=0.0, role=Role.ADMIN, patterns=())
    first = (await scene.call("GET", TAG, OPERATOR)).json["history"][0]["event"]
    manifest = (await scene.call("GET", PATH, ANN)).body
    kind = {"Content-Type": json.loads(manifest)["mediaType"]}
    token = await scene.token("lib+ci", "repository:lib/app:push", password=made.secret.text)
    assert await scene.status("PUT", PATH, token, data=manifest, headers=kind) == 201
    assert await scene.status("PUT", PATH, ANN, data=manifest, headers=kind) == 201
    back = json.dumps({"event": first})
    assert await scene.status("POST", f"{TAG}/rollback", BOB, data=back) == 200
    assert await scene.status("DELETE", PATH, BOB) == 202
    view = (await scene.call("GET", TAG, OPERATOR)).json
    assert [(entry["action"], entry["who"]) for entry in view["history"]] == [
        ("delete", "bob"),
        ("write", "bob"),
        ("write", "ann"),
        ("write", "lib+ci"),
        ("write", "operator"),
    ]
    await accounts.put_user("ann", password=None, disabled=True, create=False)
    await accounts.delete_user("ann")
    view = (await scene.call("GET", TAG, OPERATOR)).json
    assert view["history"][2]["who"] == "ann", "who is gone has done it all the same"


async def test_a_project_says_who_set_it(scene: Scene):
    path, body = "/atoll/v1/projects/lib", b'{"history_max": 3}'
    answer = await scene.call("PUT", path, OPERATOR, data=body)
    assert (answer.status, answer.json["who"]) == (200, "operator")
    assert (await scene.call("GET", path, ANN)).json["who"] == "operator"


async def test_who_may_only_pull_learns_no_names(scene: Scene):
    """Broken: whoever may pull from a public project knows whose password to guess."""
    key, other = Key("tag", "pub/app", "v1"), Write((), Digest.of(b"other"), "carol")
    stamp = scene.registry.index.journal.clock.tick(0)
    await scene.registry.index.replica.apply([an_event(Dot("zz", 1, 1), key, other, stamp)])
    known = (await scene.call("GET", "/atoll/v1/repositories/pub/app/tags/v1", OPERATOR)).json
    assert sorted(head["who"] for head in known["heads"]) == ["carol", "operator"]
    answer = await scene.call("GET", "/atoll/v1/conflicts?repository=pub/app", BOB)
    [found] = answer.json["conflicts"]
    assert len(found["heads"]) == 2
    assert [name for name in (b"operator", b"carol") if name in answer.body] == []
    for who in (None, BOB):
        for path in ("projects/pub", "repositories/pub/app/tags/v1"):
            assert await scene.status("GET", f"/atoll/v1/{path}", who) in (401, 403, 404)


async def test_of_an_open_registry_it_is_anonymous(registry: Registry):
    await registry.push_image("lib/app", "v1")
    [entry] = (await registry.call("GET", TAG)).json["history"]
    assert entry["who"] == "anonymous"
    shown = await atoll("history", f"{registry.url.removeprefix('http://')}/lib/app:v1")
    assert shown.output.split()[4] == "anonymous"


async def test_what_a_node_does_by_itself_is_its_own(registry: Registry):
    """A key that it publishes, say."""
    await registry.identity.ensure_key()
    page = registry.index.metadata.settings("key", "", 10)
    [head] = registry.index.metadata.setting_heads("key", page.items[0])
    assert head.who == "node:solo"


async def test_nobody_is_called_as_strangers_are(scene: Scene):
    """Broken: who calls themselves that leaves no trace in a history."""
    body = json.dumps({"name": "anonymous", "password": PASSWORD})
    answer = await scene.call("POST", "/atoll/v1/users", OPERATOR, data=body)
    assert (answer.status, "'anonymous'" in answer.body.decode()) == (400, True)


async def test_each_line_of_a_request_says_who_and_by_which_id(scene: Scene, lines: io.BytesIO):
    lines_of(lines)
    mine = {"X-Request-Id": "r-1"}
    await scene.call("POST", "/v2/lib/app/blobs/uploads/", ANN, headers=mine)
    await scene.call("DELETE", PATH, None, headers=mine)
    await scene.call("DELETE", PATH, basic("ann", "not her password"), headers=mine)
    await scene.call("DELETE", PATH, basic("bob", PASSWORD), headers=mine)
    await scene.call("GET", "/token", ANN, headers=mine)
    form = {"grant_type": "password", "username": "bob", "password": PASSWORD}
    await scene.call("POST", "/token", None, headers=mine, data=form)
    found = [(line["method"], line["status"], line["who"]) for line in lines_of(lines)]
    assert found == [
        ("POST", 202, "ann"),
        ("DELETE", 401, "anonymous"),
        ("DELETE", 401, "anonymous"),
        ("DELETE", 403, "bob"),
        ("POST", 200, "bob"),
    ]
    await scene.call("POST", "/v2/lib/app/blobs/uploads/", ANN, headers=mine)
    [line] = lines_of(lines)
    assert line["request_id"] == "r-1"


async def log_reads_of(registry: Registry, project: str, value: str) -> None:
    url = ("--url", registry.url.removeprefix("http://"))
    done = await atoll("project", "set", project, f"log_reads={value}", *url)
    assert done.exit_code == 0, done


async def test_a_project_has_its_reads_logged(registry: Registry, lines: io.BytesIO):
    """Those of its repositories and no others, by whatever they are answered, as long as it says
    so. Broken: who has to show who pulled what cannot; or a switch is thrown and does nothing."""
    for name in ("lib/app", "lib2/app"):
        await registry.push_image(name, "v1")
    client, other = await Client.of(registry), "/v2/lib2/app/manifests/v1"
    await client.settled(PATH)
    await client.settled(other)
    lines_of(lines)
    assert (await client.get(PATH))[0] == "block"
    assert lines_of(lines) == []
    await log_reads_of(registry, "lib", "true")
    lines_of(lines)
    levels = [(await client.get(PATH, "X-Request-Id: r-7"))[0] for _ in range(7)]
    assert {*levels} == {"handler", "fields", "block"}
    await client.get(PATH, method="HEAD")
    await client.get("/v2/lib/app/tags/list")
    await client.get("/v2/")
    for _ in range(6):
        await client.get(other)
    found = lines_of(lines)
    assert [(line["method"], line["path"], line["status"], line["who"]) for line in found] == [
        *[("GET", PATH, 200, "anonymous")] * 7,
        ("HEAD", PATH, 200, "anonymous"),
        ("GET", "/v2/lib/app/tags/list", 200, "anonymous"),
    ]
    assert {line["request_id"] for line in found[:7]} == {"r-7"}
    await client.settled(PATH)
    await log_reads_of(registry, "lib", "false")
    lines_of(lines)
    for _ in range(6):
        await client.get(PATH)
    assert lines_of(lines) == []


async def test_a_remembered_answer_is_logged_for_who_gets_it(scene: Scene, lines: io.BytesIO):
    """Broken: what ann reads from memory is said to have been read by bob."""
    await scene.accounts.grant("lib", "bob", Role.PUSHER, (), 0.0)
    body = b'{"log_reads": true}'
    assert await scene.status("PUT", "/atoll/v1/projects/lib", OPERATOR, data=body) == 200
    client = await Client.of(scene.registry)
    fields: dict[str, str] = {}
    for name in ("ann", "bob"):
        given = await scene.token(name, "repository:lib/app:pull")
        fields[name] = f"Authorization: {given['Authorization']}"
    for field in fields.values():
        await client.settled(PATH, field)
    lines_of(lines)
    for name in ("bob", "ann", "bob"):
        assert (await client.get(PATH, fields[name]))[0] == "block"
    assert [line["who"] for line in lines_of(lines)] == ["bob", "ann", "bob"]
