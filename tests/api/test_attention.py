"""`GET /atoll/v1/attention`, `atoll doctor`, and that `atoll status` says the same."""

import json
from dataclasses import replace

import pytest

from cluster.layout import Hindrance, Phase, View
from cluster.model import NodeId, Region, Status
from node.copies.stakes import Shortfall
from tests.api.commands import atoll
from tests.api.conftest import Registry
from tests.api.test_layout_api import STATUS, known, settle

ATTENTION = "/atoll/v1/attention"


async def attention(registry: Registry) -> list[dict[str, object]]:
    answer = await registry.call("GET", ATTENTION)
    assert answer.status == 200, answer.body
    assert answer.headers["Cache-Control"] == "no-store"
    found: list[dict[str, object]] = answer.json["attention"]
    return found


def kill(registry: Registry, node: str) -> None:
    dead = known(node, status=Status.DEAD, connected=False)
    others = [each for each in registry.view.members if each.node != node]
    registry.view.members = (*others, dead)


async def test_what_is_wrong_is_told_with_what_to_do(registry: Registry):
    settle(registry, "local: b solo z")
    registry.view.members = (known("z"),)
    kill(registry, "b")
    registry.layouts.shortfall = Shortfall(9, 90, 2, 20, 0, 0, ())
    dead, nobody = await attention(registry)
    assert (dead["code"], dead["severity"], dead["hurts"]) == ("node-dead", "warning", "redundancy")
    assert dead["subject"] == {"kind": "node", "name": "b"}
    assert dead["title"] == "b is dead"
    assert {"text": "start it again", "command": ""} in dead["next"]
    assert "atoll node remove b --lost" in [step["command"] for step in dead["next"]]
    assert dead["runbook"] == "docs/runbooks/node-dead.md"
    [short] = dead["explains"]
    assert (short["code"], short["subject"]["kind"]) == ("copies-short", "cluster")
    assert {"name": "size", "value": 20, "unit": "bytes"} in short["facts"]
    assert (nobody["code"], nobody["severity"]) == ("nobody-admin", "notice")


async def test_what_stays_is_as_old_as_it_is(registry: Registry):
    """Broken: each look says that it has just begun."""
    settle(registry, "local: b solo z")
    registry.view.members = (known("z"),)
    kill(registry, "b")
    began = registry.time()
    await attention(registry)
    registry.time.now += 240
    registry.layouts.shortfall = Shortfall(9, 90, 2, 20, 0, 0, ())
    [dead, _] = await attention(registry)
    assert dead["since"] == began
    [short] = dead["explains"]
    assert short["since"] == began + 240


async def test_the_status_has_the_same_lines_without_the_notices(registry: Registry):
    """Broken: two pages of one node contradict each other."""
    settle(registry, "local: b solo z")
    registry.view.members = (known("z", settings_differing={"joining": "open"}),)
    kill(registry, "b")
    found = [each for each in await attention(registry) if each["severity"] != "notice"]
    lines = (await registry.call("GET", STATUS)).json["attention"]
    assert len(lines) == len(found) == 2
    assert all(line.startswith(each["title"]) for line, each in zip(lines, found, strict=True))


async def test_who_may_not_see_the_cluster_is_told_nothing(start_registry):
    registry = await start_registry(accounts=True)
    assert (await registry.call("GET", ATTENTION)).status == 401


# --- atoll doctor ---------------------------------------------------------------------------------


async def doctor(registry: Registry, *options: str):
    return await atoll("doctor", *options, "--url", f"127.0.0.1:{registry.port}")


async def test_notices_alone_are_no_alarm(registry: Registry):
    done = await doctor(registry)
    assert done.exit_code == 0, done
    first, *_, last = done.output.splitlines()
    assert first.startswith("NOTICE nobody is admin")
    assert last == "1 notice, as solo (local) sees it"


@pytest.mark.parametrize(
    ("shortfall", "status"),
    [(Shortfall(9, 90, 2, 20, 0, 0, ()), 1), (Shortfall(9, 90, 0, 0, 1, 10, ()), 3)],
)
async def test_how_bad_it_is_is_an_exit_status(
    registry: Registry, shortfall: Shortfall, status: int
):
    registry.layouts.shortfall = shortfall
    assert (await doctor(registry)).exit_code == status


async def test_a_person_reads_what_to_type(registry: Registry):
    settle(registry, "local: b solo z")
    registry.view.members = (known("z"),)
    kill(registry, "b")
    registry.layouts.shortfall = Shortfall(9, 90, 2, 20, 1, 10, ())
    done = await doctor(registry)
    lines = done.output.splitlines()
    assert lines[0] == "CRITICAL b is dead (for 0 s)"
    assert "  so: 1 blobs (10 bytes) are on nobody who is there" in lines
    assert "      atoll node remove b --lost" in lines
    assert "  docs/runbooks/node-dead.md" in lines
    as_json = json.loads((await doctor(registry, "--json")).output)
    assert [each["code"] for each in as_json["attention"]] == ["node-dead", "nobody-admin"]


async def test_where_nobody_answers_it_cannot_be_told(registry: Registry):
    done = await atoll("doctor", "--url", "127.0.0.1:1")
    assert (done.exit_code, "cannot reach" in done.told) == (2, True)


async def test_a_change_is_held_up_by_who_is_dead(registry: Registry):
    settle(registry, "local: b solo z")
    registry.view.members = (known("z"),)
    kill(registry, "b")
    why = Hindrance(Region("local"), NodeId("b"), "has not been heard")
    registry.layouts.open = View(Phase.STALLED, (why,))
    [dead, _] = await attention(registry)
    assert [each["code"] for each in dead["explains"]] == ["change-stalled"]
    registry.view.members = (known("z"), replace(known("b")))
    [stalled, _] = await attention(registry)
    assert stalled["code"] == "change-stalled"
