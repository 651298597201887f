"""The pages that list: repositories, one of them, a project, a search."""

import re
from html import unescape

import pytest

from node.identity.actions import Role
from node.registry.media_types import OCI_MANIFEST
from tests.api.conftest import Registry, StartRegistry
from tests.api.pages.browser import Browser, check_harmless
from tests.api.scene import Scene, a_scene
from tests.api.test_admin import write_elsewhere
from tests.builders import an_image, encoded
from tests.unit.desk.desks import counted


async def shown(registry: Registry, path: str, browser: Browser | None = None) -> str:
    await counted(registry.desk.catalogue.keeper)
    answer = await (browser or Browser(registry)).get(path)
    assert answer.status == 200, answer.body
    check_harmless(answer.body)
    return answer.body.decode()


def rows(page: str) -> list[str]:
    """The text of each row of the tables."""
    found = re.findall(r"<tr role=\"row\"[^>]*>(.*?)</tr>", page.partition("<tbody")[2], re.DOTALL)
    return [" ".join(unescape(re.sub(r"<[^>]*>", " ", row)).split()) for row in found]


def names(page: str) -> list[str]:
    return [row.split()[0] for row in rows(page)]


def link(page: str, text: str) -> str:
    found = re.search(rf'<a href="([^"]*)"[^>]*>{re.escape(text)}</a>', page)
    assert found is not None, text
    return unescape(found[1])


async def test_repositories_are_listed_and_sorted(registry: Registry):
    await registry.push_image("lib/app", "v1", "v2")
    await registry.push_image("other/app", "v1", text="x" * 2000)
    digest = await registry.push_image("lib/app", text="another")
    await write_elsewhere(registry, digest)
    page = await shown(registry, "/ui/repos")
    assert names(page) == ["lib/app", "other/app"]
    assert rows(page)[0].startswith("lib/app 2 42")
    assert "1 in conflict" in rows(page)[0]
    assert "by anonymous" in page
    assert 'aria-sort="ascending"' in page
    assert "atoll repos" in page
    by_size = await shown(registry, link(page, "Size"))
    assert names(by_size) == ["other/app", "lib/app"]
    assert 'aria-sort="descending"' in by_size
    assert names(await shown(registry, "/ui/repos?q=OTHER")) == ["other/app"]
    assert names(await shown(registry, "/ui/repos?conflict=true")) == ["lib/app"]
    assert link(page, "lib/app") == "/ui/i/lib/app"


async def test_pages_go_on(registry: Registry, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("node.desk.repositories.ROWS_MAX", 2)
    monkeypatch.setattr("node.desk.tag_table.PAGE_MAX", 2)
    for number in range(3):
        await registry.push_image(f"lib/{number}", f"1.{number}.0", text=f"{number}")
        await registry.push_image("tags/app", f"1.{number}.0", text=f"{number}")
    first = await shown(registry, "/ui/repos?sort=name")
    second = await shown(registry, link(first, "Next page"))
    assert names(first) + names(second) == ["lib/0", "lib/1", "lib/2", "tags/app"]
    assert "Next page" not in second
    first = await shown(registry, "/ui/i/tags/app")
    second = await shown(registry, link(first, "Next page"))
    assert names(first) + names(second) == ["1.2.0", "1.1.0", "1.0.0"]


async def test_nothing_found_repeats_what_was_asked_and_leads_on(registry: Registry):
    nothing = await shown(registry, "/ui/repos")
    assert "Nothing here yet" in nothing
    await registry.push_image("lib/app", "v1")
    page = await shown(registry, "/ui/repos?q=%3Cb%3Enothing")
    assert "Nothing found" in page
    assert 'value="&lt;b&gt;nothing"' in page
    assert names(await shown(registry, link(page, "All repositories"))) == ["lib/app"]
    page = await shown(registry, "/ui/i/lib/app?q=nothing")
    assert names(await shown(registry, link(page, "All tags"))) == ["v1"]
    page = await shown(registry, "/ui/search?q=%3Cb%3Enothing")
    assert "&lt;b&gt;nothing" in page


async def test_a_repository_has_its_tags_and_how_to_pull_them(registry: Registry):
    digest = await registry.push_image("lib/app", "2.14.1", "2.14", "latest")
    await registry.push_image("lib/app", "2.13.9", text="old")
    page = await shown(registry, "/ui/i/lib/app")
    assert names(page) == ["latest", "2.14", "2.14.1", "2.13.9"]
    host = f"127.0.0.1:{registry.port}"
    copies = re.findall(r'data-copy="([^"]*)"', page)
    assert copies[0] == f"docker pull {host}/lib/app:latest", "the command above the table"
    assert copies[-1] == f"docker pull {host}/lib/app:2.13.9"
    assert digest[:19] in page
    assert "= 2.14, 2.14.1" in rows(page)[0]
    assert "4 tags" in unescape(re.sub(r"<[^>]*>", "", page))
    assert link(page, "2.13.9") == "/ui/i/lib/app:2.13.9"
    assert link(page, "lib") == "/ui/p/lib"
    assert names(await shown(registry, link(page, "Pushed")))[0] == "2.13.9"
    untagged = await registry.push_image("lib/app", text="no tag")
    page = await shown(registry, "/ui/i/lib/app?only=untagged")
    assert link(page, "no tag") == f"/ui/i/lib/app@{untagged}"


async def test_a_repository_that_is_not_there_is_404(registry: Registry):
    answer = await Browser(registry).get("/ui/i/no/such")
    assert answer.status == 404
    check_harmless(answer.body)
    assert "no such" in answer.body.decode().lower()


async def test_what_cannot_be_is_a_page(registry: Registry):
    await registry.push_image("lib/app", "v1")
    for path in ("/ui/repos?sort=age", "/ui/i/lib/app?only=x", f"/ui/search?q={'x' * 3000}"):
        answer = await Browser(registry).get(path)
        assert answer.status == 400, path
        check_harmless(answer.body)


async def test_hostile_images_are_text(registry: Registry):
    """A long tag, markup in what an index says, an owner that nobody can read."""
    tag = "x" * 128
    layer = await registry.push_blob("lib/app", b"layer")
    config = b'{"os":"<script>","architecture":"\\u202e"}'
    body = encoded(an_image((await registry.push_blob("lib/app", config), len(config)), (layer, 5)))
    assert (await registry.put_manifest("lib/app", tag, body, OCI_MANIFEST)).status == 201
    page = await shown(registry, "/ui/i/lib/app")
    assert tag in page
    assert "not known" in rows(page)[0]


async def test_one_exact_hit_is_opened(registry: Registry):
    digest = await registry.push_image("lib/app", "v1")
    await registry.push_image("lib/app-tools", "v2", text="tools")
    for asked, address in {
        "lib/app": "/ui/i/lib/app",
        "docker+pull+x.example/lib/app:v1": "/ui/i/lib/app:v1",
        "docker%20pull%20x.example/lib/app:v1": "/ui/i/lib/app:v1",
        digest: f"/ui/i/lib/app@{digest}",
    }.items():
        await counted(registry.desk.catalogue.keeper)
        answer = await Browser(registry).get(f"/ui/search?q={asked}")
        assert (answer.status, answer.headers["Location"]) == (303, address), asked
    page = await shown(registry, "/ui/search?q=app")
    assert names(page) == ["lib/app", "lib/app-tools"]
    assert 'value="app"' in page, "what was asked for stands in the field"
    assert "What do you look for?" in await shown(registry, "/ui/search")


async def test_programs_are_told_where_the_same_is(registry: Registry):
    await registry.push_image("lib/app", "v1")
    for path, route in {
        "/ui/repos": "/atoll/v1/repositories",
        "/ui/i/lib/app": "/@tags",
        "/ui/search?q=x": "/atoll/v1/search",
        "/ui/p/lib": "/atoll/v1/projects/",
    }.items():
        answer = await registry.call("GET", path, headers={"Accept": "application/json"})
        assert answer.status == 406
        assert route in answer.body.decode()


async def test_a_node_that_waits_for_others_shows_what_it_knows(registry: Registry):
    """Broken: a peer that is paused holds each page up."""
    await registry.push_image("lib/app", "v1")
    await counted(registry.desk.catalogue.keeper)
    registry.replicator.waits = True
    for path in ("/ui/repos", "/ui/i/lib/app", "/ui/search?q=li", "/ui/p/lib"):
        page = await shown(registry, path)
        assert "did not answer in time" in page
        assert "lib/app" in page


# --- who sees what -------------------------------------------------------------------------------


async def logged_in(scene: Scene, name: str) -> Browser:
    browser = Browser(scene.registry)
    assert (await browser.log_in(name)).status == 303
    return browser


async def test_each_sees_their_own(start_registry: StartRegistry):
    scene = await a_scene(start_registry)
    ann, bob = await logged_in(scene, "ann"), await logged_in(scene, "bob")
    page = await shown(scene.registry, "/ui/repos", ann)
    assert names(page) == ["lib/app", "pub/app"]
    assert "operator" not in page, "who pushed is for maintainers"
    assert names(await shown(scene.registry, "/ui/repos", bob)) == ["bobs/app", "pub/app"]
    assert (await bob.get("/ui/i/lib/app")).status == 404
    assert (await ann.get("/ui/i/lib/app")).status == 200
    assert "/ui/i/" not in await shown(scene.registry, "/ui/search?q=lib/app", bob)
    assert (await ann.get("/ui/search?q=lib/app")).status == 303
    for path in ("/ui/repos", "/ui/search?q=app", "/ui/p/pub", "/ui/i/lib/app"):
        assert (await Browser(scene.registry).get(path)).status == 401
    stranger = await shown(scene.registry, "/ui/i/pub/app", Browser(scene.registry))
    assert names(stranger) == ["v1"]


async def test_a_project_shows_what_one_may_see_of_it(start_registry: StartRegistry):
    scene = await a_scene(start_registry)
    ann, bob = await logged_in(scene, "ann"), await logged_in(scene, "bob")
    page = await shown(scene.registry, "/ui/p/lib", ann)
    assert "Policy" in page
    assert names(page) == ["lib/app"]
    assert "Members" not in page
    assert (await bob.get("/ui/p/lib")).status == (await bob.get("/ui/p/none")).status == 404
    assert (await bob.get("/ui/p/pub")).status == 200
    await scene.accounts.grant("lib", "ann", Role.ADMIN, (), 0.0)
    await scene.accounts.grant("lib", "bob", Role.PULLER, ("lib/app",), 0.0)
    page = await shown(scene.registry, "/ui/p/lib", ann)
    assert rows(page)[:2] == ["ann admin all repositories", "bob puller lib/app"]
    page = await shown(scene.registry, "/ui/p/lib", bob)
    assert "Policy" not in page
    assert "Members" not in page
    assert names(page) == ["lib/app"]
