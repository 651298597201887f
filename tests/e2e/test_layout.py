"""`atoll status`, `atoll node` and `atoll layout`, on real nodes of one region."""

import json
import random
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.e2e.operator import atoll, status, wait_status, wait_well
from tests.e2e.processes import is_ready
from tests.e2e.registry_client import Image, make_image, registry_clients
from tests.e2e.serve_cluster import ServeCluster, ServeProcess

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

_REPOSITORY = "library/app"


async def _push(rng: random.Random, host: str, count: int) -> list[Image]:
    images = [make_image(rng, [1000, 20_000]) for _ in range(count)]
    async with registry_clients([host]) as [client]:
        for number, image in enumerate(images):
            await client.push(_REPOSITORY, f"v{number}", image)
    return images


async def _pull(hosts: Sequence[str], images: Sequence[Image]) -> None:
    async with registry_clients(hosts) as clients:
        for client in clients:
            for number, image in enumerate(images):
                pulled = await client.pull(_REPOSITORY, f"v{number}")
                assert pulled.digest == image.digest


def _post(host: str, path: str, body: object) -> tuple[int, dict[str, object]]:
    request = urllib.request.Request(
        f"http://{host}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as exc:
        return exc.code, json.load(exc)


async def test_members_come_and_go_with_data(tmp_path: Path, rng: random.Random) -> None:
    """Broken: a member goes with the last copy of something, or one is let in that nobody named."""
    closed = ("--joining", "closed")
    with ServeCluster(directory=tmp_path, regions=("eu",), options=closed) as cluster:
        one, two, three = cluster.nodes
        url = three.http
        images = await _push(rng, one.http, 8)
        seen = wait_well(url)
        assert seen.states() == {"eu-0": "alive", "eu-1": "alive", "eu-2": "alive"}
        assert seen.document["copies"]["blobs"] == 24
        for member in seen.document["members"]:
            assert member["version"]
            assert member["disk_bytes"] > member["disk_free_bytes"] > 0
        four = cluster.newcomer("eu-3")
        four.start()
        try:
            seen = wait_status(url, lambda found: "eu-3" in found.states())
            assert (seen.status, seen.states()["eu-3"]) == (1, "outside")
            assert "`atoll node add eu-3`" in seen.attention
            assert not is_ready(four.http)
            # It may not have taken over the index yet.
            while (added := atoll("node", "add", "eu-3", url=url)).status != 0:
                assert "it has no whole index yet" in added.told
            four.wait_ready()
            assert set(wait_well(url).states()) == {"eu-0", "eu-1", "eu-2", "eu-3"}

            no = atoll("node", "safe-to-remove", "eu-0", url=url)
            assert (no.status, "drain it" in no.output) == (1, True), no
            removed = atoll("node", "remove", "eu-0", url=url)
            assert (removed.status, removed.output) == (0, "eu-0 is removed\n"), removed
            one.kill()
            seen = wait_status(url, lambda found: "eu-0" not in found.states())
            assert seen.document["copies"]["short"] == 0, "others had its copies before it went"
            await _pull([two.http, three.http, four.http], images)

            planned = atoll("layout", "plan", "--weight", "eu-2=50", "--json", url=url)
            version = json.loads(planned.output)["version"]
            assert atoll("node", "pause", "eu-3", url=url).status == 0
            stale = atoll("layout", "apply", "--version", str(version), url=url)
            assert stale.status == 1
            assert "plan again" in stale.told
            assert atoll("node", "resume", "eu-3", url=url).status == 0

            alive = atoll("node", "remove", "eu-1", "--lost", "--yes-i-lose", "eu-1", url=url)
            assert (alive.status, "and so not lost" in alive.told) == (1, True), alive
            two.kill()
            seen = wait_status(url, lambda found: found.states()["eu-1"] == "dead")
            assert "eu-1 is dead" in seen.attention
            only = {node.name: _stakes(node.name, url)["blobs_last"] for node in (three, four)}
            assert sum(only.values()) > 0, "what was on the dead node and one other is there alone"
            silent = atoll("node", "remove", "eu-1", "--patience", "0", url=url)
            assert silent.status == 1
            for words in ((), ("--yes-i-lose", "eu-2")):
                refused = atoll("node", "remove", "eu-1", "--lost", *words, url=url)
                assert (refused.status, "nothing was done" in refused.told) == (1, True), refused
            assert status(url).states()["eu-1"] == "dead"
            lost = atoll("node", "remove", "eu-1", "--lost", "--yes-i-lose", "eu-1", url=url)
            assert lost.status == 0, lost
            assert set(wait_well(url).states()) == {"eu-2", "eu-3"}
            await _pull([three.http, four.http], images)
            shown = atoll("layout", "history", url=url).output
            assert "eu-3 is added" in shown
            assert "eu-1 is removed" in shown
        finally:
            four.stop()


def _stakes(node: str, url: str) -> dict[str, int]:
    found: dict[str, int] = json.loads(
        atoll("node", "safe-to-remove", node, "--json", url=url).output
    )
    return found


async def test_without_most_voters_nothing_is_decided(tmp_path: Path, rng: random.Random) -> None:
    """Broken: two halves change one layout, or nobody can ever again after a disaster."""
    with ServeCluster(directory=tmp_path, regions=("eu",)) as cluster:
        one, two, three = cluster.nodes
        url = one.http
        images = await _push(rng, url, 4)
        wait_well(url)
        too_early = atoll(
            *("layout", "force", "--survivors", "eu-0", "--yes-i-lose", "eu-1"),
            *("--yes-i-lose", "eu-2"),
            url=url,
        )
        assert (too_early.status, "most voters answer" in too_early.told) == (1, True)
        two.kill()
        three.kill()
        dead = {"eu-1": "dead", "eu-2": "dead"}
        wait_status(url, lambda found: dead.items() <= found.states().items())
        planned = {"changes": [{"change": "settings", "degraded_writes": "refuse"}]}
        code, plan = _post(url, "/atoll/v1/layout/plan", planned)
        if code == 200:
            body = {name: plan[name] for name in ("version", "fingerprint")}
            code, plan = _post(url, "/atoll/v1/layout/apply", body)
        [error] = plan["errors"]
        assert code == 503, error
        assert {"eu-1", "eu-2"} & set(error["detail"]["missing"])
        assert "eu-1" in error["message"]
        for words in ((), ("--yes-i-lose", "eu-1")):
            refused = atoll("layout", "force", "--survivors", "eu-0", *words, url=url)
            assert (refused.status, "nothing was done" in refused.told) == (1, True)
        forced = atoll(
            *("layout", "force", "--survivors", "eu-0", "--yes-i-lose", "eu-1"),
            *("--yes-i-lose", "eu-2"),
            url=url,
        )
        assert forced.status == 0, forced
        seen = wait_status(url, lambda found: set(found.states()) == {"eu-0"})
        assert seen.status == 1, "there are fewer stores than copies"
        await _push(rng, url, len(images))


def test_a_node_that_nobody_named_begins_by_an_operators_word(tmp_path: Path) -> None:
    node = ServeProcess.alone(tmp_path / "data")
    node.initial = ()
    node.start()
    try:
        unknown = wait_status(node.http, lambda found: "layout" in found.document)
        assert (unknown.status, unknown.document["layout"]) == (2, None)
        assert "there is no layout yet" in unknown.attention
        begun = atoll("layout", "init", url=node.http)
        assert begun.status == 0, begun
        node.wait_ready()
        again = atoll("layout", "init", url=node.http)
        assert (again.status, "version 1 is live" in again.told) == (1, True)
        assert "copies: 2 wanted, 1 possible" in status(node.http).attention
        assert atoll("layout", "plan", "--copies", "1", url=node.http).status == 0
        assert atoll("layout", "apply", "--version", "2", url=node.http).status == 0
        assert wait_well(node.http).document["layout"] == 2
    finally:
        node.stop()
