"""What the clients write down: the rules can only judge what is in the history."""

import random

from tests.e2e.oci_layout import describe
from tests.e2e.registry_client import make_image
from tests.netfaults import workload
from tests.netfaults.workload import Answer, Journey, Workload, _Worker

BODY = b"{}"
DIGEST = describe("", BODY).digest


class Registry(Workload):
    """Answers without a network; a request goes to one node after the other."""

    def __init__(self, *answers):
        super().__init__({"eu": "", "us": ""}, {}, Journey({}), lambda: 1.0, 1)
        self.answers = list(answers)
        self.asked = []

    async def request(self, session, op, method, target, *, node="", **more):
        self.asked.append((op.region, method, target))
        op.node = f"eu-{len(self.asked) % 3}"
        return self.answers.pop(0)


def client(registry):
    return _Worker(registry, None, "eu", random.Random(1))


async def carry_out(registry, kind, *, tag="", digest=""):
    worker = client(registry)
    op = worker._new(kind, "a")
    op.tag, op.digest = tag, digest
    await worker._carry_out(op)
    return op


async def test_what_was_asked_for_and_what_came_are_noted_apart():
    """Broken: a body is believed to be what was asked for."""
    by_digest = await carry_out(Registry(Answer(200, BODY)), "pull_digest", digest="other")
    assert (by_digest.digest, by_digest.body) == ("other", DIGEST)
    said = Answer(200, BODY, {"Docker-Content-Digest": "said"})
    by_tag = await carry_out(Registry(said), "pull", tag="t")
    assert (by_tag.digest, by_tag.body) == ("said", DIGEST)


async def test_a_push_notes_who_keeps_its_uploads():
    """Broken: nobody knows which node's fault may have ended a push."""
    opened = Answer(202, headers={"Location": "/v2/a/blobs/uploads/1"})
    lost = Answer(404, code="BLOB_UPLOAD_UNKNOWN")
    push = await carry_out(Registry(opened, Answer(201), opened, lost), "push", tag="t")
    assert push.owners == ["eu-1", "eu-0"]
    assert (push.outcome, push.node, push.code) == ("refused", "eu-1", "BLOB_UPLOAD_UNKNOWN")


async def test_a_manifest_is_deleted_by_its_digest():
    """Broken: the workload deletes tags only, and P5 is not tried on manifests."""
    registry = Registry(Answer(202), Answer(404), Answer(503), Answer())
    outcomes = [
        (await carry_out(registry, "delete_digest", digest=DIGEST)).outcome for _ in range(4)
    ]
    assert outcomes == ["ok", "missing", "unknown", "unknown"]
    assert registry.asked[0] == ("eu", "DELETE", f"/v2/a/manifests/{DIGEST}")


async def test_an_acknowledgement_on_too_few_disks_is_noted():
    """Broken: the node says it, and nobody listens."""
    registry = Registry(Answer(202, headers={"Atoll-Degraded": "1"}))
    assert (await carry_out(registry, "delete", tag="t")).degraded == "1"


async def test_an_answer_that_may_not_be_the_latest_is_noted():
    """Broken: what a node marks as unconfirmed counts as stale, or what is stale as marked."""
    mark = {"Atoll-Consistency": "unconfirmed"}
    for kind, answer in (("pull", Answer(200, BODY, mark)), ("pull", Answer(404, headers=mark))):
        assert (await carry_out(Registry(answer), kind, tag="t")).unconfirmed
    listing = Answer(200, b'{"tags": []}', mark)
    assert (await carry_out(Registry(listing), "list")).unconfirmed
    assert not (await carry_out(Registry(Answer(200, BODY)), "pull", tag="t")).unconfirmed


async def test_what_is_read_back_has_its_blobs():
    """Broken: nobody asks another node for a blob in the moment in which it was pushed."""
    image = make_image(random.Random(1), [10])
    registry = Registry(*[Answer(200, image.manifest), Answer(200)] * 200)
    registry.images[image.digest], registry.homes[image.digest] = image, "eu"
    worker = client(registry)
    push = worker._new("push", "a")
    push.tag, push.digest = "", image.digest
    for _ in range(20):
        await worker._read_back(push)
    assert {op.kind for op in registry.history} == {"push", "pull_digest", "pull_blob"}


async def test_clients_pull_blobs_of_their_own_accord(monkeypatch):
    """Broken: only what was just pushed is pulled whole."""
    image = make_image(random.Random(1), [10])
    found = Answer(200, image.manifest, {"Docker-Content-Digest": image.digest})
    registry = Registry(*[found] * 102)
    registry.now = lambda: float(len(registry.asked))
    registry.images[image.digest], registry.homes[image.digest] = image, "eu"
    monkeypatch.setattr(workload, "_MIX", {"pull": 1})
    await client(registry).run(100.0, 0.0001)
    assert {op.kind for op in registry.history} == {"pull", "pull_blob"}


async def test_writes_are_read_back_by_tag_or_digest_in_any_region():
    """Broken: nobody asks another region for what it may not have heard of."""
    registry = Registry(*[Answer(404)] * 200)
    worker = client(registry)
    push = worker._new("push", "a")
    push.tag, push.digest = "t", DIGEST
    for _ in range(100):
        await worker._read_back(push)
    targets = {(region, target.rpartition("/")[2]) for region, _, target in registry.asked}
    assert targets == {("eu", "t"), ("eu", DIGEST), ("us", DIGEST)}
    delete = worker._new("delete_digest", "a")
    delete.digest = DIGEST
    await worker._read_back(delete)
    assert registry.history[-1].kind == "pull_digest"


async def test_blobs_are_read_of_what_was_found():
    """Broken: while something is wrong nobody asks for more than the manifest."""
    opened, done = Answer(202, headers={"Location": "/v2/a/blobs/uploads/1"}), Answer(201)
    registry = Registry(*[opened, done] * 4)
    worker = client(registry)
    push = worker._new("push", "a")
    await worker._carry_out(push)
    registry.answers = [Answer(200, b"a blob")] * 100
    missing = worker._new("pull_digest", "a")
    missing.digest, missing.outcome = push.digest, "missing"
    found = worker._new("pull_digest", "a")
    found.digest, found.region, found.outcome = push.digest, "us", "ok"
    found.end, found.node = 3.0, "us-1"
    for _ in range(100):
        await worker._read_blob(missing)
        await worker._read_blob(found)
    reads = [op for op in registry.history if op.kind == "pull_blob"]
    assert 30 < len(reads) < 70
    blobs = {describe("", blob).digest for blob in registry.images[push.digest].blobs}
    assert {read.blob for read in reads} == blobs
    assert {target for _, method, target in registry.asked if method == "GET"} == {
        f"/v2/a/blobs/{blob}" for blob in blobs
    }
    came = describe("", b"a blob").digest
    noted = {(read.digest, read.region, read.home, read.body) for read in reads}
    assert noted == {(push.digest, "us", "eu", came)}
    assert {(read.seen, read.seen_at) for read in reads} == {(3.0, "us-1")}
