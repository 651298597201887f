"""What the file, the environment and the flags add up to."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.model import NODE_ID
from node.settings import Address, Settings, SettingsError, load
from node.settings.host import default_node_name
from node.settings.kinds import Seconds, Whole
from node.settings.model import NAMES, default_of, is_required, spec_of
from node.settings.origins import SettingOrigin, Source
from node.settings.sources import gather
from node.settings.spec import env_of, flag_of

LISTS = ("join", "initial", "cors_origins", "trusted_proxies")
"""Settings that take several values, with commas in text."""

SECRETIVE = re.compile("secret|password|token|key|credential")


def check_problems(expected, *, flags=None, environ=None):
    """Load and compare the problems, each by a part of its text, in any order."""
    with pytest.raises(SettingsError) as caught:
        load({"data_dir": "d", **(flags or {})}, environ or {})
    problems = list(caught.value.problems)
    assert len(problems) == len(expected), problems
    for part in expected:
        assert any(part in problem for problem in problems), (part, problems)


@pytest.fixture
def toml(tmp_path):
    """Write a settings file and return its path."""

    def write(text):
        path = tmp_path / "atoll.toml"
        path.write_text(text)
        return str(path)

    return write


def test_defaults():
    """A node started with nothing but a directory would not be what the documentation says."""
    settings = load({"data_dir": "d"}, {})
    assert settings == Settings(data_dir=Path("d"))
    assert settings.http == Address("127.0.0.1", 5000)
    assert settings.rpc == Address("127.0.0.1", 6000)
    assert (settings.copies, settings.join, settings.region) == (2, (), "local")


def test_flags_win_over_environment_over_file(toml):
    """An operator's override would be ignored."""
    path = toml('region = "file"\nnode = "file"\ncluster = "file"\n')
    environ = {"ATOLL_NODE": "env", "ATOLL_CLUSTER": "env", "ATOLL_DATA_DIR": "d"}
    found = gather({"config": path, "cluster": "flag"}, environ)
    assert found.problems == []
    names = ("region", "node", "cluster", "copies")
    assert [found.values[name] for name in names] == ["file", "env", "flag", 2]
    assert [found.origins[name].source for name in names] == [
        Source.FILE,
        Source.ENV,
        Source.FLAG,
        Source.DEFAULT,
    ]


def test_file_named_by_environment(toml):
    """`ATOLL_CONFIG` would be an unknown variable, or ignored."""
    assert load({"data_dir": "d"}, {"ATOLL_CONFIG": toml("copies = 3")}).copies == 3


def test_join_in_all_three_forms(toml):
    """One of the three ways to list seeds would not work."""
    seeds = (Address("127.0.0.1", 7000), Address("::1", 7001))
    path = toml('join = ["127.0.0.1:7000", "[::1]:7001"]')
    assert load({"data_dir": "d", "config": path}, {}).join == seeds
    assert load({"data_dir": "d"}, {"ATOLL_JOIN": "127.0.0.1:7000,[::1]:7001"}).join == seeds
    assert load({"data_dir": "d", "join": ["127.0.0.1:7000", "[::1]:7001"]}, {}).join == seeds


def test_empty_means_not_given(toml):
    """An empty variable of a Compose file, or a flag never given, would count as a value."""
    path = toml("copies = 3")
    flags = {"data_dir": "d", "config": path, "join": [], "region": None}
    settings = load(flags, {"ATOLL_COPIES": "", "ATOLL_ADVERTISE_RPC": ""})
    assert (settings.copies, settings.advertise_rpc, settings.join) == (3, None, ())


def test_all_problems_at_once(toml):
    """An operator would fix one mistake per start."""
    path = toml('copies = 0\nregoin = "eu"\nhttp = 5000\n')
    check_problems(
        [
            "'regoin'; did you mean region?",
            f"{path}: copies must be 1 to 7, not 0",
            f"{path}: http must be a string",
            "unknown variable ATOLL_LOGLEVEL; did you mean ATOLL_LOG_LEVEL?",
            "ATOLL_BLOB_THREADS must be a whole number",
            "--rpc needs a port",
        ],
        flags={"config": path, "rpc": "a:0"},
        environ={"ATOLL_LOGLEVEL": "x", "ATOLL_BLOB_THREADS": "many"},
    )


def test_hidden_mistake_is_reported():
    """A broken variable would stay unnoticed until the flag that hides it goes."""
    check_problems(["ATOLL_COPIES"], flags={"copies": "2"}, environ={"ATOLL_COPIES": "two"})


def test_missing_directory_is_reported_with_the_rest():
    with pytest.raises(SettingsError) as caught:
        load({}, {"ATOLL_COPIES": "0"})
    required, copies = caught.value.problems
    assert required.startswith("data_dir is required")
    assert copies.startswith("ATOLL_COPIES")


def test_invalid_directory_is_not_also_missing():
    """The same mistake would be reported twice, once wrongly."""
    check_problems(["--data-dir must be a path"], flags={"data_dir": "\0"})


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"copies = ", "not a valid TOML file"),
        (b"\xff\xfe", "not a valid TOML file"),
        (b"#" * ((1 << 20) + 1), "larger than"),
        (b"[http]\nport = 5000", "http must be a string"),
        (b"[cluster.join]\n", "cluster must be a string"),
        (b'"a b" = 1', "unknown setting 'a b'"),
    ],
)
def test_broken_file(tmp_path, content, problem):
    """A broken file would end in a traceback, or be taken in part."""
    path = tmp_path / "atoll.toml"
    path.write_bytes(content)
    check_problems([problem], flags={"config": str(path)})


def test_unreadable_file(tmp_path):
    check_problems(["cannot be read"], flags={"config": str(tmp_path / "none.toml")})
    check_problems(["cannot be read"], flags={"config": str(tmp_path)})


def test_kubernetes_service_links_are_no_settings():
    """No pod beside a service called `atoll` could start."""
    links = {
        "ATOLL_SERVICE_HOST": "10.0.0.1",
        "ATOLL_SERVICE_PORT": "5000",
        "ATOLL_SERVICE_PORT_HTTP": "5000",
        "ATOLL_PORT": "tcp://10.0.0.1:5000",
        "ATOLL_PORT_5000_TCP": "tcp://10.0.0.1:5000",
        "ATOLL_PORT_5000_TCP_PROTO": "tcp",
        "ATOLL_HTTP_PORT": "tcp://10.0.0.1:5000",
        "ATOLL_HTTP_SERVICE_HOST": "10.0.0.1",
        "_ATOLL_COMPLETE": "x",
        "OTHER": "x",
    }
    assert load({"data_dir": "d"}, links) == Settings(data_dir=Path("d"))
    check_problems(["ATOLL_HTTP_PORT"], environ={"ATOLL_HTTP_PORT": "5000"})


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"http": "127.0.0.1:5", "rpc": "127.0.0.1:5"}, ["cannot both listen"]),
        ({"http": "127.0.0.1:7000"}, ["http and admin cannot both listen"]),
        ({"rpc": "127.0.0.1:7000"}, ["rpc and admin cannot both listen"]),
        ({"admin": "0.0.0.0:7000"}, ["admin must be a loopback address"]),
        ({"admin": "10.0.0.7:7000", "auth": "open"}, ["admin must be a loopback address"]),
        ({"admin": "127.0.0.1:-1"}, ["needs a port from 0 to 65535"]),
        ({"http": "127.0.0.1:0"}, ["needs a port from 1 to 65535"]),
        ({"http": "0.0.0.0:5000", "auth": "open"}, ["say so twice"]),
        ({"http": "eu-1.example:5000", "auth": "open"}, ["say so twice"]),
        ({"rpc": "0.0.0.0:6000"}, ["advertise_rpc is required because"]),
        ({"rpc": "[::]:6000"}, ["advertise_rpc is required because"]),
        ({"rpc": "0.0.0.0:6000", "advertise_rpc": "0.0.0.0:6000"}, ["advertise_rpc must be"]),
        ({"advertise_http": "[::]:6000"}, ["advertise_http must be"]),
        ({"join": "10.0.0.7:6000"}, ["advertise_rpc is required: nodes on other machines"]),
        ({"join": "127.0.0.1:7000,node-2:6000"}, ["nodes on other machines"]),
    ],
)
def test_contradictions(flags, expected):
    """A node would come up and be unreachable, or send its peers to themselves."""
    check_problems(expected, flags=flags)


@pytest.mark.parametrize(
    ("flags", "http", "rpc"),
    [
        ({}, "127.0.0.1:5000", "127.0.0.1:6000"),
        ({"http": "0.0.0.0:80"}, "127.0.0.1:80", "127.0.0.1:6000"),
        ({"http": "0.0.0.0:80", "rpc": "10.0.0.7:6000"}, "10.0.0.7:80", "10.0.0.7:6000"),
        (
            {"http": "[::]:80", "rpc": "[::]:81", "advertise_rpc": "node-1:9"},
            "node-1:80",
            "node-1:9",
        ),
        ({"http": "0.0.0.0:80", "advertise_http": "r.example:443"}, "r.example:443", None),
        ({"join": "10.0.0.7:6000", "advertise_rpc": "127.0.0.1:9"}, None, "127.0.0.1:9"),
        ({"join": "10.0.0.7:6000", "rpc": "10.0.0.8:6000"}, None, "10.0.0.8:6000"),
    ],
)
def test_advertised_addresses(flags, http, rpc):
    """Peers and clients would be given an address that does not lead here."""
    settings = load({"data_dir": "d", **flags}, {})
    if http is not None:
        assert str(settings.http_advertised) == http
    if rpc is not None:
        assert str(settings.rpc_advertised) == rpc


def test_seeds_leave_out_the_node_itself():
    """A node given the cluster's whole list would try to join itself."""
    flags = {"data_dir": "d", "rpc": "0.0.0.0:6000", "advertise_rpc": "n1:6000"}
    settings = load({**flags, "join": ["n1:6000", "n2:6000"]}, {})
    assert settings.seeds == (Address("n2", 6000),)


def test_process_environment_is_read(monkeypatch):
    monkeypatch.setenv("ATOLL_REGION", "from-env")
    assert load({"data_dir": "d"}).region == "from-env"


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_is_described(name):
    """A setting would have no meaning, reason or unit in the documentation."""
    spec = spec_of(name)
    assert spec.doc.endswith(".")
    assert spec.why.endswith((".", "?"))
    assert spec.kind.accepts
    assert bool(spec.unit) == isinstance(spec.kind, Whole | Seconds)
    assert env_of(name) == "ATOLL_" + flag_of(name)[2:].replace("-", "_").upper()
    if name.endswith("_s"):
        assert spec.unit == "seconds"
    if name.endswith("_bytes"):
        assert spec.unit == "bytes"


@pytest.mark.parametrize("name", NAMES)
def test_every_default_is_acceptable(name):
    """Writing a default down explicitly would be refused."""
    default = default_of(name)
    if default is None:
        assert is_required(name) or spec_of(name).shown_default is not None
        return
    written = ",".join(map(str, default)) if name in LISTS else str(default)
    assert spec_of(name).kind.parse(written) == default


@given(st.text(max_size=80))
def test_default_node_name_is_valid(host_name):
    """A machine with an odd host name could not start a node without --node."""
    assert NODE_ID.fullmatch(default_node_name(host_name))


@pytest.mark.parametrize(
    ("host_name", "name"),
    [
        ("Web-01.example.com", "web-01"),
        ("build host", "build-host"),
        ("__x__", "x"),
        ("", "node"),
        ("ÄÖ", "node"),
    ],
)
def test_default_node_name(host_name, name):
    assert default_node_name(host_name) == name


@pytest.mark.parametrize(
    "flags",
    [
        {},
        {"http": "0.0.0.0:5000"},
        {"auth": "open"},
        {"auth": "open", "http": "localhost:5000"},
        {"auth": "open", "http": "[::1]:5000"},
        {"auth": "open", "http": "0.0.0.0:5000", "open_to": "all"},
        {"http": "0.0.0.0:5000", "open_to": "all"},
    ],
)
def test_who_is_open_to_strangers_has_said_so_twice(flags: dict[str, str]):
    """Broken: one word too many gives everything to the network, or two are not enough."""
    settings = load({"data_dir": "d", **flags}, {})
    assert settings.is_open is (flags.get("auth") == "open")
    assert settings.shared["auth"] == flags.get("auth", "on")


def test_the_settings_know_where_each_came_from(toml, monkeypatch, tmp_path):
    """Broken: the page of settings leads an operator to a file that has no say in it."""
    toml('region = "file"\nnode = "file"\ncopies = 3\n')
    monkeypatch.chdir(tmp_path)
    found = load(
        {"config": "atoll.toml", "region": "flag", "data_dir": "d"}, {"ATOLL_NODE": "environment"}
    )
    assert found.origins == {
        "data_dir": SettingOrigin(Source.FLAG, "--data-dir"),
        "region": SettingOrigin(Source.FLAG, "--region"),
        "node": SettingOrigin(Source.ENV, "ATOLL_NODE"),
        "copies": SettingOrigin(Source.FILE, str(tmp_path / "atoll.toml")),
    }
    assert "origins" not in NAMES


def test_no_setting_is_a_secret():
    """Broken: `atoll config`, the page of settings and `ps` show one. Secrets are in files that the
    node makes, or are typed."""
    assert {name for name in NAMES if SECRETIVE.search(name)} == {"token_life_s"}
