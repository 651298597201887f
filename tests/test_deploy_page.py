"""The settings and the unit that docs/deploy.md shows, for whoever cannot start them."""

import configparser
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from node.cli.exits import LEFT
from node.settings import Settings, load
from tests.e2e.guides import DOCS, ROOT, blocks

PAGE = (DOCS / "deploy.md").read_text()


@pytest.fixture
def of_the_file(tmp_path: Path) -> Settings:
    """The settings of the TOML file."""
    [text] = blocks(PAGE, "toml")
    file = tmp_path / "atoll.toml"
    file.write_text(text)
    return load({"config": file}, {})


def unit() -> configparser.SectionProxy:
    """What the unit says of the service."""
    [text] = blocks(PAGE, "ini")
    parser = configparser.ConfigParser()
    parser.optionxform = str
    parser.read_string(text)
    return parser["Service"]


def container() -> dict[str, Any]:
    """The service of the Compose file."""
    [text] = blocks(PAGE, "yaml")
    return yaml.safe_load(text)["services"]["atoll"]


def of_the_container() -> Settings:
    image = re.findall(r"(ATOLL_\w+)=(\S+)", (ROOT / "Dockerfile").read_text())
    return load({}, {**dict(image), **container()["environment"]})


def test_the_settings_begin_a_closed_cluster(of_the_file: Settings) -> None:
    """Broken: a setting was renamed, and what the page shows is refused; or it lets anybody in."""
    for settings in (of_the_file, of_the_container()):
        assert settings.node in settings.initial
        assert str(settings.advertise_rpc) in map(str, settings.join)
        assert settings.auth == "on"


def test_a_node_has_time_to_stop(of_the_file: Settings) -> None:
    """Broken: it is killed while it ends what runs."""
    assert int(unit()["TimeoutStopSec"]) > of_the_file.stop_s
    assert int(container()["stop_grace_period"].removesuffix("s")) > of_the_container().stop_s
    assert f"shutdown_grace_s, {of_the_file.stop_s:g} s together" in PAGE


def test_a_node_that_has_left_is_left_alone() -> None:
    assert unit()["RestartPreventExitStatus"] == str(LEFT)


def test_there_are_descriptors_for_all_connections(of_the_file: Settings) -> None:
    assert int(unit()["LimitNOFILE"]) >= 4 * of_the_file.connections_max + 512
