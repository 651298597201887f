"""The lists under referrers tags, and the pushes that renew them."""

import pytest

from cluster.model import Digest
from node.index.fallback import fallback_tag
from node.index.opening import Index
from tests.unit.index.conftest import OpenIndex
from tests.unit.index.test_metadata import push, push_index
from tests.unit.index.test_registers import REPO, exchange, store


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


async def test_the_event_of_a_referrer_s_push_is_behind_that_of_its_list(
    nodes: list[Index], subject: Digest
):
    """Broken: a push is acknowledged while the list under the tag is on one node only."""
    event = await store(nodes[0], "two", subject=subject)
    assert event == nodes[0].metadata.tag_register(REPO, fallback_tag(subject)).dots[0]
    assert event.seq == nodes[0].replica.vector()[nodes[0].replica.origin]
