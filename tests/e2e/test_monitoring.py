"""docs/monitoring.md as it stands: a real Prometheus, real nodes, and real trouble."""

import json
import os
import random
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e.administration import Administration, asked, basic
from tests.e2e.guides import Reader, blocks, sections
from tests.e2e.processes import ANY_ADMIN, atoll_command
from tests.e2e.prometheus import DOCS, PAGE, Prometheus, promtool
from tests.e2e.registry_client import RegistryClient, make_image, registry_clients
from tests.e2e.serve_cluster import ServeCluster, ServeProcess
from tests.e2e.small_disk import small_disk

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

DASHBOARD: Final = DOCS / "monitoring" / "dashboard.json"
_MIB: Final = 1 << 20
_ALONE: Final = ("--copies", "1")
"""Else a node says, rightly, that a cluster of one cannot have two copies."""


def look(node: ServeProcess) -> dict[str, Any]:
    """Ask a node what needs attention: copies and conflicts are counted then."""
    status, body = asked(node.admin, "GET", "/atoll/v1/attention")
    assert status == 200
    found: dict[str, Any] = json.loads(body)
    return found


def panels() -> Iterator[tuple[str, str]]:
    """The queries of the dashboard, with what its variables are here."""
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", ()):
            query: str = target["expr"]
            for variable, here in (
                ("$__rate_interval", "10s"), ("$instance", ".*"), ("$job", "atoll"),
            ):  # fmt: skip
                query = query.replace(variable, here)
            assert "$" not in query
            yield panel["title"], query


async def test_a_cluster_is_watched_and_a_node_is_killed(tmp_path: Path, rng: random.Random):
    """Broken: a panel that is empty for ever; or a node dies, and nobody is called."""
    with ServeCluster(directory=tmp_path) as cluster:
        nodes = cluster.nodes
        targets = [node.admin for node in nodes]
        with Prometheus(directory=tmp_path / "prometheus", targets=targets) as prometheus:
            async with registry_clients([node.http for node in nodes]) as clients:
                for number, client in enumerate(clients):
                    image = make_image(rng, [200_000])
                    await client.push("lib/app", f"v{number}", image)
                    for other in clients:
                        await pulled(other, f"v{number}")
            look(nodes[0])
            prometheus.until_scraped()

            def empty() -> list[tuple[str, str]]:
                return [(title, query) for title, query in panels() if not prometheus.query(query)]

            prometheus.until(lambda: not empty() or None, lambda: f"empty panels: {empty()}")
            _, body = asked(nodes[0].admin, "GET", "/metrics")
            assert promtool("check", "metrics", given=body) == ""
            lines = [line for line in body.splitlines() if not line.startswith(b"#")]
            assert len(lines) < 700, "docs/monitoring.md says how many series a node has"
            assert b"lib/app" not in body
            pairs = {
                (labels["origin_region"], labels["instance"])
                for labels, count in prometheus.query("atoll_event_lag_seconds_count")
                if count
            }
            regions = {node.region: node.admin for node in nodes}
            assert pairs >= {(o, a) for o in regions for r, a in regions.items() if o != r}
            assert prometheus.firing() == {}

            dead = nodes[2]
            dead.kill()
            alert = prometheus.until_fires("AtollNodeDead")
            assert alert["annotations"]["runbook_url"] == "docs/runbooks/node-dead.md"
            # Whichever of the others is scraped first.
            assert any(other in alert["annotations"]["description"] for other in targets[:2])
            alert = prometheus.until_fires("AtollNotScraped")
            assert alert["labels"]["instance"] == targets[2]
            for node in nodes[:2]:
                node.kill()
            prometheus.until_fires("AtollNobodyScraped")


async def pulled(client: RegistryClient, tag: str) -> None:
    """Pull it, once it is there: other regions hear of a push a moment later."""
    until = time.monotonic() + 30
    while tag not in await client.tags("lib/app"):
        assert time.monotonic() < until, tag
    await client.pull("lib/app", tag)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_disk_fills(tmp_path: Path):
    """Broken: pushes are refused before anybody was told that a disk fills."""
    with small_disk(tmp_path / "disk", 256 * _MIB) as disk:
        node = ServeProcess.alone(
            disk.path / "node", options=(*_ALONE, "--disk-reserve-bytes", str(4 * _MIB))
        )
        node.start()
        try:
            node.wait_ready()
            with Prometheus(directory=tmp_path / "prometheus", targets=[node.admin]) as prometheus:
                prometheus.until_scraped()
                assert prometheus.firing() == {}
                disk.fill(leave_bytes=10 * _MIB)
                alert = prometheus.until_fires("AtollDiskNearlyFull")
                assert alert["labels"]["severity"] == "warning"
                disk.fill(leave_bytes=2 * _MIB)
                alert = prometheus.until_fires("AtollDiskFull")
                assert alert["labels"]["severity"] == "critical"
                [(_, free)] = prometheus.query("atoll_disk_free_bytes")
                assert free <= 2 * _MIB
                disk.free()
                prometheus.until(
                    lambda: not prometheus.firing() or None, lambda: "there is room again"
                )
        finally:
            node.stop()


async def test_a_tag_is_pushed_in_two_places(tmp_path: Path, rng: random.Random):
    """Broken: two teams overwrite each other's image, and nobody learns of it."""
    options = ("--join-timeout-s", "1")
    with ServeCluster(directory=tmp_path, size=2, options=options) as cluster:
        eu, us = cluster.nodes
        alone = {"consistency": "local"}
        assert asked(eu.admin, "PUT", "/atoll/v1/projects/lib", body=alone)[0] == 200
        async with registry_clients([eu.http, us.http]) as [at_eu, at_us]:
            us.kill()
            await at_eu.push("lib/app", "stable", make_image(rng, [1000]))
            eu.kill()
            us.start()
            us.wait_ready()
            await at_us.push("lib/app", "stable", make_image(rng, [1000]))
            eu.start()
            eu.wait_ready()
        targets = [node.admin for node in cluster.nodes]
        with Prometheus(directory=tmp_path / "prometheus", targets=targets) as prometheus:
            prometheus.until(
                lambda: [each for each in look(eu)["attention"] if each["code"] == "tag-conflicts"],
                lambda: "they have not heard of each other",
            )
            alert = prometheus.until_fires("AtollTagConflicts")
            assert alert["annotations"]["runbook_url"] == "docs/runbooks/tag-conflicts.md"
            found = prometheus.query(f'atoll_tags_in_conflict{{instance="{eu.admin}"}}')
            assert [value for _, value in found] == [1]


async def test_tags_may_not_be_the_latest(tmp_path: Path, rng: random.Random):
    """Broken: a region serves what it has, cannot tell whether that is new, and calls nobody."""
    with ServeCluster(directory=tmp_path, regions=("eu",)) as cluster:
        one, *others = cluster.nodes
        async with registry_clients([one.http]) as [client]:
            await client.push("lib/app", "v1", make_image(rng, [1000]))
        with Prometheus(directory=tmp_path / "prometheus", targets=[one.admin]) as prometheus:
            prometheus.until_scraped()
            for other in others:
                os.kill(other.pid, signal.SIGSTOP)
            try:
                prometheus.until(
                    lambda: unconfirmed(one) or None, lambda: "each read was confirmed"
                )
            finally:
                for other in others:
                    os.kill(other.pid, signal.SIGCONT)
            alert = prometheus.until_fires("AtollReadsUnconfirmed")
            assert alert["annotations"]["runbook_url"] == "docs/runbooks/reads-unconfirmed.md"


def unconfirmed(node: ServeProcess) -> bool:
    """Whether the node answers a pull by a tag, and has asked nobody whether that is the latest."""
    kind = "application/vnd.oci.image.manifest.v1+json"
    request = urllib.request.Request(
        f"http://{node.http}/v2/lib/app/manifests/v1", headers={"Accept": kind}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.headers.get("Atoll-Consistency") == "unconfirmed"
    except urllib.error.HTTPError:
        return False


def test_a_watcher_scrapes_and_does_nothing_else(tmp_path: Path):
    """Broken: what a Prometheus has lying about is good for all images; or it scrapes nothing."""
    node = ServeProcess.alone(tmp_path / "eu-1", options=_ALONE, doors=ANY_ADMIN)
    node.start()
    try:
        node.wait_ready()
        home = tmp_path / "home"
        home.mkdir()
        (home / "prometheus-password").write_text("correct horse battery\n")
        reader = Reader(
            home=home,
            instead={"127.0.0.1:7000": node.admin},
            path=f"{Path(atoll_command()[0]).parent}:{os.environ['PATH']}",
            env={"ATOLL_DATA_DIR": str(node.data_dir)},
        )
        parts = sections(PAGE)
        for block in blocks(parts["Who may scrape"], "sh"):
            reader.type(block)
        for block in blocks(parts["Alerts"], "sh"):
            reader.type(block)
        rules = (home / "alerts.yml").read_text()
        assert "https://wiki.example/atoll/runbooks/node-dead.md" in rules
        token = (home / "prometheus-token").read_text().strip()
        watcher = basic("prometheus", token)
        for address in (node.http, node.admin):
            assert asked(address, "GET", "/metrics")[0] == 401
            assert asked(address, "GET", "/metrics", watcher)[0] == 200
        assert asked(node.http, "GET", "/v2/lib/app/tags/list", watcher)[0] == 404
        assert asked(node.http, "GET", "/v2/_catalog", watcher)[0] == 200
        assert asked(node.admin, "GET", "/atoll/v1/status", watcher)[0] == 200
        assert asked(node.admin, "GET", "/atoll/v1/users", watcher)[0] == 403
        # The registry's port, as from elsewhere.
        with Prometheus(
            directory=tmp_path / "prometheus", targets=[node.http], token=token
        ) as prometheus:
            prometheus.until_scraped()
            assert [value for _, value in prometheus.query("up")] == [1]
            assert prometheus.query("atoll_node_info")[0][0]["node"] == "eu-1"
            assert prometheus.firing() == {}
            Administration(node=node).do("DELETE", "roles?subject=prometheus")
            prometheus.until_fires("AtollNotScraped")
    finally:
        node.stop()
