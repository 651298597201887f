"""Which nodes `atoll up` makes, and how each is started."""

from itertools import pairwise
from pathlib import Path

import pytest
from typer.testing import CliRunner

from node.cli import app
from node.cli.cluster.local_nodes import parse_regions, plan, serve_command, shared_environment
from node.settings import load

REGIONS = ["eu", "us", "ap"]


def test_three_nodes():
    """Scripts that rely on the names and ports of the default cluster would break."""
    cluster = plan(3, REGIONS, 5001, Path("/d"))
    assert [(n.id, n.region, str(n.http), str(n.rpc)) for n in cluster] == [
        ("eu-1", "eu", "127.0.0.1:5001", "127.0.0.1:6001"),
        ("us-1", "us", "127.0.0.1:5002", "127.0.0.1:6002"),
        ("ap-1", "ap", "127.0.0.1:5003", "127.0.0.1:6003"),
    ]
    assert [str(n.admin) for n in cluster] == [f"127.0.0.1:700{i}" for i in (1, 2, 3)]
    assert [n.data_dir for n in cluster] == [Path("/d/eu-1"), Path("/d/us-1"), Path("/d/ap-1")]
    assert cluster[0].log == Path("/d/eu-1.log")


def test_regions_take_turns():
    ids = [node.id for node in plan(7, REGIONS, 5001, Path("/d"))]
    assert ids == ["eu-1", "us-1", "ap-1", "eu-2", "us-2", "ap-2", "eu-3"]


def test_more_nodes_keep_the_first_ones():
    """A restart with one node more would give the old nodes' data to other nodes."""
    assert plan(5, REGIONS, 5001, Path("/d"))[:3] == plan(3, REGIONS, 5001, Path("/d"))


def test_command_is_one_that_serve_accepts():
    """A child would refuse its own command line."""
    cluster = plan(3, REGIONS, 5001, Path("/d"))
    _, *command = serve_command(cluster[1], cluster)
    assert command[:4] == ["-m", "node", "serve", "--stop-with-stdin"]
    flags = {}
    for flag, value in zip(command[4::2], command[5::2], strict=True):
        flags.setdefault(flag.removeprefix("--").replace("-", "_"), []).append(value)
    lists = {name: flags.pop(name) for name in ("join", "initial")}
    settings = load({**lists, **{name: value for name, (value,) in flags.items()}}, {})
    assert settings.node == "us-1"
    assert settings.region == "us"
    assert settings.http == cluster[1].http
    assert settings.rpc == cluster[1].rpc
    assert settings.admin == cluster[1].admin
    assert settings.data_dir == cluster[1].data_dir
    assert settings.join == (cluster[0].rpc, cluster[2].rpc)


def test_all_nodes_begin_one_cluster():
    """No cluster would begin, as each node has another list; or one that takes nobody in."""
    cluster = plan(3, REGIONS, 5001, Path("/d"))
    for node in cluster:
        command = serve_command(node, cluster)
        named = [value for flag, value in pairwise(command) if flag == "--initial"]
        assert named == ["eu-1", "us-1", "ap-1"]
        assert ("--joining", "open") in pairwise(command)


def test_environment_of_one_node_is_not_given_to_all():
    """Every child would advertise the same address."""
    per_node = {"ATOLL_ADVERTISE_HTTP": "x", "ATOLL_JOIN": "x", "ATOLL_INITIAL": "x"}
    shared = {"ATOLL_COPIES": "1", "PATH": "p"}
    assert shared_environment(per_node | shared) == shared


@pytest.mark.parametrize("text", ["", " , ", "eu,eu", "EU", "eu,-", "a" * 63])
def test_bad_regions(text):
    with pytest.raises(ValueError, match="--regions"):
        parse_regions(text)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--nodes", "0"),
        ("--nodes", "65"),
        ("--base-port", "0"),
        ("--base-port", "65000"),
        ("--regions", "eu,eu"),
    ],
)
def test_bad_arguments_are_usage_errors(arguments):
    """A cluster would be started in part before the mistake shows."""
    assert CliRunner().invoke(app, ["up", *arguments]).exit_code == 2


def test_bad_shared_settings_are_reported_once():
    """The mistake would be found in as many logs as there are nodes."""
    result = CliRunner().invoke(app, ["up"], env={"ATOLL_COPIES": "9"})
    assert result.exit_code == 2
    assert result.stderr.splitlines() == ["atoll: ATOLL_COPIES must be 1 to 7, not 9"]


@pytest.mark.parametrize(("is_open", "auth"), [(True, "open"), (False, "on")])
def test_all_nodes_are_open_or_none(is_open, auth):
    """One that is open gives away what all have."""
    environ = shared_environment({"ATOLL_ADMIN": "127.0.0.1:1"}, is_open=is_open)
    settings = load({"data_dir": "d"}, environ)
    assert (settings.auth, settings.admin.port) == (auth, 7000)
