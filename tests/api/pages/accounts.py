"""A registry with some accounts, and who looks at the pages that tell of them."""

import re
from html import unescape
from typing import Final

from node.identity.actions import Role
from tests.api.conftest import Answer, Registry, StartRegistry
from tests.api.pages.browser import Browser, check_harmless
from tests.api.scene import PASSWORD, basic

ACCESS: Final = "/ui/access"


async def a_closed_registry(start_registry: StartRegistry) -> Registry:
    """root runs the cluster, ann the project lib; bob may pull from it. lib has the robot ci."""
    registry = await start_registry(accounts=True, is_open=False)
    accounts = registry.identity.accounts
    for name in ("root", "ann", "bob"):
        await accounts.put_user(name, password=PASSWORD, disabled=False, create=True)
    for project in ("lib", "other"):
        await accounts.put_project(project, public=False, denies=())
    await accounts.put_robot("lib+ci", expires=0.0, disabled=False, create=True)
    await accounts.put_robot("other+ci", expires=0.0, disabled=False, create=True)
    await accounts.grant("*", "root", Role.ADMIN, (), 0.0)
    await accounts.grant("lib", "ann", Role.ADMIN, (), 0.0)
    await accounts.create_group("ops")
    await accounts.set_member("ops", "bob", is_member=True)
    await accounts.grant("lib", "@ops", Role.PULLER, (), 0.0)
    await accounts.grant("lib", "lib+ci", Role.PUSHER, ["lib/app"], 0.0)
    return registry


async def enter(registry: Registry, name: str) -> Browser:
    browser = Browser(registry)
    assert (await browser.log_in(name)).status == 303
    return browser


async def shown(browser: Browser, path: str = ACCESS, status: int = 200) -> str:
    answer = await browser.get(path)
    assert answer.status == status, answer.body
    check_harmless(answer.body)
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.body.decode()


def words(page: str) -> str:
    """What is read of it."""
    return " ".join(unescape(re.sub("<[^>]*>", " ", page.partition("<main")[2])).split())


def links(page: str) -> list[str]:
    return [unescape(each) for each in re.findall(r'href="(/ui/access[^"]*)"', page)]


async def send(browser: Browser, path: str, **fields: str) -> Answer:
    """Send a form of a page, with its proof."""
    answer = await browser.post(f"{ACCESS}/{path}", {"proof": await browser.proof(), **fields})
    check_harmless(answer.body)
    return answer


def secret_in(answer: Answer) -> str:
    found = re.search(rb"atoll_[0-9a-f]{16}_[A-Za-z0-9_-]{43}", answer.body)
    assert found is not None, answer.body
    return found[0].decode()


async def log_in_status(registry: Registry, name: str, password: str) -> int:
    headers = basic(name, password)
    return (await registry.call("GET", "/v2/", headers=headers)).status
