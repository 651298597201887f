"""By when a change is answered, whatever becomes of it."""

import asyncio

import pytest

from node.http.limits import ApiLimits
from tests.api.conftest import StartRegistry, image


async def hang(*_: object, **__: object) -> None:
    await asyncio.Event().wait()


async def test_a_change_is_answered_in_time(
    start_registry: StartRegistry, monkeypatch: pytest.MonkeyPatch
):
    """Broken: one wait without an end holds a client, and its connection, for ever."""
    registry = await start_registry(ApiLimits(answer_s=0.2))
    config = await registry.push_blob("lib/app", b"{}")
    body = image((config, 2))
    monkeypatch.setattr(registry.replicator, "wait_durable", hang)
    answer = await registry.put_manifest("lib/app", "v1", body)
    assert (answer.status, answer.codes) == (503, ["UNAVAILABLE"])
    assert answer.outcome == "unknown"
    monkeypatch.undo()
    assert (await registry.call("GET", "/v2/lib/app/manifests/v1")).status == 200, "it was logged"
    assert (await registry.put_manifest("lib/app", "v1", body)).status == 201


async def test_a_body_has_its_own_time(start_registry: StartRegistry):
    """Broken: a large blob is cut off because its answer would have taken that long."""
    registry = await start_registry(ApiLimits(answer_s=0.2))
    location = await registry.start_upload("lib/app")

    async def slow():
        for _ in range(5):
            await asyncio.sleep(0.1)
            yield b"x"

    assert (await registry.call("PATCH", location, data=slow())).status == 202
