"""The lists under referrers tags: what a push does to them is taken back with it."""

import pytest

from cluster.model import Digest
from node.index.fallback import fallback_tag
from node.index.opening import Index
from node.registry.ports import StoredManifest
from tests.unit.index.conftest import OpenIndex
from tests.unit.index.test_metadata import manifest, push, push_index
from tests.unit.index.test_registers import REPO, exchange, store


async def take_back(index: Index, text: str, subject: Digest, stored: StoredManifest) -> None:
    await index.metadata.withdraw_manifest(REPO, manifest(text, subject)[0], stored)
    index.metadata.settle(stored)


def generated(index: Index, subject: Digest) -> Digest:
    digest = index.metadata.tag(REPO, fallback_tag(subject))
    assert digest is not None
    return digest


@pytest.fixture
async def nodes(open_node: OpenIndex) -> list[Index]:
    return [open_node("a"), open_node("b")]


@pytest.fixture
async def subject(nodes: list[Index]) -> Digest:
    """Has one referrer, and a list of it that a client keeps under the referrers tag."""
    subject = await push(nodes[0], REPO, "subject")
    one = await push(nodes[0], REPO, "one", subject=subject)
    await push_index(nodes[0], REPO, fallback_tag(subject), one)
    await exchange(*nodes)
    return subject


async def test_a_withdrawn_referrer_leaves_the_list_as_the_client_pushed_it(
    nodes: list[Index], subject: Digest
):
    """Broken: a push that fails takes away an acknowledged one, the list that it replaced."""
    pushed = generated(nodes[0], subject)
    before = nodes[0].metadata.manifest(REPO, pushed)
    stored = await store(nodes[0], "two", subject=subject)
    made = generated(nodes[0], subject)
    await exchange(*nodes)
    assert nodes[1].metadata.manifest(REPO, pushed) == before
    await take_back(nodes[0], "two", subject, stored)
    await exchange(*nodes)
    for node in nodes:
        assert generated(node, subject) == pushed
        assert node.metadata.manifest(REPO, pushed) == before
        assert node.metadata.manifest(REPO, made) is None


@pytest.mark.parametrize("order", [("two", "three"), ("three", "two")])
async def test_two_withdrawn_referrers_leave_the_list_as_it_was(
    nodes: list[Index], subject: Digest, order: tuple[str, str]
):
    pushed = generated(nodes[0], subject)
    failed = {text: await store(nodes[0], text, subject=subject) for text in ("two", "three")}
    for text in order:
        await take_back(nodes[0], text, subject, failed[text])
    await exchange(*nodes)
    for node in nodes:
        assert generated(node, subject) == pushed
        assert node.metadata.manifest(REPO, pushed) is not None


async def test_a_list_that_somebody_else_made_too_outlives_a_withdrawal(
    nodes: list[Index], subject: Digest
):
    """Broken: two nodes write the same list, one takes its own back, and both have lost it."""
    one, other = nodes
    await push(other, REPO, "two", subject=subject)
    acknowledged = generated(other, subject)
    await exchange(*nodes)
    await push_index(one, REPO, fallback_tag(subject), manifest("one", subject)[0])
    stored = await store(one, "two", subject=subject)
    assert generated(one, subject) == acknowledged
    await take_back(one, "two", subject, stored)
    await exchange(*nodes)
    for node in nodes:
        assert node.metadata.manifest(REPO, acknowledged) is not None


async def test_the_event_of_a_referrer_s_push_is_behind_that_of_its_list(
    nodes: list[Index], subject: Digest
):
    """Broken: a push is acknowledged while the list under the tag is on one node only."""
    stored = await store(nodes[0], "two", subject=subject)
    assert stored.event == nodes[0].metadata.tag_register(REPO, fallback_tag(subject)).dots[0]
    assert stored.event.seq == nodes[0].replica.vector()[nodes[0].replica.origin]
