"""The key `/` goes to the search field, and not where somebody has switched that off."""

import pytest

from tests.api.conftest import Registry
from tests.desk.chromium import Tab
from tests.desk.conftest import enter

pytestmark = pytest.mark.asyncio(loop_scope="module")

FIELD = "input Search repositories, tags, digests or paste a pull command"


async def press_slash(tab: Tab) -> str:
    """What has the focus after it, from where nothing has."""
    await tab.run("document.activeElement.blur()")
    await tab.press("/")
    return await tab.focus()


async def to_the_switch(tab: Tab) -> None:
    """By the keyboard alone."""
    await tab.run("document.activeElement.blur()")
    for _ in range(8):
        await tab.press("Tab")
        if await tab.focus() == "input / to search":
            return
    pytest.fail("the switch is not reached")


async def test_it_can_be_switched_off_by_the_keyboard(tab: Tab, desk: Registry):
    """Broken: who dictates to the machine is taken to the field by a word with that sign in it."""
    await tab.look()
    await enter(tab, desk)
    await tab.open(f"{desk.url}/ui/")
    assert await press_slash(tab) == FIELD
    await to_the_switch(tab)
    await tab.press(" ")
    assert await press_slash(tab) == ""
    assert not await tab.run("document.querySelector('.find kbd').checkVisibility()")
    for path in ("/ui/repos", "/ui/settings"):
        await tab.open(f"{desk.url}{path}")
        assert await press_slash(tab) == "", "this browser keeps it, on each page"
        assert not await tab.run("document.querySelector('#slash').checked")
    await to_the_switch(tab)
    await tab.press(" ")
    assert await press_slash(tab) == FIELD
    await tab.open(f"{desk.url}/ui/")
    assert await press_slash(tab) == FIELD
    assert tab.said == []
