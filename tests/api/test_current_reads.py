"""What the edge does when the engine says that this node may not answer, or not write."""

import pytest

from cluster.errors import ClockOff, NotCaughtUp
from cluster.model import Digest
from tests.api.conftest import Registry

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    "path",
    [
        "manifests/latest",
        f"manifests/{DIGEST}",
        f"blobs/{DIGEST}",
        "tags/list",
        f"referrers/{DIGEST}",
    ],
)
async def test_reads_that_may_be_old_are_answered_503(registry: Registry, path: str):
    """If this fails, a node that knows it may be behind serves a stale tag all the same."""
    registry.replicator.not_current = NotCaughtUp("peers did not answer in time")
    answer = await registry.call("GET", f"/v2/lib/app/{path}")
    assert answer.status == 503
    assert answer.headers["Retry-After"] == "1"
    assert answer.json["errors"][0]["code"] == "UNAVAILABLE"


async def test_the_catalog_too(registry: Registry):
    registry.replicator.not_current = NotCaughtUp("peers did not answer in time")
    assert (await registry.call("GET", "/v2/_catalog")).status == 503


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "manifests/v1"),
        ("HEAD", "manifests/v1"),
        ("GET", "manifests/{image}"),
        ("GET", "blobs/{blob}"),
        ("HEAD", "blobs/{blob}"),
        ("GET", "tags/list"),
        ("GET", "referrers/{image}"),
    ],
)
async def test_what_nobody_could_confirm_is_served_and_says_so(
    registry: Registry, method: str, path: str
):
    """Broken: two nodes of a region die, and no image can be pulled from the third."""
    image, blob = await registry.push_image("lib/app", "v1"), Digest.of(b"layer")
    await registry.push_blob("lib/app", b"layer")
    url = f"/v2/lib/app/{path.format(image=image, blob=blob)}"
    assert "Atoll-Consistency" not in (await registry.call(method, url)).headers
    registry.replicator.confirmed = False
    answer = await registry.call(method, url)
    assert (answer.status, answer.headers["Atoll-Consistency"]) == (200, "unconfirmed")
    registry.replicator.confirmed = True
    assert "Atoll-Consistency" not in (await registry.call(method, url)).headers


async def test_a_project_may_want_no_such_reads(registry: Registry):
    """docker looks at no field: who must not run what is old wants a refusal."""
    await registry.push_image("lib/app", "v1")
    await registry.push_image("other/app", "v1")
    policy = {"unconfirmed_reads": "refuse"}
    put = await registry.call("PUT", "/atoll/v1/projects/lib", json=policy)
    assert put.status == 200
    registry.replicator.confirmed = False
    answer = await registry.call("GET", "/v2/lib/app/manifests/v1")
    assert (answer.status, answer.json["errors"][0]["code"]) == (503, "UNAVAILABLE")
    assert "no majority" in answer.json["errors"][0]["message"]
    assert (await registry.call("GET", "/v2/other/app/manifests/v1")).status == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "blobs/uploads/"),
        ("POST", f"blobs/uploads/?mount={DIGEST}&from=lib/other"),
        ("DELETE", f"blobs/{DIGEST}"),
        ("PUT", "manifests/latest"),
        ("DELETE", "manifests/latest"),
        ("DELETE", f"manifests/{DIGEST}"),
    ],
)
async def test_a_node_whose_clock_is_wrong_refuses_every_write(
    registry: Registry, method: str, path: str
):
    """If this fails, a node acknowledges what no other node will take from it."""
    registry.replicator.not_writable = ClockOff(5000)
    before = dict(registry.index.replica.vector())
    answer = await registry.call(method, f"/v2/lib/app/{path}")
    assert answer.status == 503
    assert (
        answer.json["errors"][0]["message"] == "this node's clock is 5000 ms ahead of its members'"
    )
    assert dict(registry.index.replica.vector()) == before


async def test_a_node_that_has_not_joined_writes_nothing(registry: Registry):
    """
    If this fails, what it stamps by a clock that is an hour ahead holds up all that it writes for
    that hour: only the others can tell that the clock is wrong.
    """
    digest = Digest.of(b"data")
    registry.replicator.not_joined = NotCaughtUp("this node has not joined its cluster yet")
    before = dict(registry.index.replica.vector())
    path = f"/v2/lib/app/blobs/uploads/?digest={digest}"
    assert (await registry.call("POST", path, data=b"data")).status == 503
    assert dict(registry.index.replica.vector()) == before
    registry.replicator.not_joined = None
    assert (await registry.call("POST", path, data=b"data")).status == 201


@pytest.mark.parametrize(
    ("method", "path", "data"),
    [
        ("POST", f"/v2/lib/app/blobs/uploads/?mount={DIGEST}&from=lib/other", b""),
        ("DELETE", f"/v2/lib/app/blobs/{DIGEST}", b""),
        ("PUT", "/v2/lib/app/manifests/latest", b"{}"),
        ("DELETE", "/v2/lib/app/manifests/latest", b""),
        ("DELETE", f"/v2/lib/app/manifests/{DIGEST}", b""),
        ("PUT", "/atoll/v1/projects/lib", b"{}"),
        ("DELETE", "/atoll/v1/projects/lib", b""),
    ],
)
async def test_writes_that_may_have_missed_something_are_refused(
    registry: Registry, method: str, path: str, data: bytes
):
    """If this fails, a delete leaves a tag standing that was acknowledged before it began."""
    registry.replicator.not_current = NotCaughtUp("peers did not answer in time")
    before = dict(registry.index.replica.vector())
    answer = await registry.call(method, path, data=data)
    assert answer.status == 503
    assert answer.headers["Retry-After"] == "1"
    assert dict(registry.index.replica.vector()) == before
