"""Deleting a manifest that more tags name than one change should touch."""

import pytest

from node.errors import ManifestInvalid
from node.index.metadata import UNTAGGED_TOGETHER
from node.registry import manifests, structure
from tests.unit.index.conftest import OpenIndex
from tests.unit.index.test_metadata import CONFIG, manifest, push
from tests.unit.index.test_registers import REPO, digest_of, exchange, store


async def test_a_manifest_with_many_tags_is_deleted_in_steps(open_node: OpenIndex):
    """Broken: one change of 100,000 events, and the node does nothing else for seconds."""
    index = open_node()
    tags = [f"t{number:04}" for number in range(2 * UNTAGGED_TOGETHER + 1)]
    digest = await push(index, "lib/app", "x", *tags)
    await push(index, "lib/app", "y", "other")
    for left in (UNTAGGED_TOGETHER + 1, 1):
        step = await index.metadata.delete_manifest("lib/app", digest)
        assert step is not None
        assert not step.done
        assert index.metadata.tags("lib/app", "", 1000).items == ["other", *tags[-left:]]
        assert index.metadata.manifest("lib/app", digest) is not None, "it can be deleted again"
    step = await index.metadata.delete_manifest("lib/app", digest)
    assert step is not None
    assert step.done
    assert index.metadata.tags("lib/app", "", 1000).items == ["other"]
    assert index.metadata.manifest("lib/app", digest) is None
    assert await index.metadata.delete_manifest("lib/app", digest) is None


async def test_tags_on_which_it_lost_go_in_steps_too(open_node: OpenIndex):
    """Pushed elsewhere at the same time, they have two heads; the other one stays."""
    one, other = open_node("a"), open_node("b")
    tags = [f"t{number:04}" for number in range(UNTAGGED_TOGETHER + 1)]
    await store(one, "x", *tags)
    await store(other, "y", *tags)
    await exchange(one, other)
    winner = one.metadata.tag(REPO, tags[0])
    [loser] = {digest_of("x"), digest_of("y")} - {winner}
    steps = [await one.metadata.delete_manifest(REPO, loser) for _ in range(3)]
    assert [step and step.done for step in steps] == [False, True, None]
    await exchange(one, other)
    for node in (one, other):
        assert {node.metadata.tag(REPO, tag) for tag in tags} == {winner}
        assert not any(node.metadata.tag_register(REPO, tag).conflict for tag in tags)


async def test_what_an_earlier_version_took_can_be_deleted(
    open_node: OpenIndex, monkeypatch: pytest.MonkeyPatch
):
    """Broken: the manifest that a bound was made for stays for ever, on every node."""
    one, other = open_node("a"), open_node("b")
    digest = await push(one, REPO, "x", "tag", subject=CONFIG)
    await exchange(one, other)
    monkeypatch.setattr(structure, "TOKENS_MAX", 10)
    manifests._parse.cache_clear()
    with pytest.raises(ManifestInvalid):
        manifests.parse_manifest(digest, manifest("x", CONFIG)[1].body)
    step = await one.metadata.delete_manifest(REPO, digest)
    assert step is not None
    assert step.done
    await exchange(one, other)
    for node in (one, other):
        assert node.metadata.manifest(REPO, digest) is None
        assert node.metadata.tag(REPO, "tag") is None
        assert node.metadata.referrers(REPO, CONFIG, frozenset(), "", 10)[0] == []
    assert one.replica.quarantined() == other.replica.quarantined() == 0
