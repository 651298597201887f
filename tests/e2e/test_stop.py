"""How nodes stop: early, behind a load balancer, with running requests, and asked twice."""

import asyncio
import hashlib
import json
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import aiohttp
import pytest

from tests.e2e.ports import free_port
from tests.e2e.processes import ANY_ADMIN, clean_environment, is_ready
from tests.e2e.registry_client import make_image, registry_clients
from tests.e2e.serve_cluster import ServeCluster, ServeProcess
from tests.faults.round_robin import round_robin

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

_FOR_EVER = "600"


@contextmanager
def serving(tmp_path: Path, *options: str) -> Iterator[ServeProcess]:
    node = ServeProcess.alone(tmp_path / "eu-1", options=options)
    node.start()
    try:
        node.wait_ready()
        yield node
    finally:
        if node.is_running:
            node.kill()


def send(node: ServeProcess, number: int = signal.SIGTERM) -> None:
    assert node._process is not None
    node._process.send_signal(number)


@pytest.mark.parametrize("module", ["node.cli", "typer", "asyncio", "grpc", "node.main"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
def test_a_stop_in_the_first_second_is_a_clean_one(tmp_path: Path, module: str, number: int):
    """Broken: `docker stop` waits until it may kill, or Ctrl-C prints a traceback."""
    port = free_port()
    options = ["--data-dir", str(tmp_path / "d"), "--node", "eu-1", "--http", f"127.0.0.1:{port}"]
    command = [sys.executable, "-X", "importtime", "-m", "node", "serve", *options]
    sent, told = False, []
    with subprocess.Popen(
        [*command, *ANY_ADMIN, "--rpc", f"127.0.0.1:{port + 1000}"],
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(),
    ) as process:
        assert process.stderr is not None
        # A line for each import as it ends: what comes first has loaded little else.
        for line in process.stderr:
            if not sent and line.rpartition("|")[2].strip().startswith(module):
                process.send_signal(number)
                sent = True
            if not line.startswith("import time:"):
                told.append(line)
        assert process.wait(60) == 0, told
    assert sent, f"{module} is not imported any more: name another one"
    assert not any("Traceback" in line for line in told), told


def test_a_node_that_is_to_stop_serves_on_while_it_says_that_it_is_not_ready(tmp_path: Path):
    """Broken: a load balancer sends requests to a port that has closed."""
    with serving(tmp_path, "--shutdown-drain-s", _FOR_EVER) as node:
        send(node)
        while is_ready(node.http):
            time.sleep(0.02)
        with urllib.request.urlopen(f"http://{node.http}/v2/", timeout=10) as answer:
            assert answer.status == 200
            assert answer.headers["Connection"] == "close", "the next one goes elsewhere"
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"http://{node.http}/readyz", timeout=10)
        assert b'"running":"stopping"' in refused.value.read()
        send(node)
        assert node.wait_exit() == 0, "who asks twice does not wait"


def begin_upload(node: ServeProcess, whole: bytes, sent: int) -> socket.socket:
    """A push of *whole* of which *sent* bytes have been sent."""
    host, _, port = node.http.rpartition(":")
    client = socket.create_connection((host, int(port)), timeout=60)
    digest = "sha256:" + hashlib.sha256(whole).hexdigest()
    head = f"POST /v2/lib/app/blobs/uploads/?digest={digest} HTTP/1.1\r\nHost: x\r\n"
    client.sendall(f"{head}Content-Length: {len(whole)}\r\n\r\n".encode() + whole[:sent])
    while "atoll_uploads_open 1.0" not in _get(f"http://{node.http}/metrics"):
        time.sleep(0.02)
    return client


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def until_closed(node: ServeProcess) -> None:
    host, _, port = node.http.rpartition(":")
    with suppress(OSError):
        while True:
            socket.create_connection((host, int(port)), timeout=60).close()
            time.sleep(0.02)


def test_a_request_that_is_running_gets_its_answer(tmp_path: Path):
    """Broken: each restart ends somebody's push."""
    whole = b"x" * 100_000
    with (
        serving(tmp_path, "--shutdown-grace-s", _FOR_EVER) as node,
        begin_upload(node, whole, 1000) as client,
    ):
        send(node)
        until_closed(node)
        client.sendall(whole[1000:])
        assert client.recv(65536).startswith(b"HTTP/1.1 201 ")
        assert node.wait_exit() == 0


@pytest.mark.parametrize("request_line", [b"", b"GET /v2/ HTTP/1.1\r\nHost: atoll\r\n\r\n"])
def test_nobody_waits_for_connections_that_ask_nothing(tmp_path: Path, request_line: bytes):
    """Broken: the connections that balancers and clients keep make each stop last for its grace."""
    with serving(tmp_path, "--shutdown-grace-s", _FOR_EVER) as node:
        host, _, port = node.http.partition(":")
        with socket.create_connection((host, int(port)), timeout=60) as client:
            client.sendall(request_line)
            if request_line:
                assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
            send(node)
            assert node.wait_exit() == 0
            assert client.recv(65536) == b""


def test_the_grace_is_as_long_as_it_says(tmp_path: Path):
    """Broken: requests are cut off after half of the time that the setting gives them."""
    with (
        serving(tmp_path, "--shutdown-grace-s", "3") as node,
        begin_upload(node, b"x" * 1000, 10) as client,
    ):
        begun = time.monotonic()  # before it is told: a busy machine can only make this longer
        send(node)
        assert client.recv(65536) == b""
        assert time.monotonic() - begun > 2.9
        assert node.wait_exit() == 0


def test_a_second_signal_cuts_off_what_is_running(tmp_path: Path):
    """Broken: one stuck client keeps a node that has to go now."""
    with (
        serving(tmp_path, "--shutdown-grace-s", _FOR_EVER) as node,
        begin_upload(node, b"x" * 1000, 10) as client,
    ):
        send(node)
        until_closed(node)
        assert node.is_running
        send(node, signal.SIGINT)
        assert client.recv(65536) == b""
        assert node.wait_exit() == 0


async def test_a_restart_behind_a_load_balancer_is_not_noticed(tmp_path: Path, rng: random.Random):
    """
    Broken: each upgrade in the middle of the day makes pulls and pushes fail.

    The balancer asks `/readyz` each half second; the nodes serve on for six such times.
    """
    with ServeCluster(directory=tmp_path, options=("--shutdown-drain-s", "3")) as cluster:
        image = make_image(rng, [10_000])
        async with registry_clients([cluster.nodes[0].http]) as clients:
            await clients[0].push("library/app", "v1", image)
        async with (
            round_robin([node.http for node in cluster.nodes]) as proxy,
            aiohttp.ClientSession(f"http://{proxy.address}") as session,
        ):
            done, failures = asyncio.Event(), []
            clients_running = [
                asyncio.create_task(_keep_asking(session, image.manifest, number, done, failures))
                for number in range(4)
            ]
            for node in cluster.nodes:
                await asyncio.to_thread(_restart, node)
            done.set()
            counts = await asyncio.gather(*clients_running)
            print(f"{sum(counts)} requests, {proxy.served}, {len(failures)} failed")
            assert failures == []
            assert min(proxy.served.values()) > 0
        complaints = [
            event
            for node in cluster.nodes
            for line in node.log.read_text().splitlines()
            if (event := json.loads(line)["event"]) in ("member dead", "link lost")
        ]
        assert complaints == [], "a clean restart is no failure"


async def _keep_asking(
    session: aiohttp.ClientSession,
    manifest: bytes,
    number: int,
    done: asyncio.Event,
    failures: list[str],
) -> int:
    """Pull and push the manifest by turns until *done*; returns how many requests there were."""
    count = 0
    headers = {"Content-Type": "application/vnd.oci.image.manifest.v1+json"}
    while not done.is_set():
        requests = (
            ("GET", "/v2/library/app/manifests/v1", None, 200),
            ("PUT", f"/v2/library/app/manifests/v{number + 2}", manifest, 201),
        )
        for method, path, body, expected in requests:
            count += 1
            try:
                async with session.request(method, path, data=body, headers=headers) as answer:
                    text = await answer.text()
                    if answer.status != expected:
                        failures.append(f"{method} {path}: {answer.status} {text}")
            except aiohttp.ClientError as exc:
                failures.append(f"{method} {path}: {exc!r}")
    return count


def _restart(node: ServeProcess) -> None:
    node.stop()
    node.start()
    node.wait_ready()
