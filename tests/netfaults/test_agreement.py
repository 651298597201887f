"""When the nodes count as the same, and what is asked of them in the end."""

import json
import random
from contextlib import asynccontextmanager

import pytest

from tests.e2e.registry_client import make_image
from tests.netfaults import agreement
from tests.netfaults.agreement import IN_PART, SILENT, UNREADABLE, NoAnswer
from tests.netfaults.histories import op
from tests.netfaults.lateness import Lateness

IMAGE = make_image(random.Random(1), [10])
OTHER = make_image(random.Random(2), [10])
NAMES = ("eu-0", "eu-1", "us-0")


def member(node, ahead=0, lag=0, *, connected=True):
    return {"node": node, "connected": connected, "ahead_events": ahead, "lag_events": lag}


class World(agreement.Nodes):
    """Nodes that say what they are told to; each look at the clock is a second."""

    def __init__(self, tags=None):
        self.addresses = dict.fromkeys(NAMES, "nowhere")
        self.tags = {name: dict(tags or {"t": IMAGE}) for name in NAMES}
        self.manifests = {name: {IMAGE.digest: IMAGE} for name in NAMES}
        self.lacking = {}
        """What a node says of its events: (ahead, lag) of the first of the others."""
        self.alarms = {}
        self.away = set()
        self.time = 100.0
        self.then = {}
        """What to do at some second."""

    def now(self):
        self.time += 1.0
        for due in [at for at in self.then if at <= self.time]:
            self.then.pop(due)()
        return self.time

    async def get(self, node, path, method="GET"):
        if node in self.away:
            raise NoAnswer(node)
        if path == "/atoll/v1/cluster":
            return 200, json.dumps(self._cluster(node)).encode()
        if path.startswith("/v2/_catalog"):
            return 200, b'{"repositories": ["a"]}'
        if "/tags/list" in path:
            return 200, json.dumps({"tags": sorted(self.tags[node])}).encode()
        name = path.rpartition("/")[2]
        image = self.tags[node].get(name) or self.manifests[node].get(name)
        if "/manifests/" in path:
            return (200, image.manifest) if image else (404, b"{}")
        for blob in IMAGE.blobs + OTHER.blobs:
            if agreement.describe("", blob).digest == name:
                return 200, blob
        return 404, b"{}"

    def _cluster(self, node):
        ahead, lag = self.lacking.get(node, (0, 0))
        first, *others = (name for name in NAMES if name != node)
        members = [member(first, ahead, lag), *map(member, others)]
        said = {"members": members, "restoring": None, "damaged": False, "differing": []}
        return said | self.alarms.get(node, {})


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(agreement, "_POLL_S", 0)


class Session:
    """Every request gets one answer."""

    def __init__(self, status, **headers):
        self.status = status
        self.headers = headers

    @asynccontextmanager
    async def request(self, method, url):
        yield self

    async def read(self):
        return b"{}"


async def test_an_answer_in_the_end_is_the_latest():
    """Broken: all nodes say the same, and each that it may be old."""
    told = await agreement.Nodes(Session(404), {"eu-0": "nowhere"}).get("eu-0", "/v2/")
    assert told == (404, b"{}")
    for session in (Session(503), Session(200, **{"Atoll-Consistency": "unconfirmed"})):
        with pytest.raises(NoAnswer):
            await agreement.Nodes(session, {"eu-0": "nowhere"}).get("eu-0", "/v2/")


async def test_nodes_that_serve_and_have_the_same_agree():
    """Broken: agreement is found without looking, or never."""
    world = World()
    agreed = await agreement.converge(world, world.now, 100.0)
    assert 100 < agreed.at <= agreed.identical_at < 110
    assert agreed.tags == {("a", "t"): IMAGE.digest}


@pytest.mark.parametrize("lacking", [(1, 0), (0, 1)])
async def test_the_same_tags_are_not_yet_the_same_index(lacking):
    """Broken: events that a node lacks count as agreement, as no tag shows them."""
    world = World()
    world.lacking["us-0"] = lacking
    agreed = await agreement.converge(world, world.now, 100.0)
    assert agreed.at < 110, "clients see no difference"
    assert agreed.identical_at is None
    assert "us-0" in agreed.waited_for
    world.then[150.0] = world.lacking.clear
    agreed = await agreement.converge(world, world.now, 140.0)
    assert agreed.at < 150 <= agreed.identical_at


@pytest.mark.parametrize(
    "alarm",
    [
        {"members": []},
        {"restoring": [1, 2]},
        {"damaged": True},
        {"differing": ["eu-0"]},
        {"members": [member("eu-0", connected=False), member("us-0")]},
    ],
)
async def test_a_node_with_an_alarm_is_not_the_same(alarm):
    """Broken: a node that knows that its index is wrong, or its peers away, counts as healed."""
    world = World()
    world.alarms["eu-1"] = alarm
    assert (await agreement.converge(world, world.now, 100.0)).identical_at is None


async def test_agreement_that_does_not_last_is_none():
    """Broken: one moment in which all say the same ends the wait for what is still to come."""
    world = World()
    world.lacking["us-0"] = (1, 0)
    world.then[110.0] = lambda: world.tags["us-0"].update(t=OTHER)
    world.then[120.0] = lambda: [tags.update(t=OTHER) for tags in world.tags.values()]
    world.then[121.0] = world.lacking.clear
    agreed = await agreement.converge(world, world.now, 100.0)
    assert agreed.at >= 120
    assert agreed.tags == {("a", "t"): OTHER.digest}


async def test_the_time_to_agree_is_measured_from_the_heal():
    """Broken: nodes may take longer than the promised 30 s, as the clock starts late."""
    world = World()
    world.tags["us-0"]["t"] = OTHER
    world.then[125.0] = lambda: world.tags["us-0"].update(t=IMAGE)
    assert (await agreement.converge(world, world.now, 90.0)).at is None
    assert world.time < 125
    world.away.add("eu-0")
    silent = await agreement.converge(world, world.now, world.time)
    assert silent.identical_at is None
    assert silent.waited_for == "eu-0"


async def test_a_push_is_everywhere_or_nowhere():
    """Broken: a manifest that some nodes lack, or whose blobs are gone, goes unnoticed."""
    pushes = [op("push", 0, 1, image.digest) for image in (IMAGE, OTHER)]
    images = {image.digest: image for image in (IMAGE, OTHER)}
    world = World()
    found = await agreement.contents(world, pushes, images)
    assert found.manifests == {("a", IMAGE.digest)}
    assert not found.violations
    world.manifests["us-0"][OTHER.digest] = OTHER
    found = await agreement.contents(world, pushes, images)
    assert [each.rule for each in found.violations] == [IN_PART]
    assert found.manifests == {("a", IMAGE.digest)}
    world.away.add("eu-1")
    found = await agreement.contents(world, pushes, images)
    assert [each.rule for each in found.violations] == [SILENT, SILENT]


async def test_pushes_of_unknown_outcome_that_were_done_are_counted():
    """Broken: nobody knows how many of the failed pushes had an effect."""
    images = {image.digest: image for image in (IMAGE, OTHER)}
    world = World()
    unknown = [op("push", 0, 1, image.digest, "unknown") for image in (IMAGE, OTHER)]
    assert (await agreement.contents(world, unknown, images)).took_effect == 1
    again = op("retag", 2, 3, IMAGE.digest)
    assert (await agreement.contents(world, [*unknown, again], images)).took_effect == 0


async def test_every_blob_is_read():
    """Broken: a push counts as whole though a blob of it is gone."""
    strange = make_image(random.Random(3), [10])
    world = World()
    for manifests in world.manifests.values():
        manifests[strange.digest] = strange
    push = op("push", 0, 1, strange.digest)
    found = await agreement.contents(world, [push], {strange.digest: strange})
    assert [each.rule for each in found.violations] == [UNREADABLE] * len(strange.blobs)


def test_the_machine_s_lateness_is_noted_with_its_time():
    """Broken: an overloaded machine cannot be told from a fault of a node."""
    times = iter([1.05, 5.5, 9.0])
    lateness = Lateness(lambda: next(times))
    lateness.note(1.0)
    lateness.note(5.0)
    lateness.note(8.0)
    assert lateness.noted == [(5.5, 0.5), (9.0, 1.0)]
    assert lateness.worst_between(0.0, 4.9) == 0
    assert lateness.worst_between(5.2, 5.3) == 0.5
    assert lateness.worst_between(5.4, 20.0) == 1.0
