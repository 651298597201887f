"""`atoll up` with real nodes, on a fresh directory and on one that was used before."""

import os
import select
import shutil
import signal
import subprocess
import urllib.request
from pathlib import Path

import pytest

from tests.e2e.ports import RPC_OFFSET
from tests.e2e.processes import atoll_command, clean_environment, is_ready
from tests.e2e.up_cluster import UpCluster

pytestmark = pytest.mark.e2e


def get(address: str, path: str) -> tuple[int, str, str]:
    """Status, content type and body of a GET."""
    with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as answer:
        return answer.status, answer.headers.get_content_type(), answer.read().decode()


def wait_for_end(handle: int) -> None:
    """Wait until a process that is not our child is gone; far beyond what it takes."""
    assert select.select([handle], [], [], 60)[0], "the process lives on"
    os.close(handle)


def parent_of(pid: int) -> int:
    """The process that started *pid*: field 4 of its stat file, after the name in brackets."""
    stat = Path(f"/proc/{pid}/stat").read_text()
    return int(stat.rpartition(")")[2].split()[1])


def test_every_node_takes_traffic(cluster: UpCluster):
    """`ready` would be printed before the cluster is."""
    assert [(node.id, node.region) for node in cluster.nodes] == [
        ("eu-1", "eu"),
        ("us-1", "us"),
        ("ap-1", "ap"),
    ]
    for node in cluster.nodes:
        assert get(node.http, "/v2/")[0] == 200
        assert get(node.http, "/readyz")[0] == 200
        assert get(node.http, "/healthz")[0] == 200
        host, _, port = node.http.partition(":")
        assert node.rpc == f"{host}:{int(port) + RPC_OFFSET}"
        assert node.data_dir == cluster.data_dir / node.id
        assert node.data_dir.is_dir()


def test_metrics_of_a_cluster(cluster: UpCluster):
    """An operator could not see whether the nodes know each other."""
    status, content_type, body = get(cluster.nodes[0].http, "/metrics")
    assert (status, content_type) == (200, "text/plain")
    assert "\natoll_cluster_members 3.0\n" in body
    assert "\natoll_cluster_peers_connected 2.0\n" in body
    assert "\natoll_http_requests_total{" in body


def test_a_dead_node_stays_dead(fresh_cluster: UpCluster):
    """A node that a test or an operator killed would come back, or take the others along."""
    victim, *others = fresh_cluster.nodes
    handle = os.pidfd_open(victim.pid)
    os.kill(victim.pid, signal.SIGKILL)
    wait_for_end(handle)
    for node in others:
        assert is_ready(node.http)
    assert not is_ready(victim.http)


def test_no_node_outlives_a_killed_atoll_up(fresh_cluster: UpCluster):
    """Orphans would keep the ports and the data directories of the next run."""
    handles = [os.pidfd_open(node.pid) for node in fresh_cluster.nodes]
    os.kill(parent_of(fresh_cluster.nodes[0].pid), signal.SIGKILL)
    for handle in handles:
        wait_for_end(handle)
    # Known to have ended. In a container whose first process collects no orphans they stay in the
    # process table, where the fixture would take them for alive.
    fresh_cluster.nodes.clear()


def test_same_directory_again(tmp_path: Path):
    """A cluster could be started only once."""
    for _ in range(2):
        with UpCluster(data_dir=tmp_path / "data", size=2) as cluster:
            assert [node.id for node in cluster.nodes] == ["eu-1", "us-1"]
            assert all(is_ready(node.http) for node in cluster.nodes)


def test_more_nodes_than_before(tmp_path: Path):
    """Broken: a cluster cannot grow, or who is new begins another one and counts for nothing."""
    for size in (3, 5):
        with UpCluster(data_dir=tmp_path / "data", size=size) as cluster:
            assert [node.id for node in cluster.nodes[3:]] == ["eu-2", "us-2"][: size - 3]
            assert all(is_ready(node.http) for node in cluster.nodes)


def test_a_directory_that_was_deleted(tmp_path: Path):
    """Broken: the node whose disk is another one is waited for, or begins a cluster of its own."""
    with UpCluster(data_dir=tmp_path / "data") as cluster:
        first = cluster.nodes[0]
    shutil.rmtree(first.data_dir)
    with UpCluster(data_dir=tmp_path / "data") as cluster:
        assert all(is_ready(node.http) for node in cluster.nodes)


def test_a_taken_port_is_one_line(cluster: UpCluster, tmp_path: Path):
    """Nodes would be started that cannot work."""
    port = cluster.nodes[0].http.rpartition(":")[2]
    done = subprocess.run(
        [*atoll_command(), "up", "--nodes", "1", "--base-port", port, "--data-dir", tmp_path / "d"],
        capture_output=True,
        text=True,
        env=clean_environment(),
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port} for eu-1" in done.stderr
    assert "Traceback" not in done.stderr
