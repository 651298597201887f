"""The admin API: tags with their history, rollback, conflicts, projects, the cluster, waiting."""

import asyncio
import json

import pytest

from cluster.model import Digest, Dot, Key, NodeId, Region, SpreadNode
from cluster.objects.events import Write
from tests.api.conftest import Registry
from tests.builders import an_event

TAG = "/atoll/v1/repositories/lib/app/tags/v1"
PROJECT = "/atoll/v1/projects/lib"
WAIT = "/atoll/v1/wait?event=solo/1/1"


async def write_elsewhere(registry: Registry, digest: str, seq: int = 1, tag: str = "v1") -> Dot:
    """A write of the tag by another node, which had not seen ours."""
    dot = Dot("zz", 1, seq)
    stamp = registry.index.journal.clock.tick(0)
    key = Key("tag", "lib/app", tag)
    await registry.index.replica.apply([an_event(dot, key, Write((), digest), stamp)])
    return dot


# --- tags ----------------------------------------------------------------------------------------


async def test_a_tag_shows_its_history(registry: Registry):
    old = await registry.push_image("lib/app", "v1", text="old")
    new = await registry.push_image("lib/app", "v1", text="new")
    answer = await registry.call("GET", TAG)
    assert answer.status == 200
    view = answer.json
    assert (view["repository"], view["tag"], view["digest"]) == ("lib/app", "v1", new)
    assert not view["conflict"]
    assert [head["event"] for head in view["heads"]] == [view["event"]]
    assert answer.headers["Atoll-Event"] == view["event"]
    newest, oldest = view["history"]
    assert (newest["digest"], oldest["digest"]) == (new, old)
    assert newest["replaces"] == [oldest["event"]]
    assert newest["action"] == "write"
    assert newest["time"] >= oldest["time"]
    assert newest["time"].endswith("+00:00")


async def test_writes_of_unknown_outcome_and_deletions_are_in_the_history(registry: Registry):
    await registry.push_image("lib/app", "v1", text="old")
    registry.replicator.not_durable = True
    with pytest.raises(AssertionError):
        await registry.push_image("lib/app", "v1", text="new")
    registry.replicator.not_durable = False
    await registry.call("DELETE", "/v2/lib/app/manifests/v1")
    view = (await registry.call("GET", TAG)).json
    assert view["digest"] is view["event"] is None
    assert view["heads"] == []
    assert [entry["action"] for entry in view["history"]] == ["delete", "write", "write"]


async def test_a_tag_that_never_was_is_asked_for_and_then_404(registry: Registry):
    answer = await registry.call("GET", TAG)
    assert answer.status == 404
    assert answer.codes == ["MANIFEST_UNKNOWN"]
    assert registry.replicator.caught_up == 1


async def test_rollback_to_an_event_is_one_call(registry: Registry):
    old = await registry.push_image("lib/app", "v1", text="old")
    await registry.push_image("lib/app", "v1", text="new")
    event = (await registry.call("GET", TAG)).json["history"][1]["event"]
    answer = await registry.call(
        "POST", f"{TAG}/rollback", data=json.dumps({"event": event}).encode()
    )
    assert answer.status == 200, answer.body
    assert answer.json["digest"] == old
    assert answer.json["event"] == answer.headers["Atoll-Event"]
    assert answer.headers["Location"] == f"/v2/lib/app/manifests/{old}"
    read = await registry.call("GET", "/v2/lib/app/manifests/v1")
    assert read.headers["Docker-Content-Digest"] == old
    assert len((await registry.call("GET", TAG)).json["history"]) == 3


async def test_rollback_of_a_deleted_tag_and_to_a_digest(registry: Registry):
    digest = await registry.push_image("lib/app", "v1")
    await registry.call("DELETE", "/v2/lib/app/manifests/v1")
    body = json.dumps({"digest": digest}).encode()
    assert (await registry.call("POST", f"{TAG}/rollback", data=body)).status == 200
    assert (await registry.call("GET", "/v2/lib/app/manifests/v1")).status == 200


async def test_rollback_settles_a_conflict(registry: Registry):
    mine = await registry.push_image("lib/app", "v1", text="mine")
    other = await registry.push_image("lib/app", text="other")
    await write_elsewhere(registry, other)
    view = (await registry.call("GET", TAG)).json
    assert view["conflict"]
    assert view["digest"] == other, "the later write is served"
    event = next(head["event"] for head in view["heads"] if head["digest"] == mine)
    body = json.dumps({"event": event}).encode()
    assert (await registry.call("POST", f"{TAG}/rollback", data=body)).status == 200
    view = (await registry.call("GET", TAG)).json
    assert (view["digest"], view["conflict"]) == (mine, False)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"event": "solo/1/99"}, 404, "MANIFEST_UNKNOWN"),
        ({"event": "solo"}, 400, "UNSUPPORTED"),
        ({"digest": str(Digest.of(b"nowhere"))}, 404, "MANIFEST_UNKNOWN"),
        ({"digest": "sha256:1"}, 400, "DIGEST_INVALID"),
        ({}, 400, "UNSUPPORTED"),
        ({"event": "solo/1/1", "digest": str(Digest.of(b""))}, 400, "UNSUPPORTED"),
        ({"evnt": "solo/1/1"}, 400, "UNSUPPORTED"),
        ([], 400, "UNSUPPORTED"),
        ({"event": "x" * 20_000}, 413, "SIZE_INVALID"),
    ],
)
async def test_rollbacks_that_make_no_sense(registry: Registry, body, status: int, code: str):
    await registry.push_image("lib/app", "v1")
    answer = await registry.call("POST", f"{TAG}/rollback", data=json.dumps(body).encode())
    assert (answer.status, answer.codes) == (status, [code])


async def test_nobody_goes_back_to_a_deletion_or_a_deleted_manifest(registry: Registry):
    digest = await registry.push_image("lib/app", "v1")
    await registry.call("DELETE", "/v2/lib/app/manifests/v1")
    deleted, written = (await registry.call("GET", TAG)).json["history"]
    answer = await registry.call(
        "POST", f"{TAG}/rollback", data=json.dumps({"event": deleted["event"]}).encode()
    )
    assert (answer.status, answer.codes) == (400, ["UNSUPPORTED"])
    await registry.call("DELETE", f"/v2/lib/app/manifests/{digest}")
    answer = await registry.call(
        "POST", f"{TAG}/rollback", data=json.dumps({"event": written["event"]}).encode()
    )
    assert (answer.status, answer.codes) == (404, ["MANIFEST_UNKNOWN"])


async def test_conflicts_are_listed_in_pages(registry: Registry):
    for number, tag in enumerate(("a", "b", "c"), start=1):
        await registry.push_image("lib/app", tag, text=tag)
        await write_elsewhere(registry, Digest.of(b"other"), number, tag)
    path, seen = "/atoll/v1/conflicts?n=2&repository=lib/app", []
    while path:
        answer = await registry.call("GET", path)
        assert answer.status == 200
        seen += [conflict["tag"] for conflict in answer.json["conflicts"]]
        assert all(len(conflict["heads"]) == 2 for conflict in answer.json["conflicts"])
        path = answer.headers.get("Link", "").partition(">")[0][1:]
    assert seen == ["a", "b", "c"]
    none = await registry.call("GET", "/atoll/v1/conflicts?repository=lib/ap")
    assert none.json == {"conflicts": []}
    answer = await registry.call("GET", "/atoll/v1/conflicts?n=x")
    assert (answer.status, answer.codes) == (400, ["UNSUPPORTED"])
    for query, tags in (
        ("last=a", "abc"),
        ("last=lib/app", "abc"),
        ("last=lib/app:b", "c"),
        ("last=lib/app:a!", "bc"),
        ("last=A:b", "abc"),
        ("last=z:%00:%ff", ""),
        ("last=z:a&repository=lib/app", ""),
        ("last=a:z&repository=lib/app", "abc"),
    ):
        answer = await registry.call("GET", f"/atoll/v1/conflicts?{query}")
        assert [conflict["tag"] for conflict in answer.json["conflicts"]] == list(tags), query


# --- projects ------------------------------------------------------------------------------------

DEFAULTS = {
    "consistency": "region",
    "history_max": 64,
    "history_days": 90,
    "unconfirmed_reads": "serve",
    "children": "all",
    "log_reads": False,
}


async def test_a_project_has_the_defaults_until_somebody_sets_it(registry: Registry):
    answer = await registry.call("GET", PROJECT)
    assert answer.json == {"name": "lib", "policy": DEFAULTS, "event": None, "who": None}
    answer = await registry.call("PUT", PROJECT, data=b'{"history_max": 3}')
    assert answer.status == 200
    assert answer.json["policy"] == {**DEFAULTS, "history_max": 3}
    assert answer.json["who"] == "anonymous"
    assert answer.json["event"] == answer.headers["Atoll-Event"]
    assert (await registry.call("GET", PROJECT)).json == answer.json
    assert (await registry.call("GET", "/atoll/v1/projects")).json == {"projects": ["lib"]}
    assert (await registry.call("DELETE", PROJECT)).status == 202
    assert (await registry.call("GET", PROJECT)).json["event"] is None
    answer = await registry.call("DELETE", PROJECT)
    assert (answer.status, answer.codes) == (404, ["NAME_UNKNOWN"])


@pytest.mark.parametrize(
    "body",
    ['{"history_max": 0}', '{"history_max": 257}', '{"history_days": 366}', '{"quota": 1}',
     '{"children": "some"}', '{"children": []}', '{"children": ["linux"]}',
     '{"children": ["linux/amd64", "Linux/*"]}',
     '{"consistency": "quorum"}', '{"history_max": "3"}', "[]", "{", ""],
)  # fmt: skip
async def test_policies_that_are_none_are_refused(registry: Registry, body: str):
    answer = await registry.call("PUT", PROJECT, data=body.encode())
    assert (answer.status, answer.codes) == (400, ["UNSUPPORTED"])
    assert (await registry.call("GET", PROJECT)).json["event"] is None


async def test_an_unknown_field_is_named(registry: Registry):
    answer = await registry.call("PUT", PROJECT, data=b'{"quota": 1}')
    assert "quota" in answer.json["errors"][0]["message"]


async def test_names_that_no_project_has(registry: Registry):
    for name in ("a%2Fb", "A", "%00", "x" * 300):
        answer = await registry.call("GET", f"/atoll/v1/projects/{name}")
        assert (answer.status, answer.codes) == (400, ["NAME_INVALID"])


async def test_projects_come_in_pages(registry: Registry):
    for name in "abc":
        await registry.call("PUT", f"/atoll/v1/projects/{name}", data=b"{}")
    first = await registry.call("GET", "/atoll/v1/projects?n=2")
    assert first.json == {"projects": ["a", "b"]}
    rest = await registry.call("GET", first.headers["Link"].partition(">")[0][1:])
    assert rest.json == {"projects": ["c"]}
    assert "Link" not in rest.headers


async def test_the_history_is_shown_as_far_as_the_project_says(registry: Registry):
    for text in "abc":
        await registry.push_image("lib/app", "v1", text=text)
    await registry.call("PUT", PROJECT, data=b'{"history_max": 2}')
    view = (await registry.call("GET", TAG)).json
    assert len(view["history"]) == 2
    await registry.call("PUT", PROJECT, data=b'{"history_max": 3}')
    assert len((await registry.call("GET", TAG)).json["history"]) == 3, "it was only hidden"


# --- the cluster ---------------------------------------------------------------------------------


async def test_the_cluster_as_this_node_sees_it(registry: Registry):
    answer = await registry.call("GET", "/atoll/v1/cluster")
    assert answer.status == 200
    assert answer.json["node"] == "solo"
    assert answer.json["members"] == []
    assert answer.json["totals"]["degraded"] == 0


async def test_waiting_tells_the_state_of_every_node(registry: Registry):
    answer = await registry.call("GET", f"{WAIT}&regions=local&timeout_s=1.5")
    assert answer.status == 200
    node = {"node": "solo", "region": "local", "live": True, "has": True}
    assert answer.json == {"event": "solo/1/1", "nodes": [node]}
    assert registry.view.asked == [(Dot("solo", 1, 1), ["local"], 1.5)]
    await registry.call("GET", WAIT)
    assert registry.view.asked[1] == (Dot("solo", 1, 1), None, 30.0)


async def test_a_wait_that_ends_in_time_says_who_lacks_the_event(registry: Registry):
    lacking = SpreadNode(NodeId("us-1"), Region("us"), True, False)
    registry.view.nodes = (*registry.view.nodes, lacking)
    answer = await registry.call("GET", f"{WAIT}&timeout_s=0")
    assert (answer.status, answer.codes) == (503, ["UNAVAILABLE"])
    [error] = answer.json["errors"]
    assert error["detail"]["missing"] == [lacking._asdict()]
    assert "us-1" in error["message"]
    assert answer.headers["Retry-After"] == "1"


@pytest.mark.parametrize(
    "query",
    ["", "event=x", "event=solo/1", "event=solo/1/1&event=solo/1/2", "event=solo/1/1&regions=",
     "event=solo/1/1&regions=mars", "event=solo/1/1&timeout_s=301", "event=solo/1/1&timeout_s=-1",
     "event=solo/1/1&timeout_s=x", "event=solo/1/1&regions=" + ",".join("a" * 65)],
)  # fmt: skip
async def test_waits_that_make_no_sense(registry: Registry, query: str):
    answer = await registry.call("GET", f"/atoll/v1/wait?{query}")
    assert (answer.status, answer.codes) == (400, ["UNSUPPORTED"])


async def test_only_so_many_may_wait_at_once(registry: Registry):
    """A stranger could hold any number of connections open."""
    registry.view.released.clear()
    async with asyncio.TaskGroup() as group:
        waits = [group.create_task(registry.call("GET", WAIT)) for _ in range(2)]
        while len(registry.view.asked) < 2:
            await asyncio.sleep(0)
        answer = await registry.call("GET", WAIT)
        assert (answer.status, answer.codes) == (429, ["TOOMANYREQUESTS"])
        registry.view.released.set()
    assert [wait.result().status for wait in waits] == [200, 200]
    assert (await registry.call("GET", WAIT)).status == 200
