"""`global` pushes, and the members that come to life while they wait."""

import pytest

from cluster.errors import (
    BlobUnavailable,
    ClusterError,
    CopiesUnfinished,
    NotCaughtUp,
    NotEnoughNodes,
    StorageFull,
)
from cluster.model import Consistency, Digest
from node.registry.push import NEWCOMERS_MAX
from tests.api.conftest import Registry, image


class Arrivals:
    """
    Members that come to life while a push waits for its event, or for their copies.

    The first time that somebody asks for copies for them, *error* is raised.
    """

    def __init__(self, registry: Registry, count: int, error: ClusterError | None = None) -> None:
        self._waited = registry.replicator.waited_with
        self._left, self._error = count, error
        self.asked: list[int] = []
        """How often the push had waited for its event when it asked for copies of its blobs."""
        registry.replicator.ensure_copies = self.ensure_copies
        registry.replicator.lacks_copies = self.lacks_copies

    async def ensure_copies(self, blobs: object, consistency: Consistency) -> int:
        self.asked.append(len(self._waited))
        if len(self.asked) > 1 and self._error is not None:
            raise self._error
        return 1

    async def lacks_copies(self, blobs: object, consistency: Consistency) -> bool:
        self._left -= 1
        return self._left >= 0


@pytest.mark.parametrize(
    ("consistency", "asked", "waited"),
    [("global", [0, 1, 2], 3), ("region", [0], 1), ("local", [0], 1)],
)
async def test_who_comes_to_life_during_a_push_gets_blobs_and_event(
    registry: Registry, consistency: str, asked: list[int], waited: int
):
    """Broken: who counted as dead lacks the blobs of a `global` push, or the push itself."""
    await registry.call("PUT", "/atoll/v1/projects/lib", json={"consistency": consistency})
    registry.replicator.waited_with.clear()
    arrivals = Arrivals(registry, 2)
    await registry.push_image("lib/app", "v1")
    assert arrivals.asked == asked
    assert len(registry.replicator.waited_with) == waited


@pytest.mark.parametrize(("arrivals", "status"), [(NEWCOMERS_MAX, 201), (NEWCOMERS_MAX + 1, 503)])
async def test_a_push_waits_for_newcomers_a_bounded_number_of_times(
    registry: Registry, arrivals: int, status: int
):
    """Broken: a member that comes and goes keeps a client waiting for ever."""
    await registry.call("PUT", "/atoll/v1/projects/lib", json={"consistency": "global"})
    layer = await registry.push_blob("lib/app", b"l")
    body = image((layer, 1))
    asked = Arrivals(registry, arrivals).asked
    answer = await registry.call("PUT", "/v2/lib/app/manifests/v1", data=body)
    assert answer.status == status
    assert len(asked) == 1 + NEWCOMERS_MAX
    assert status == 201 or answer.outcome == "unknown"
    assert (await registry.call("GET", "/v2/lib/app/manifests/v1")).body == body


@pytest.mark.parametrize(
    "error",
    [
        BlobUnavailable(Digest.of(b""), "nobody is there"),
        StorageFull("it is full"),
        NotEnoughNodes(2, 1),
        NotCaughtUp("this node is stopping"),
        CopiesUnfinished(300),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_push_without_the_blobs_of_who_came_to_life_is_an_unknown_outcome(
    registry: Registry, error: ClusterError
):
    """Broken: a client is told that nothing has changed, and what it pushed stays."""
    await registry.call("PUT", "/atoll/v1/projects/lib", json={"consistency": "global"})
    await registry.push_image("lib/app", "v1")
    config, layer = (
        await registry.push_blob("lib/app", b"c"),
        await registry.push_blob("lib/app", b"l"),
    )
    Arrivals(registry, 1, error)
    body = image((config, 1), (layer, 1))
    answer = await registry.call("PUT", "/v2/lib/app/manifests/v1", data=body)
    assert answer.status == 503
    assert answer.outcome == "unknown"
    assert (await registry.call("GET", "/v2/lib/app/manifests/v1")).body == body
