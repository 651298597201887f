"""`atoll up` with stand-ins for the nodes: start, watch, stop, and what goes wrong."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.ports import free_base_port

ROOT = Path(__file__).parents[3]
PROGRAM = ROOT / "tests" / "fakes" / "up_with_fake_nodes.py"


class Up:
    """One run of the supervisor in a process of its own."""

    def __init__(self, directory, regions="eu,us,ap", base_port=None, grace_s=20.0, form=()):
        self.directory = directory
        self.count = len(regions.split(","))
        self.base_port = base_port or free_base_port(self.count)
        self.process = subprocess.Popen(
            [sys.executable, PROGRAM, regions, str(self.base_port), directory, str(grace_s), *form],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def read_until(self, start):
        """Standard output up to and with the first line that begins with *start*, or all of it."""
        lines = []
        for line in self.process.stdout:
            lines.append(line.rstrip("\n"))
            if line.startswith(start):
                break
        return lines

    def nodes(self):
        return json.loads((self.directory / "cluster.json").read_bytes())["nodes"]

    def end(self, number=None):
        """Send a signal, and return the exit status and the rest of both outputs."""
        if number is not None:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err


@pytest.fixture
def start(tmp_path):
    """Start supervisors; whatever a failed test leaves behind is killed, children included."""
    started = []

    def up(**options):
        started.append(Up(tmp_path / "d", **options))
        return started[-1]

    yield up
    for run in started:
        # The nodes follow by themselves: that is their lifeline's promise, tested below.
        run.process.kill()
        run.process.communicate(timeout=60)


def watch(nodes):
    """A handle on each node's process that tells its end even though it is not our child."""
    return [os.pidfd_open(node["pid"]) for node in nodes]


def wait_for_end(handles):
    """Wait until every process behind *handles* is gone; far beyond what it takes."""
    for handle in handles:
        assert select.select([handle], [], [], 60)[0], "the process lives on"
        os.close(handle)


def test_ready_then_stop(start):
    """The command that everything else builds on would not work."""
    up = start()
    lines = up.read_until("ready")
    assert lines[-1] == "ready"
    nodes = up.nodes()
    assert [(n["id"], n["region"]) for n in nodes] == [
        ("eu-1", "eu"),
        ("us-1", "us"),
        ("ap-1", "ap"),
    ]
    for i, node in enumerate(nodes):
        assert set(node) == {"id", "region", "http", "rpc", "admin", "pid", "data_dir"}
        assert node["http"] == f"127.0.0.1:{up.base_port + i}"
        assert node["rpc"] == f"127.0.0.1:{up.base_port + 1000 + i}"
        assert node["data_dir"] == str(up.directory / node["id"])
        assert any(node["id"] in line and str(node["pid"]) in line for line in lines)
        assert "joins 2" in (up.directory / f"{node['id']}.log").read_text()
    handles = watch(nodes)
    assert up.end(signal.SIGTERM)[0] == 0
    wait_for_end(handles)


def test_interrupt_and_start_again(start):
    """Ctrl-C would look like a failure, or the same command would not work a second time."""
    first = start()
    first.read_until("ready")
    assert first.end(signal.SIGINT)[0] == 0
    again = start(base_port=first.base_port)
    assert again.read_until("ready")[-1] == "ready"
    assert again.end(signal.SIGTERM)[0] == 0


def test_it_says_what_to_type_next_and_that_it_stopped(start):
    """A newcomer would have to look for the ports, and wonder whether it has ended."""
    up = start()
    said = "\n".join(up.read_until("Ctrl-C"))
    assert f"docker push localhost:{up.base_port}/library/alpine" in said
    assert f"docker pull localhost:{up.base_port + 2}/library/alpine" in said
    status, out, _ = up.end(signal.SIGTERM)
    assert status == 0
    assert out.splitlines()[-1] == f"stopped; what was pushed is in {up.directory}"


def test_programs_are_told_as_json(start):
    """A program would have to read a table, and guess what its lines mean."""
    up = start(form=["--json"])
    first, ready = map(json.loads, up.read_until('{"state": "ready"'))
    assert first == {"state": "started", "nodes": up.nodes(), "data_dir": str(up.directory)}
    assert ready == {"state": "ready"}
    status, out, _ = up.end(signal.SIGTERM)
    assert status == 0
    assert [json.loads(line)["state"] for line in out.splitlines()] == ["stopping", "stopped"]


def test_node_that_fails_to_start(start):
    """The reason would be hidden in a file, and the other nodes would be left behind."""
    up = start(regions="eu,broken")
    up.read_until("data and logs")
    status, out, err = up.end()
    assert status == 1
    assert "ready" not in out.splitlines()
    assert f"broken-1 ended with exit code 1 before it was ready; the end of {up.directory}" in err
    assert "    atoll: the data directory is of a newer version" in err.splitlines()
    for port in (up.base_port, up.base_port + 1):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_only_this_runs_log_is_shown(start):
    """Last week's error would be shown as today's."""
    assert start(regions="broken").end()[0] == 1
    status, _, err = start(regions="broken").end()
    assert status == 1
    assert err.count("newer version") == 1


def test_node_that_dies_is_reported_and_left_dead(start):
    """A test that kills a node on purpose would find it alive again, or nobody would notice."""
    up = start()
    up.read_until("ready")
    victim, *others = up.nodes()
    os.kill(victim["pid"], signal.SIGKILL)
    assert up.process.stderr.readline() == (
        f"atoll: eu-1 (pid {victim['pid']}) was killed by SIGKILL and is left dead; "
        f"its log is {up.directory / 'eu-1.log'}\n"
    )
    for node in others:
        os.kill(node["pid"], 0)
    status, _, err = up.end(signal.SIGTERM)
    assert (status, err) == (0, "")


def test_nodes_do_not_outlive_a_killed_supervisor(start):
    """Orphans would keep the ports and the data directories of the next run."""
    up = start()
    up.read_until("ready")
    handles = watch(up.nodes())
    up.end(signal.SIGKILL)
    wait_for_end(handles)


def test_node_that_ignores_sigterm_is_killed(start):
    """One stuck node would keep `atoll up` from ever ending."""
    up = start(regions="deaf,eu", grace_s=0.2)
    up.read_until("ready")
    handles = watch(up.nodes())
    assert up.end(signal.SIGTERM)[0] == 0
    wait_for_end(handles)


def test_second_signal_does_not_wait(start):
    """Somebody who presses Ctrl-C twice would wait for the whole grace period."""
    up = start(regions="deaf", grace_s=10_000)
    up.read_until("ready")
    handles = watch(up.nodes())
    up.process.send_signal(signal.SIGINT)
    # Signals of one kind may merge when they come close together; different ones do not.
    assert up.end(signal.SIGTERM)[0] == 0
    wait_for_end(handles)


def test_stop_before_ready(start):
    """A cluster that never gets ready could not be stopped cleanly."""
    up = start(regions="mute,eu")
    up.read_until("data and logs")
    handles = watch(up.nodes())
    status, out, _ = up.end(signal.SIGTERM)
    assert status == 0
    assert "ready" not in out.splitlines()
    wait_for_end(handles)


def test_taken_ports_are_reported_before_anything_starts(start):
    """Some nodes would run, one would not, and the message would be in a file."""
    base = free_base_port(3)
    with socket.socket() as one, socket.socket() as other:
        for taken in (one, other):
            # Another test may have used the port a moment ago.
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind(("127.0.0.1", base + 1))
        one.listen()
        other.bind(("127.0.0.1", base + 1002))
        other.listen()
        up = start(base_port=base)
        status, out, err = up.end()
    assert (status, out) == (1, "")
    assert err.splitlines() == [
        f"atoll: cannot listen on 127.0.0.1:{base + 1} for us-1: Address already in use",
        f"atoll: cannot listen on 127.0.0.1:{base + 1002} for ap-1: Address already in use",
    ]
    assert not list(up.directory.glob("*.log"))


def test_one_run_per_directory(start):
    """Two runs would fight over the nodes' data and over cluster.json."""
    first = start()
    first.read_until("ready")
    described = (first.directory / "cluster.json").read_bytes()
    status, _, err = start().end()
    assert status == 1
    assert err == f"atoll: another `atoll up` is running in {first.directory}\n"
    assert (first.directory / "cluster.json").read_bytes() == described
    assert first.end(signal.SIGTERM)[0] == 0


def test_unusable_directory_is_one_line(tmp_path, start):
    (tmp_path / "d").write_text("a file")
    status, _, err = start().end()
    assert status == 1
    assert err.startswith(f"atoll: cannot run a cluster in {tmp_path / 'd'}: ")
    assert len(err.splitlines()) == 1
