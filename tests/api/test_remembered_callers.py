"""Answers remembered where one has to log in: to whoever is let in, for as long as they are."""

from typing import Any

import pytest

from node.identity.actions import Role
from tests.api.asker import Client
from tests.api.conftest import StartRegistry
from tests.api.scene import ANN, Fields, Scene, a_scene
from tests.sim.mutants import by_name, mutated

PATH = "/v2/lib/app/manifests/v1"


@pytest.fixture
async def scene(start_registry: StartRegistry) -> Scene:
    return await a_scene(start_registry)


def field(who: Fields) -> str:
    return f"Authorization: {who['Authorization']}"


async def settled(scene: Scene, who: Fields) -> Client:
    """A client of whom the registry remembers what it answers."""
    client = await Client.of(scene.registry)
    assert (await client.settled(PATH, field(who))).status == 200
    return client


async def test_a_token_that_ends_ends_what_is_remembered(scene: Scene):
    """Broken: who once had a token reads for ever."""
    who = await scene.token("ann", "repository:lib/app:pull")
    client = await settled(scene, who)
    scene.registry.time.now += 3601
    level, reply = await client.get(PATH, field(who))
    assert (level, reply.status) == ("handler", 401)


async def revoke_grant(scene: Scene) -> None:
    await scene.accounts.grant("lib", "ann", Role.PUSHER, (), 1.0)  # which is long over


async def disable(scene: Scene) -> None:
    await scene.accounts.put_user("ann", password=None, disabled=True, create=False)


REVOKED = pytest.mark.parametrize("revoke", [revoke_grant, disable])


@REVOKED
async def test_what_is_revoked_is_not_read_from_memory(scene: Scene, revoke: Any):
    who = await scene.token("ann", "repository:lib/app:pull")
    client = await settled(scene, who)
    await revoke(scene)
    level, reply = await client.get(PATH, field(who))
    assert level == "handler"
    assert reply.status in (401, 404)


@REVOKED
async def test_that_is_by_the_word_of_the_policy(scene: Scene, revoke: Any):
    """The seeded bug shows: who goes by no word goes on reading."""
    who = await scene.token("ann", "repository:lib/app:pull")
    client = await settled(scene, who)
    with mutated(by_name("remembered-under-another-policy")):
        await revoke(scene)
        assert (await client.get(PATH, field(who)))[1].status == 200


async def test_nobody_reads_what_another_was_given(scene: Scene):
    client = await settled(scene, await scene.token("ann", "repository:lib/app:pull"))
    others = [await scene.token("bob", "repository:lib/app:pull"), await scene.token("", "")]
    for who in others:
        for _ in range(4):
            assert (await client.get(PATH, field(who)))[1].status in (401, 404)
    for _ in range(4):
        assert (await client.get(PATH))[1].status == 401


async def test_a_project_that_is_public_no_more_is_read_by_no_stranger(scene: Scene):
    client, path = await Client.of(scene.registry), "/v2/pub/app/manifests/v1"
    assert (await client.settled(path)).status == 200
    await scene.accounts.put_project("pub", public=False, denies=())
    assert (await client.get(path))[1].status == 401


async def test_who_logs_in_with_each_request_is_asked_each_time(scene: Scene):
    """A log-in is refused for other reasons as well: too many of them, no majority for an hour."""
    client = await Client.of(scene.registry)
    for _ in range(5):
        level, reply = await client.get(PATH, field(ANN))
        assert (level, reply.status) == ("handler", 200)
