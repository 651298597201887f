"""The settings, as the admin API and `atoll settings` tell them."""

from pathlib import Path
from typing import Any

import pytest

from cluster.errors import NotDecided
from node.assembly.settings import own_setting
from node.settings import load
from node.settings.model import NAMES
from tests.api.commands import atoll
from tests.api.conftest import Registry, StartRegistry
from tests.api.test_layout_api import known, settle

PATH = "/atoll/v1/settings"


@pytest.fixture
def started_with(tmp_path: Path) -> Any:
    """What a node has that was given something by each source."""
    file = tmp_path / "atoll.toml"
    file.write_text('region = "eu"\ncors_origins = ["https://a.example"]\n')
    found = load(
        {"data_dir": "/var/lib/atoll", "copies": "3", "config": str(file)},
        {"ATOLL_LOG_LEVEL": "debug"},
    )
    return [own_setting(found, name) for name in NAMES]


def by_name(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in document["settings"]}


async def test_each_setting_says_where_it_comes_from(
    start_registry: StartRegistry, started_with: Any, tmp_path: Path
):
    registry = await start_registry(own_settings=started_with)
    answer = await registry.call("GET", PATH)
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    found = by_name(answer.json)
    assert list(found) == list(NAMES)
    told = {name: (each["value"], each["source"], each["where"]) for name, each in found.items()}
    assert told["copies"] == (3, "flag", "--copies")
    assert told["log_level"] == ("debug", "env", "ATOLL_LOG_LEVEL")
    assert told["region"] == ("eu", "file", str(tmp_path / "atoll.toml"))
    assert told["cors_origins"][0] == ["https://a.example"]
    assert told["node"] == (None, "default", "")
    assert told["auth"] == ("on", "default", "")
    assert found["node"]["default"]
    assert "`" not in "".join(each["default"] for each in found.values())


async def test_what_holds_in_the_whole_cluster_is_the_layouts(
    start_registry: StartRegistry, started_with: Any
):
    """Broken: an operator takes the 3 that a node was started with for what holds."""
    registry = await start_registry(own_settings=started_with)
    document = (await registry.call("GET", PATH)).json
    assert document["version"] == registry.layouts.live.newest.version
    holding = {each["name"]: each["value"] for each in document["cluster"]}
    assert holding == {"copies": 1, "regions_min": 1, "degraded_writes": "allow"}
    assert {name for name, each in by_name(document).items() if each["founding"]} == {
        "copies",
        "degraded_writes",
    }
    registry.layouts.absent = NotDecided("there is no layout yet")
    document = (await registry.call("GET", PATH)).json
    assert (document["version"], document["cluster"]) == (None, [])


async def test_who_has_another_value_of_what_has_to_be_the_same_is_named(registry: Registry):
    settle(registry, "local: b solo")
    registry.view.members = (known("b", settings_differing={"joining": "open"}),)
    found = by_name((await registry.call("GET", PATH)).json)
    assert found["joining"]["elsewhere"] == {"b": "open"}
    assert found["joining"]["shared"]
    assert found["auth"]["elsewhere"] == {}


async def test_the_command_tells_the_same(start_registry: StartRegistry, started_with: Any):
    registry = await start_registry(own_settings=started_with)
    settle(registry, "local: b solo")
    registry.view.members = (known("b", settings_differing={"joining": "open"}),)
    done = await atoll("settings", "--url", f"127.0.0.1:{registry.port}")
    assert done.exit_code == 0, done.told
    lines = [" ".join(line.split()) for line in done.output.splitlines()]
    assert "copies 3 nodes --copies; counts when a cluster begins" in lines
    assert "log_level debug ATOLL_LOG_LEVEL" in lines
    assert "token_life_s 300 seconds default" in lines
    assert "! joining is open at b, and has to be the same everywhere" in lines
    assert any(line.startswith("regions_min 1 Regions that keep") for line in lines)
    registry.layouts.absent = NotDecided("there is no layout yet")
    done = await atoll("settings", "--url", f"127.0.0.1:{registry.port}")
    assert "there is no layout yet" in done.output
