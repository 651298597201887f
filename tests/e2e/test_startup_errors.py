"""What stops a node from starting is one clear line and an exit status, never a traceback."""

import json
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.ports import free_port
from tests.e2e.processes import atoll_command, clean_environment
from tests.e2e.serve_cluster import ServeProcess

pytestmark = pytest.mark.e2e

SETTINGS = 2
OTHER = 1


def check(arguments, status, *parts, environ=None):
    """Run `atoll serve`; expect *status* and on standard error one line with each of *parts*."""
    done = subprocess.run(
        [*atoll_command(), "serve", *arguments],
        capture_output=True,
        text=True,
        env={**clean_environment(), **(environ or {})},
        timeout=60,
        check=False,
    )
    # A node logs JSON lines of its own on the way; the line for people is not one of them.
    lines = [line for line in done.stderr.splitlines() if not is_event(line)]
    assert done.returncode == status, done.stderr
    assert len(lines) == len(parts), done.stderr
    for part in parts:
        assert any(line.startswith("atoll: ") and part in line for line in lines), (part, lines)
    assert done.stdout == ""


def is_event(line):
    try:
        return "event" in json.loads(line)
    except ValueError:
        return False


@pytest.fixture
def addresses() -> list[str]:
    """Flags with free addresses for one node."""
    port = free_port()
    addresses = [f"127.0.0.1:{port + offset}" for offset in (0, 1000, 2000)]
    return ["--http", addresses[0], "--rpc", addresses[1], "--admin", addresses[2]]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[ServeProcess]:
    """A node that takes traffic."""
    node = ServeProcess.alone(tmp_path / "running")
    node.start()
    try:
        node.wait_ready()
        yield node
    finally:
        node.stop()


def test_no_settings():
    check([], SETTINGS, "data_dir is required")


def test_all_problems_at_once(tmp_path):
    """An operator would need one start per mistake."""
    path = tmp_path / "atoll.toml"
    path.write_text('copis = 2\nregion = "EU"\n')
    check(
        ["--config", str(path), "--data-dir", str(tmp_path / "d"), "--http", "nowhere"],
        SETTINGS,
        "unknown setting 'copis'; did you mean copies?",
        "region must be",
        "--http must be HOST:PORT",
        "unknown variable ATOLL_REGOIN; did you mean ATOLL_REGION?",
        environ={"ATOLL_REGOIN": "eu"},
    )
    assert not (tmp_path / "d").exists()


def test_broken_settings_file(tmp_path):
    path = tmp_path / "atoll.toml"
    path.write_text("copies = \n")
    check(["--config", str(path), "--data-dir", "d"], SETTINGS, "not a valid TOML file")


@pytest.mark.parametrize("flag", ["--http", "--rpc", "--admin"])
def test_taken_port(tmp_path, addresses, flag):
    """The operator would have to guess which of the three ports is the problem."""
    taken = addresses[addresses.index(flag) + 1]
    host, _, port = taken.rpartition(":")
    with socket.socket() as other:
        other.bind((host, int(port)))
        other.listen()
        check(["--data-dir", str(tmp_path / "d"), *addresses], OTHER, taken)


def test_locked_directory(running, addresses):
    """Two nodes would write to one index."""
    check(["--data-dir", str(running.data_dir), *addresses], OTHER, str(running.data_dir))


def test_wrong_cluster(running, addresses, tmp_path):
    """It would serve alone, and its pushes would be on no other node."""
    options = ("--join", running.rpc, "--cluster", "other", "--node", "eu-2")
    arguments = ["--data-dir", str(tmp_path / "d"), *addresses, *options]
    check(arguments, OTHER, "this is cluster 'atoll', not 'other'")


def test_taken_name(running, addresses, tmp_path):
    """Two writers of one log would corrupt it everywhere."""
    options = ("--join", running.rpc, "--node", running.name)
    check(["--data-dir", str(tmp_path / "d"), *addresses, *options], OTHER, "is taken")


def test_directory_that_cannot_be_made(tmp_path, addresses):
    (tmp_path / "file").write_text("")
    path = str(tmp_path / "file" / "d")
    check(["--data-dir", path, *addresses], OTHER, path)


def test_a_data_directory_keeps_the_name_of_its_node(tmp_path, addresses):
    """Broken: `docker run` works once, as each container has another host name."""
    process = ServeProcess(
        name="",
        region="eu",
        http=addresses[1],
        rpc=addresses[3],
        data_dir=tmp_path / "d",
        initial=["c0ffee000001"],
    )
    names = []
    for host in ("c0ffee000001", "c0ffee000002"):
        process.command = ["unshare", "--uts", "sh", "-c", f'hostname {host}; exec "$@"', "sh"]
        process.command += atoll_command()
        process.start()
        try:
            process.wait_ready()
            with urllib.request.urlopen(f"http://{process.http}/atoll/v1/cluster") as answer:
                names.append(json.load(answer)["node"])
        finally:
            process.stop()
    assert names == ["c0ffee000001"] * 2
    told = "the data directory belongs to node 'c0ffee000001', not to 'other'"
    check(["--data-dir", str(process.data_dir), *addresses, "--node", "other"], OTHER, told)
