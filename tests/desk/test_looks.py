"""Each page, in each width and each way to see it."""

import pytest

from tests.api.conftest import Registry
from tests.desk.axe import violations
from tests.desk.chromium import Tab
from tests.desk.conftest import enter, first_event
from tests.desk.pages import LOOKS, PAGES, WIDTHS, LookedAt

pytestmark = pytest.mark.asyncio(loop_scope="module")

EXPECTED = "Failed to load resource: the server responded with a status of 4"
"""What Chromium says of a page that is a refusal, beside showing it."""


async def opened(tab: Tab, desk: Registry, page: LookedAt) -> None:
    if page.logged_in:
        await enter(tab, desk)
    await tab.open(f"{desk.url}{page.path.replace('EVENT', first_event(desk))}")


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
async def test_everybody_can_use_it(tab: Tab, desk: Registry, page: LookedAt, look: str):
    """Broken: axe finds something, a line is wider than the screen, or the console complains."""
    theme = "dark" if look == "dark" else "light"
    for width in WIDTHS:
        # The first one opens the page, the others find it open: it follows its window.
        await tab.look(width=width, theme=theme, forced=look == "forced")
        if width == WIDTHS[0]:
            await opened(tab, desk, page)
        assert (width, await violations(tab)) == (width, [])
        assert await tab.run("document.documentElement.scrollWidth") <= width
    assert [line for line in tab.said if not line.startswith(EXPECTED)] == []
    assert {url for url in tab.asked if not url.startswith(desk.url)} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
async def test_it_works_without_a_script(tab: Tab, desk: Registry, page: LookedAt):
    """Broken: a page is empty, or offers what does nothing, where scripts are off."""
    await tab.look(script=False)
    await opened(tab, desk, page)
    text = await tab.run("document.querySelector('main').innerText")
    assert len(text) > 20
    hidden = (
        "[...document.querySelectorAll('button[data-copy], #theme, .key')].every((e) => e.hidden)"
    )
    assert await tab.run(hidden)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
async def test_the_keyboard_reaches_all_that_can_be_clicked(
    tab: Tab, desk: Registry, page: LookedAt
):
    """Broken: somebody without a mouse cannot go on; or the order is not that on the screen."""
    await tab.look()
    await opened(tab, desk, page)
    wanted = await tab.run(
        "[...document.querySelectorAll('a[href], button, input, select, summary, textarea,"
        " [tabindex=\"0\"]')].filter((e) => e.type !== 'hidden' && e.checkVisibility()).length"
    )
    await tab.run("document.activeElement.blur()")
    await tab.press("Tab")
    assert await tab.focus() == "a Skip to content"
    reached = {await tab.run(_WHICH)}
    for _ in range(wanted + 5):
        await tab.press("Tab")
        place = await tab.run(_WHICH)
        if place < 0 or place in reached:
            break
        reached.add(place)
    assert len(reached) == wanted


_WHICH = (
    "[...document.querySelectorAll('a[href], button, input, select, summary, textarea,"
    ' [tabindex="0"]\')].indexOf(document.activeElement)'
)
