"""What happened, by the admin API and by the command."""

import csv
import io
import json
from typing import Any

import pytest

from cluster.model import Digest, Dot, Key
from cluster.objects import Write
from node.identity.actions import Role
from node.index.store import RangeDeletion
from tests.api.commands import atoll
from tests.api.conftest import Registry, StartRegistry
from tests.api.scene import ANN, BOB, OPERATOR, a_scene
from tests.builders import an_event

PATH = "/atoll/v1/activity"


async def happened(registry: Registry, query: str = "") -> list[dict[str, Any]]:
    answer = await registry.call("GET", f"{PATH}{query}")
    assert answer.status == 200, answer.body
    found: list[dict[str, Any]] = answer.json["activity"]
    return found


async def some_activity(registry: Registry) -> None:
    """A push, a move, a rollback, a deletion, a conflict, and the deletion of a manifest."""
    old = await registry.push_image("lib/app", "v1", text="old")
    await registry.push_image("lib/app", "v1", text="new")
    tag = "/atoll/v1/repositories/lib/app/tags/v1"
    body = json.dumps({"digest": old}).encode()
    assert (await registry.call("POST", f"{tag}/rollback", data=body)).status == 200
    assert (await registry.call("DELETE", "/v2/lib/app/manifests/v1")).status == 202
    mine = await registry.push_image("lib/web", "v2", text="mine")
    stamp = registry.index.journal.clock.tick(0)
    other = Write((), Digest.of(b"other"), "carol")
    event = an_event(Dot("zz", 1, 1), Key("tag", "lib/web", "v2"), other, stamp)
    await registry.index.replica.apply([event])
    assert (await registry.call("DELETE", f"/v2/lib/web/manifests/{mine}")).status == 202


EXPECTED = [
    ("remove", "lib/web", None),
    ("push", "lib/web", "v2"),
    ("conflict", "lib/web", "v2"),
    ("push", "lib/web", "v2"),
    ("delete", "lib/app", "v1"),
    ("rollback", "lib/app", "v1"),
    ("push", "lib/app", "v1"),
    ("push", "lib/app", "v1"),
]


def outline(entries: list[dict[str, Any]]) -> list[tuple[str, str | None, str | None]]:
    return [(each["kind"], each["repository"], each["tag"]) for each in entries]


async def test_what_happened_is_told_newest_first(registry: Registry):
    assert await happened(registry) == []
    await some_activity(registry)
    found = await happened(registry)
    assert outline(found) == EXPECTED
    assert [each["time"] for each in found] == sorted((e["time"] for e in found), reverse=True)
    assert {each["who"] for each in found} == {"anonymous", "carol"}
    assert {each["node"] for each in found} == {"solo", "zz"}
    rolled_back = found[5]
    assert rolled_back["returns_to"] == found[7]["event"]
    assert (await registry.call("GET", PATH)).json["complete_since"] is None


async def test_it_comes_in_pages(registry: Registry):
    await some_activity(registry)
    path, seen, pages = f"{PATH}?n=3", list[dict[str, Any]](), 0
    while path:
        answer = await registry.call("GET", path)
        assert len(answer.json["activity"]) <= 3
        seen += answer.json["activity"]
        path, pages = answer.headers.get("Link", "").partition(">")[0][1:], pages + 1
        if pages == 1:
            await registry.push_image("lib/late", "v9")
    assert (outline(seen), pages) == (EXPECTED, 3)


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("?kind=push", {1, 3, 6, 7}),
        ("?kind=rollback&kind=delete", {4, 5}),
        ("?repository=lib/app", {4, 5, 6, 7}),
        ("?who=carol", {1, 2}),
        ("?who=nobody", set()),
        ("?who=carol&kind=conflict&repository=lib/web", {2}),
    ],
)
async def test_what_is_asked_for_alone_is_told(registry: Registry, query: str, kept: set[int]):
    await some_activity(registry)
    found = await happened(registry, query)
    assert outline(found) == [each for number, each in enumerate(EXPECTED) if number in kept]


@pytest.mark.parametrize(
    "query",
    ["kind=pull", "repository=A", "n=x", "after=x", "after=1-push-x", "after=9-push-a/1/1/1"],
)
async def test_questions_that_make_no_sense(registry: Registry, query: str):
    assert (await registry.call("GET", f"{PATH}?{query}")).status == 400


async def test_the_same_as_csv(registry: Registry):
    await some_activity(registry)
    answer = await registry.call("GET", f"{PATH}.csv?n=4&kind=push")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    head, *lines = csv.reader(io.StringIO(answer.body.decode()))
    found = await happened(registry, "?kind=push")
    assert [dict(zip(head, line, strict=True)) for line in lines] == [
        {name: "" if value is None else str(value) for name, value in each.items()}
        for each in found
    ]


async def test_a_cell_is_no_formula(registry: Registry):
    """Broken: a spreadsheet computes what an account is called."""
    stamp = registry.index.journal.clock.tick(0)
    write = Write((), Digest.of(b"other"), "=1+1")
    event = an_event(Dot("zz", 1, 1), Key("tag", "lib/web", "v2"), write, stamp)
    await registry.index.replica.apply([event])
    answer = await registry.call("GET", f"{PATH}.csv")
    assert ",'=1+1" in answer.body.decode()


async def test_a_decision_about_the_layout_has_the_time_at_which_it_came(registry: Registry):
    await registry.push_image("lib/app", "v1")
    assert await happened(registry, "?kind=layout") == []
    slot = registry.layouts.entries[-1].slot
    await registry.index.control.save(b"", {slot: b"row"})
    [found] = await happened(registry, "?kind=layout")
    assert (found["layout"], found["node"], found["repository"]) == (1, "solo", None)
    assert outline(await happened(registry))[0] == ("layout", None, None)
    whole = await registry.call("GET", f"{PATH}?n=1")
    rest = await registry.call("GET", whole.headers["Link"].partition(">")[0][1:])
    assert outline(rest.json["activity"]) == [("push", "lib/app", "v1")]


async def test_after_a_start_the_logs_say_what_happened(start_registry: StartRegistry):
    first = await start_registry()
    await some_activity(first)
    before = [each for each in await happened(first) if each["kind"] != "conflict"]
    await first.stop()
    again = await start_registry()
    assert await happened(again) == before


async def test_what_is_gone_from_a_history_is_not_told(registry: Registry):
    """A write that was lost with a disk, or is too old for the history of its tag."""
    await some_activity(registry)
    store = registry.index.journal.store
    store.write([RangeDeletion("history", b"lib/app\0", b"lib/app\1")])
    assert outline(await happened(registry)) == EXPECTED[:4]


# --- who may see what ----------------------------------------------------------------------------


async def test_who_may_not_see_a_repository_is_told_nothing_of_it(start_registry: StartRegistry):
    """Broken: the activity tells of projects that are not theirs; or who did what in them."""
    scene = await a_scene(start_registry)
    accounts = scene.accounts
    await accounts.grant("lib", "bob", Role.MAINTAINER, (), 0.0)
    of_ann = (await scene.call("GET", PATH, ANN)).json["activity"]
    of_bob = (await scene.call("GET", PATH, BOB)).json["activity"]
    of_root = (await scene.call("GET", PATH, OPERATOR)).json["activity"]
    assert {each["repository"] for each in of_root} >= {each["repository"] for each in of_ann}
    assert all(each["who"] is None for each in of_ann)
    assert {each["who"] for each in of_bob if each["repository"] == "lib/app"} == {"operator"}
    assert all(each["who"] == "operator" for each in of_root)
    asked = (await scene.call("GET", f"{PATH}?who=operator", ANN)).json["activity"]
    assert asked == [], "who asked is found out by asking"
    hidden = {each["repository"] for each in of_root} - {each["repository"] for each in of_ann}
    assert hidden, "there is something that ann may not see"
    assert await scene.status("GET", PATH, None) == 401


# --- by the command ------------------------------------------------------------------------------


async def test_the_command_tells_it(registry: Registry):
    await some_activity(registry)
    at = ("--url", f"127.0.0.1:{registry.port}")
    done = await atoll("activity", "-n", "3", *at)
    assert done.exit_code == 0, done
    assert [line.split()[1] for line in done.output.splitlines()] == [
        "KIND",
        "remove",
        "push",
        "conflict",
    ]
    found = json.loads((await atoll("activity", "--json", "--kind", "rollback", *at)).output)
    assert outline(found["activity"]) == [EXPECTED[5]]
    lines = (await atoll("activity", "--csv", "--repository", "lib/app", *at)).output.splitlines()
    assert len(lines) == 5
    assert lines[0].startswith("time,kind,repository,tag,")
    both = await atoll("activity", "--csv", "--json", *at)
    assert both.exit_code == 2
