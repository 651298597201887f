"""A registry with something in it, and a browser before it."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
import uvloop

from cluster.model import Dot, Key, Status
from cluster.objects import Write
from node.copies.stakes import Shortfall
from node.http.session_cookie import PLAIN
from node.identity.actions import Role, Verb
from node.identity.documents import Deny
from tests.api.conftest import Registry, registries
from tests.api.pages.hostile import push_hostile
from tests.api.scene import OPERATOR, PASSWORD
from tests.api.test_attention import kill
from tests.api.test_layout_api import known, settle
from tests.builders import an_event
from tests.desk.axe import axe_source
from tests.desk.chromium import Chromium, Tab, is_installed
from tests.desk.pages import LONG_NAME, LONG_ROBOT
from tests.unit.desk.desks import counted


def pytest_asyncio_loop_factories(config, item):
    """The event loop of production."""
    return {"uvloop": uvloop.new_event_loop}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """They need programs: see `make desk`."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.timeout(1800))


@pytest.fixture(scope="session", autouse=True)
def programs() -> None:
    """Skip where they are not installed, or fail where they have to be."""
    lacking = [
        name for name, there in (("chromium", is_installed()), ("axe", axe_source())) if not there
    ]
    if not lacking:
        return
    if os.environ.get("E2E_REQUIRE_CLIENTS"):
        pytest.fail(f"{', '.join(lacking)}: not installed; .ci/tools installs it")
    pytest.skip(f"{', '.join(lacking)}: not installed")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Chromium]:
    async with Chromium() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def tab(chromium: Chromium) -> AsyncIterator[Tab]:
    async with chromium.tab() as tab:
        yield tab


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Registry]:
    """
    A closed registry in which a node is dead and copies are short; ann runs it.

    Its clock is the test's, and stands.
    """
    async with AsyncExitStack() as stack:
        start = await stack.enter_async_context(registries(tmp_path_factory.mktemp("desk")))
        registry = await start(accounts=True, is_open=False)
        accounts = registry.identity.accounts
        await accounts.put_user("ann", password=PASSWORD, disabled=False, create=True)
        await accounts.grant("*", "ann", Role.ADMIN, (), 0.0)
        registry.session.headers.update(OPERATOR)
        for tag in ("latest", "2.14.1", "2.14.1-rc.10", "x" * 128):
            await registry.push_image("lib/app", tag, text=tag[:9])
        await registry.push_image("lib/other", "v1", text="other")
        registry.session.headers.clear()
        await accounts.put_project("lib", public=True, denies=())
        await accounts.grant("lib", "ann", Role.ADMIN, (), 0.0)
        await some_accounts(registry)
        await counted(registry.desk.catalogue.keeper)
        settle(registry, "local: b solo z")
        registry.view.members = (known("z"),)
        kill(registry, "b")
        registry.layouts.shortfall = Shortfall(9, 90, 2, 20, 0, 0, ())
        await some_images(registry)
        assert Status.DEAD in {each.status for each in registry.view.members}
        yield registry


async def some_images(registry: Registry) -> None:
    """A tag with a history, one in conflict, one that is deleted, and a hostile image."""
    registry.session.headers.update(OPERATOR)
    for tag in ("v1", "both", "gone"):
        await registry.push_image("lib/app", tag, text="old")
    await registry.push_image("lib/app", "v1", text="new")
    other = await registry.push_image("lib/app", text="other")
    stamp = registry.index.journal.clock.tick(0)
    write = an_event(Dot("zz", 1, 1), Key("tag", "lib/app", "both"), Write((), other), stamp)
    await registry.index.replica.apply([write])
    assert (await registry.call("DELETE", "/v2/lib/app/manifests/gone")).status == 202
    await push_hostile(registry)
    registry.session.headers.clear()


async def some_accounts(registry: Registry) -> None:
    """Users, a group, robots and secrets, some of them with the longest names there may be."""
    accounts, robot = registry.identity.accounts, f"lib+{LONG_ROBOT}"
    for name in (LONG_NAME, "bob"):
        await accounts.put_user(name, password=None, disabled=name == "bob", create=True)
    await accounts.create_group("ops")
    await accounts.set_member("ops", LONG_NAME, is_member=True)
    for name in (robot, "lib+ci"):
        await accounts.put_robot(name, expires=0.0, disabled=False, create=True)
    denied = Deny(LONG_NAME, Verb.DELETE, "lib/app")
    await accounts.put_project("lib", public=True, denies=[denied])
    patterns, ends = ["lib/app", f"lib/{'x' * 100}/**"], registry.time() + 86_400
    for name in (robot, "@ops", LONG_NAME):
        await accounts.grant("lib", name, Role.PUSHER, patterns, ends)
    for name in (robot, "ann"):
        await accounts.add_credential(
            name, "l" * 64, expires=ends, role=Role.PUSHER, patterns=patterns
        )
    await accounts.grant("*", "@ops", Role.WATCHER, (), 0.0)


def first_event(registry: Registry) -> str:
    """That to which `lib/app:v1` can go back."""
    return str(registry.index.metadata.tag_history("lib/app", "v1")[0].version.dot)


async def enter(tab: Tab, registry: Registry) -> None:
    """Have ann logged in at *tab*."""
    identity = registry.identity
    account = await identity.login.log_in("ann", PASSWORD)
    assert account is not None
    await identity.ensure_key()
    token = identity.sessions.begin(account).token
    await tab.ask(
        "Network.setCookie",
        name=PLAIN, value=token, url=f"{registry.url}/", path="/", httpOnly=True, sameSite="Lax",
    )  # fmt: skip
