"""`If-Match` of a rollback: nobody goes back over what they have not seen."""

import asyncio
import json

import pytest

from cluster.model import Digest, Dot, Key
from cluster.objects import Write
from tests.api.commands import atoll
from tests.api.conftest import Answer, Registry
from tests.builders import an_event

TAG = "/atoll/v1/repositories/lib/app/tags/v1"


async def go_back(registry: Registry, to: str, if_match: str | None, tag: str = TAG) -> Answer:
    fields = {} if if_match is None else {"If-Match": if_match}
    kind = "digest" if ":" in to else "event"
    body = json.dumps({kind: to}).encode()
    return await registry.call("POST", f"{tag}/rollback", data=body, headers=fields)


async def seen(registry: Registry) -> dict:
    found: dict = (await registry.call("GET", TAG)).json
    return found


async def two_pushes(registry: Registry) -> tuple[str, str]:
    """The events of an old and a new push."""
    await registry.push_image("lib/app", "v1", text="old")
    await registry.push_image("lib/app", "v1", text="new")
    new, old = (entry["event"] for entry in (await seen(registry))["history"])
    return old, new


async def write_elsewhere(registry: Registry, digest: Digest) -> str:
    """A write of the tag by another node, which had not seen ours."""
    event = an_event(
        Dot("zz", 1, 1),
        Key("tag", "lib/app", "v1"),
        Write((), digest),
        registry.index.journal.clock.tick(0),
    )
    await registry.index.replica.apply([event])
    return str(event.dot)


@pytest.mark.parametrize("form", ["{}", '"{}"', " {} , ", ",{}"])
async def test_a_tag_that_is_as_it_was_seen_goes_back(registry: Registry, form: str):
    old, new = await two_pushes(registry)
    answer = await go_back(registry, old, form.format(new))
    assert answer.status == 200, answer.body


async def test_a_tag_that_has_moved_stays(registry: Registry):
    """Broken: who goes back throws away a push that they have not seen."""
    old, new = await two_pushes(registry)
    newest = await registry.push_image("lib/app", "v1", text="newest")
    answer = await go_back(registry, old, new)
    now = await seen(registry)
    assert (answer.status, answer.codes) == (412, ["UNSUPPORTED"])
    assert answer.json["errors"][0]["detail"] == {"events": [now["event"]]}
    assert (now["digest"], len(now["history"])) == (newest, 3)


async def test_of_two_who_saw_the_same_one_goes_back(registry: Registry):
    """Broken: a double click does two things."""
    old, new = await two_pushes(registry)
    answers = await asyncio.gather(*(go_back(registry, old, new) for _ in range(8)))
    assert sorted(answer.status for answer in answers) == [200, *[412] * 7]
    assert len((await seen(registry))["history"]) == 3


async def test_of_a_conflict_all_heads_are_named(registry: Registry):
    await registry.push_image("lib/app", "v1", text="mine")
    other = await registry.push_image("lib/app", text="other")
    mine = (await seen(registry))["event"]
    theirs = await write_elsewhere(registry, other)
    for named in (mine, theirs, f"{mine}, zz/1/2", f"{mine},{theirs},zz/1/2", ""):
        answer = await go_back(registry, mine, named)
        assert answer.status == 412, named
        assert sorted(answer.json["errors"][0]["detail"]["events"]) == sorted([mine, theirs])
    assert (await go_back(registry, mine, f"{theirs}, {mine}")).status == 200
    assert not (await seen(registry))["conflict"]


async def test_of_a_deleted_tag_its_deletion_is_named(registry: Registry):
    digest = await registry.push_image("lib/app", "v1")
    await registry.call("DELETE", "/v2/lib/app/manifests/v1")
    deleted, written = (entry["event"] for entry in (await seen(registry))["history"])
    answer = await go_back(registry, digest, written)
    assert (answer.status, answer.json["errors"][0]["detail"]) == (412, {"events": [deleted]})
    assert (await go_back(registry, digest, deleted)).status == 200


async def test_of_a_tag_whose_manifest_is_deleted_nothing_can_be_named(registry: Registry):
    digest = await registry.push_image("lib/app", "v1")
    other = await registry.push_image("lib/app", text="other")
    written = (await seen(registry))["event"]
    await registry.call("DELETE", f"/v2/lib/app/manifests/{digest}")
    answer = await go_back(registry, other, written)
    assert (answer.status, answer.json["errors"][0]["detail"]) == (412, {"events": []})
    assert (await go_back(registry, other, None)).status == 200


@pytest.mark.parametrize("named", ["solo", "*", 'W/"solo/1/1"', '"solo/1/1', "solo/1/1," * 65])
async def test_what_names_no_events_is_refused(registry: Registry, named: str):
    old, _ = await two_pushes(registry)
    answer = await go_back(registry, old, named)
    assert (answer.status, answer.codes) == (400, ["UNSUPPORTED"])
    assert len((await seen(registry))["history"]) == 2


async def test_a_tag_that_never_was_does_not_go_back(registry: Registry):
    digest = await registry.push_image("lib/app", "v1")
    event, never = (await seen(registry))["event"], TAG.replace("tags/v1", "tags/v2")
    assert (await go_back(registry, digest, None, never)).status == 409
    assert (await go_back(registry, event, None, never)).status == 404
    made = json.dumps({"digest": digest, "create": True}).encode()
    answer = await registry.call(
        "POST", f"{never}/rollback", data=made, headers={"If-Match": event}
    )
    assert answer.status == 412
    assert (await registry.call("POST", f"{never}/rollback", data=made)).status == 200


async def test_an_entry_says_to_what_it_returns(registry: Registry):
    """A push of what the tag has returns to nothing; what it had before another one does."""
    await registry.push_image("lib/app", "v1", text="old")
    await registry.push_image("lib/app", "v1", text="old")
    await registry.push_image("lib/app", "v1", text="new")
    history = (await seen(registry))["history"]
    assert [entry["returns_to"] for entry in history] == [None, None, None]
    assert (await go_back(registry, history[1]["event"], None)).status == 200
    await registry.call("DELETE", "/v2/lib/app/manifests/v1")
    assert (await go_back(registry, history[0]["event"], None)).status == 200
    now = (await seen(registry))["history"]
    returns = [entry["returns_to"] for entry in now]
    assert returns[:3] == [history[0]["event"], None, history[1]["event"]]


async def test_the_command_goes_back_over_what_it_has_seen_alone(registry: Registry):
    old, new = await two_pushes(registry)
    ref = f"127.0.0.1:{registry.port}/lib/app:v1"
    stale = await atoll("rollback", ref, old, "--if-match", old)
    assert (stale.exit_code, stale.output) == (1, "")
    assert f"has moved: it is {new} now" in stale.told
    unusable = await atoll("rollback", ref, old, "--if-match", "a\nb")
    assert (unusable.exit_code, "is not EVENT,EVENT" in unusable.told) == (1, True)
    done = await atoll("rollback", ref, old, "--if-match", new)
    assert done.exit_code == 0, done
