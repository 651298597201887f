"""The forms of access, clicked through."""

import re

import pytest

from tests.api.conftest import Registry
from tests.desk.axe import violations
from tests.desk.chromium import Tab
from tests.desk.conftest import enter
from tests.desk.pages import WIDTHS

pytestmark = pytest.mark.asyncio(loop_scope="module")

_MAIN = "document.querySelector('main').innerText"


async def send(tab: Tab, action: str, **fields: str) -> None:
    """Fill the form that goes to *action*, and send it as somebody does who clicks."""
    filled = "".join(f"form.elements['{name}'].value = '{text}';" for name, text in fields.items())
    async with tab.loading():
        await tab.run(
            f"(() => {{ const form = document.querySelector('form[action=\"{action}\"]'); {filled}"
            " form.querySelector('button').click(); })()"
        )


async def test_a_secret_is_shown_once_and_in_no_address(tab: Tab, desk: Registry):
    """Broken: it is in the history of the browser, or who comes back to the page sees it."""
    await tab.look(width=WIDTHS[0])
    await enter(tab, desk)
    await tab.open(f"{desk.url}/ui/access/projects/lib")
    await send(tab, "/ui/access/projects/lib/robots", name="cd", role="pusher")
    found = re.search(r"atoll_[0-9a-f]{16}_\S{43}", await tab.run(_MAIN))
    assert found is not None
    assert "docker login -u lib+cd" in await tab.run(_MAIN)
    for width in WIDTHS:
        await tab.look(width=width)
        assert await violations(tab) == []
        assert await tab.run("document.documentElement.scrollWidth") <= width
    assert found[0] not in await tab.run("location.href + document.referrer")
    assert not [url for url in tab.asked if found[0] in url]
    await tab.open(f"{desk.url}/ui/access/robots/lib%2Bcd")
    assert found[0] not in await tab.run("document.documentElement.outerHTML")
    assert [line for line in tab.said if not line.startswith("Failed to load resource")] == []


async def test_a_user_is_deleted_by_the_name_without_a_script(tab: Tab, desk: Registry):
    await desk.identity.accounts.put_user("eve", password=None, disabled=False, create=True)
    await tab.look(script=False)
    await enter(tab, desk)
    await tab.open(f"{desk.url}/ui/access/users/eve?confirm=delete")
    action = "/ui/access/users/eve/delete"
    await send(tab, action, typed="eva")
    assert "type eve, the whole name; nothing was done" in await tab.run(_MAIN)
    await tab.open(f"{desk.url}/ui/access/users/eve?confirm=delete")
    await send(tab, action, typed="eve")
    assert await tab.run("location.pathname + location.search") == "/ui/access?of=users"
    assert "eve" not in (await tab.run(_MAIN)).split()
