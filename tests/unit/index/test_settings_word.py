"""The number by which others know that a setting has changed, and all heads of one."""

import json

from node.registry.values import AddBlob, DeleteSetting, PutSetting
from tests.unit.index.conftest import OpenIndex
from tests.unit.index.nodes import CONFIG, REPO, exchange, hear, restore


def setting(value: int) -> PutSetting:
    return PutSetting("grant", "p/u", json.dumps({"role": value}))


async def test_each_change_of_a_setting_has_another_word(open_node: OpenIndex):
    """Broken: an answer that was allowed before somebody was locked out is given again."""
    index, seen = open_node(), []
    for change in (setting(1), setting(2), setting(2)):
        seen.append(index.metadata.settings_word)
        await index.metadata.put(change)
    seen.append(index.metadata.settings_word)
    await index.metadata.delete(DeleteSetting("grant", "p/u"))
    seen.append(index.metadata.settings_word)
    assert len(set(seen)) == len(seen)


async def test_what_comes_from_other_nodes_has_one_too(open_node: OpenIndex):
    one, other = open_node("a"), open_node("b")
    await one.metadata.put(setting(1))
    before = other.metadata.settings_word
    await hear(other, one)
    assert other.metadata.settings_word != before


async def test_so_has_the_state_of_another_node(open_node: OpenIndex):
    one, other = open_node("a"), open_node("b")
    await one.metadata.put(setting(1))
    before = other.metadata.settings_word
    await restore(one, other)
    assert other.metadata.settings_word != before


async def test_a_push_leaves_it(open_node: OpenIndex):
    """Broken: with every push all nodes forget what they remember of everybody."""
    index = open_node()
    before = index.metadata.settings_word
    await index.metadata.put(AddBlob(REPO, CONFIG, 6, held=True))
    assert index.metadata.settings_word == before


async def test_all_heads_of_a_setting_are_there(open_node: OpenIndex):
    """Broken: of two versions that were written apart only the later one is looked at."""
    one, other = open_node("a"), open_node("b")
    await one.metadata.put(setting(1))
    await other.metadata.put(setting(2))
    await exchange(one, other)
    for index in (one, other):
        heads = index.metadata.setting_heads("grant", "p/u")
        assert sorted(head.value for head in heads) == ['{"role": 1}', '{"role": 2}']
    await other.metadata.put(setting(3))
    assert [head.value for head in other.metadata.setting_heads("grant", "p/u")] == ['{"role": 3}']
    assert other.metadata.setting_heads("grant", "p/other") == ()
