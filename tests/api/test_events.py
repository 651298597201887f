"""The event of each write, degraded writes, and what is left of one that is not acknowledged."""

import asyncio
from unittest.mock import AsyncMock

import pytest

from cluster.errors import CopiesUnfinished, NotEnoughNodes
from cluster.model import Acknowledged, Consistency, Digest, Dot
from node.registry.policy import ProjectPolicy
from tests.api.conftest import Registry, image

EVENT = "Atoll-Event"


async def push(registry: Registry, tag: str, text: str = "x"):
    config = await registry.push_blob("lib/app", text.encode())
    body = image((config, len(text)))
    return Digest.of(body), await registry.put_manifest("lib/app", tag, body)


async def test_every_write_names_its_event(registry: Registry):
    """Without it nobody could wait for the write elsewhere."""
    events = []
    data = b"blob"
    path = f"/v2/lib/app/blobs/uploads/?digest={Digest.of(data)}"
    events.append((await registry.call("POST", path, data=data)).headers[EVENT])
    location = await registry.start_upload("lib/app")
    answer = await registry.call("PUT", f"{location}?digest={Digest.of(b'y')}", data=b"y")
    events.append(answer.headers[EVENT])
    mount = f"/v2/lib/two/blobs/uploads/?mount={Digest.of(data)}&from=lib/app"
    events.append((await registry.call("POST", mount)).headers[EVENT])
    digest, pushed = await push(registry, "v1")
    events.append(pushed.headers[EVENT])
    for name in ("manifests/v1", f"manifests/{digest}", f"blobs/{Digest.of(data)}"):
        answer = await registry.call("DELETE", f"/v2/lib/app/{name}")
        assert answer.status == 202
        events.append(answer.headers[EVENT])
    dots = [Dot.parse(event) for event in events]
    assert dots == sorted(set(dots)), "each has its own, in order"
    origin = registry.index.replica.origin
    assert {(dot.node, dot.epoch) for dot in dots} == {origin}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_manifest_by_tag_names_the_event_that_the_tag_has(registry: Registry, method: str):
    _, pushed = await push(registry, "v1")
    read = await registry.call(method, "/v2/lib/app/manifests/v1")
    assert read.headers[EVENT] == pushed.headers[EVENT]


async def test_head_of_a_manifest_by_digest_names_its_push(registry: Registry):
    digest, pushed = await push(registry, "v1")
    read = await registry.call("HEAD", f"/v2/lib/app/manifests/{digest}")
    assert Dot.parse(read.headers[EVENT]) < Dot.parse(pushed.headers[EVENT])


async def test_a_degraded_write_says_on_how_many_nodes_it_is(registry: Registry):
    _, pushed = await push(registry, "v1")
    assert "Atoll-Degraded" not in pushed.headers
    registry.replicator.acknowledged = Acknowledged(1, 2)
    digest, pushed = await push(registry, "v2")
    assert pushed.status == 201
    assert pushed.headers["Atoll-Degraded"] == "1"
    deleted = await registry.call("DELETE", f"/v2/lib/app/manifests/{digest}")
    assert deleted.headers["Atoll-Degraded"] == "1"


async def test_too_few_copies_of_a_blob_count_too(registry: Registry):
    registry.replicator.acknowledged = Acknowledged(2, 2)
    _, pushed = await push(registry, "v1")
    assert pushed.headers["Atoll-Degraded"] == "1", "the fake has one copy of each blob"


async def test_a_push_whose_copies_take_too_long_has_changed_nothing(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
):
    """Broken: a client waits for hours, or gets 503 and cannot tell whether its tag has moved."""
    before = await registry.push_image("lib/app", "v1")
    config = await registry.push_blob("lib/app", b"another")
    ensure = AsyncMock(side_effect=CopiesUnfinished(300))
    monkeypatch.setattr(registry.replicator, "ensure_copies", ensure)
    body = image((config, 7))
    answer = await registry.call("PUT", "/v2/lib/app/manifests/v1", data=body)
    assert answer.status == 503
    assert answer.outcome == "unchanged"
    assert "nothing has changed" in answer.body.decode()
    assert registry.index.metadata.tag("lib/app", "v1") == before
    assert registry.index.metadata.manifest("lib/app", Digest.of(body)) is None
    monkeypatch.undo()
    assert (await registry.call("PUT", "/v2/lib/app/manifests/v1", data=body)).status == 201


async def test_a_push_that_is_not_acknowledged_is_an_unknown_outcome(registry: Registry):
    """Broken: a client takes a 503 for "nothing has changed", and it has."""
    await push(registry, "v1", "old")
    registry.replicator.not_durable = True
    new, refused = await push(registry, "v1", "new")
    assert refused.status == 503
    assert refused.codes == ["UNAVAILABLE"]
    assert refused.headers["Retry-After"] == "1"
    assert EVENT not in refused.headers
    assert refused.outcome == "unknown"
    [error] = refused.json["errors"]
    read = await registry.call("GET", "/v2/lib/app/manifests/v1")
    assert read.headers["Docker-Content-Digest"] == new, "nothing undoes it"
    assert read.headers[EVENT] == error["detail"]["event"]
    registry.replicator.not_durable = False
    _, again = await push(registry, "v1", "new")
    assert again.status == 201, "the client tries again"
    assert again.headers[EVENT] != error["detail"]["event"], "by an event of its own"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("DELETE", "/v2/lib/app/manifests/v1", None),
        ("DELETE", "/v2/lib/app/manifests/{digest}", None),
        ("DELETE", "/v2/lib/app/blobs/{blob}", None),
        ("PUT", "/atoll/v1/projects/lib", b"{}"),
        ("DELETE", "/atoll/v1/projects/lib", None),
        ("POST", "/atoll/v1/repositories/lib/app/tags/v1/rollback", b'{"digest": "{digest}"}'),
    ],
)
async def test_every_write_that_is_logged_and_not_acknowledged_says_so(
    registry: Registry, method: str, path: str, body: bytes | None
):
    digest, _ = await push(registry, "v1")
    blob = await registry.push_blob("lib/app", b"z")
    await registry.call("PUT", "/atoll/v1/projects/lib", data=b'{"history_max": 3}')
    registry.replicator.not_durable = True
    body = None if body is None else body.replace(b"{digest}", digest.encode())
    answer = await registry.call(method, path.format(digest=digest, blob=blob), data=body)
    assert answer.status == 503
    assert answer.outcome == "unknown"


async def test_a_delete_that_is_not_acknowledged_stands(registry: Registry):
    await push(registry, "v1")
    registry.replicator.not_durable = True
    assert (await registry.call("DELETE", "/v2/lib/app/manifests/v1")).status == 503
    assert (await registry.call("GET", "/v2/lib/app/manifests/v1")).status == 404


async def test_with_too_few_nodes_nothing_is_written(registry: Registry):
    digest, _ = await push(registry, "v1")
    body = image((await registry.push_blob("lib/app", b"z"), 1))
    before = registry.index.replica.vector()
    registry.replicator.not_writable = NotEnoughNodes(1, 2)
    answers = [
        await registry.put_manifest("lib/app", "v2", body),
        await registry.call("DELETE", "/v2/lib/app/manifests/v1"),
        await registry.call("DELETE", f"/v2/lib/app/blobs/{digest}"),
        await registry.call("POST", "/v2/lib/app/blobs/uploads/"),
        await registry.call("PUT", "/atoll/v1/projects/lib", data=b"{}"),
        await registry.call(
            "POST", "/atoll/v1/repositories/lib/app/tags/v1/rollback",
            data=f'{{"digest":"{digest}"}}'.encode(),
        ),
    ]  # fmt: skip
    for answer in answers:
        assert answer.status == 503
        assert answer.codes == ["UNAVAILABLE"]
        assert "1 of the 2 nodes" in answer.json["errors"][0]["message"]
        assert answer.outcome is None, "it says that nothing has changed"
        assert answer.headers["Retry-After"] == "1"
    assert registry.index.replica.vector() == before
    assert (await registry.call("GET", "/v2/lib/app/manifests/v1")).status == 200


async def test_a_hopeless_push_is_refused_before_its_body_comes(registry: Registry):
    """Broken: a client sends 4 MiB, or waits for ten seconds, to be told what was known before."""
    registry.replicator.not_writable = NotEnoughNodes(1, 2, ["us-1", "ap-1"])
    reader, writer = await asyncio.open_connection("127.0.0.1", registry.port)
    head = "PUT /v2/lib/app/manifests/v1 HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
    writer.write(head.encode())
    async with asyncio.timeout(20):
        answer = await reader.readuntil(b"}]}")
    writer.close()
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"missing: us-1, ap-1" in answer
    assert b'"detail":{"connected":1,"wanted":2,"missing":["us-1","ap-1"]}' in answer


@pytest.mark.parametrize("consistency", list(Consistency))
async def test_a_project_says_how_far_its_writes_have_to_be(
    registry: Registry, consistency: Consistency
):
    policy = f'{{"consistency": "{consistency}"}}'.encode()
    assert (await registry.call("PUT", "/atoll/v1/projects/lib", data=policy)).status == 200
    registry.replicator.waited_with.clear()
    digest, _ = await push(registry, "v1")
    await registry.call("DELETE", f"/v2/lib/app/manifests/{digest}")
    assert registry.replicator.waited_with == [consistency] * 2
    await registry.call("DELETE", "/atoll/v1/projects/lib")
    await push(registry, "v1")
    assert registry.replicator.waited_with[-1] is ProjectPolicy().consistency
