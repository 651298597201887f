"""Regions, nodes and what may be stopped, by API and page, on three real nodes, one paused."""

import json
import os
import random
import signal
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.operator import PATIENCE_S, atoll, wait_well
from tests.e2e.registry_client import make_image, registry_clients
from tests.e2e.serve_cluster import ServeCluster, ServeProcess

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


def _get(host: str, part: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://{host}/atoll/v1/{part}", timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def _page(host: str, path: str) -> str:
    request = urllib.request.Request(f"http://{host}{path}", headers={"Accept": "text/html"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        text: str = answer.read().decode()
    return text


def _wait(host: str, part: str, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The first answer that is as *wanted*; fails with the last one that was not."""
    until = time.monotonic() + PATIENCE_S
    while not wanted(found := _get(host, part)):
        assert time.monotonic() < until, found
        time.sleep(0.2)
    return found


@contextmanager
def _paused(node: ServeProcess) -> Iterator[None]:
    os.kill(node.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(node.pid, signal.SIGCONT)


async def test_a_node_that_is_paused_is_named_and_missed(
    tmp_path: Path, rng: random.Random
) -> None:
    """Broken: who looks while a peer hangs waits for it, or takes its figures for those of now."""
    with ServeCluster(directory=tmp_path, regions=("eu",)) as cluster:
        one, _, three = cluster.nodes
        url = one.http
        wait_well(url)
        assert _get(url, "members/eu-1/safe-to-stop")["safe"]
        found = _wait(url, "members", lambda seen: len(seen["may_stop"]) == 3)
        nodes = {node["node"]: node for node in found["nodes"]}
        assert found["missing"] == []
        assert nodes["eu-2"]["condition"] == "serving"
        assert nodes["eu-2"]["round_trip_ms"] > 0
        assert nodes["eu-2"]["disk"]["bytes"] > nodes["eu-2"]["disk"]["free_bytes"] > 0
        with _paused(three):
            found = _wait(url, "members", lambda seen: seen["missing"] == ["eu-2"])
            assert found["may_stop"] == []
            assert found["nodes"][0]["node"] == "eu-2", "who is in trouble comes first"
            async with registry_clients([url]) as [client]:
                await client.push("library/app", "v1", make_image(rng, [1000]))
            [region] = _wait(
                url, "regions", lambda seen: seen["regions"][0]["behind_node"] == "eu-2"
            )["regions"]
            assert (region["serving"], region["nodes"], region["missing"]) == (2, 3, ["eu-2"])
            assert region["behind_events"] > 0
            assert region["behind_s"] > 0
            assert _get(url, "series")["missing"] == ["eu-1", "eu-2"]
            assert _get(url, "work")["node"] == "eu-0"
            no = _get(url, "members/eu-1/safe-to-stop")
            assert (no["safe"], no["there"]) == (False, True), no
            assert "2 are needed" in no["hindrances"][0]["text"]
            missed = _get(url, "members/eu-2/safe-to-stop")
            assert (missed["safe"], missed["there"]) == (True, False), missed
            page = _page(url, "/ui/cluster")
            assert "2 of 3 nodes serve" in page
            assert "not heard now: eu-2" in page
            assert "without eu-2: not heard now" in _page(url, "/ui/")
            shown = atoll("top", "--once", url=url)
            assert (shown.status, "not heard now: eu-2" in shown.output) == (0, True), shown
        _wait(url, "members", lambda seen: not seen["missing"] and len(seen["may_stop"]) == 3)
        [region] = _wait(url, "regions", lambda seen: not seen["regions"][0]["behind_events"])[
            "regions"
        ]
        assert (region["serving"], region["behind_s"]) == (3, 0.0)
        pushed = _wait(url, "series", lambda seen: max(seen["series"][0]["points"], default=0) > 0)
        assert pushed["series"][0]["name"] == "pushes"


async def test_a_drain_is_work_with_figures_and_an_end(tmp_path: Path, rng: random.Random) -> None:
    """Broken: an operator cannot tell a drain that goes from one that stands."""
    with ServeCluster(directory=tmp_path, regions=("eu",)) as cluster:
        url = cluster.nodes[0].http
        async with registry_clients([url]) as [client]:
            for number in range(4):
                image = make_image(rng, [1000, 20_000])
                await client.push("library/app", f"v{number}", image)
        wait_well(url)
        assert atoll("node", "drain", "eu-2", url=url).status == 0
        found = _wait(
            url,
            "work",
            lambda seen: any(
                each["kind"] == "drain" and each["done"] == each["total"] and each["total"] > 0
                for each in seen["work"]
            ),
        )
        [drain] = [each for each in found["work"] if each["kind"] == "drain"]
        assert (drain["subject"], drain["stalled"]) == ("eu-2", None)
        assert drain["done_bytes"] == drain["total_bytes"] > 0
        shown = atoll("work", url=url)
        assert (shown.status, "eu-2 has drained" in shown.output) == (0, True), shown
        assert "100 %" in shown.output
