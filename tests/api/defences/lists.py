"""What is counted, sorted and found is what the caller may see."""

from typing import Any, Final
from unittest.mock import patch
from urllib.parse import quote

from node.desk import repositories, search
from node.http.guard import Doorkeeper, _Sight
from node.http.public_url import PublicUrl
from node.identity.actions import Role, Verb
from node.identity.documents import Deny
from tests.api.conftest import StartRegistry
from tests.api.defences.checks import PULL, Check
from tests.api.scene import ANN, BOB, OPERATOR, Fields, Scene, a_scene
from tests.unit.desk.desks import counted

REPOSITORIES: Final = "/atoll/v1/repositories"
OPERATE: Final = "registry:atoll:*"


async def listed(scene: Scene, query: str, who: Fields) -> list[str]:
    await counted(scene.registry.desk.catalogue.keeper)
    answer = await scene.call("GET", f"{REPOSITORIES}{query}", who)
    assert answer.status == 200, answer.body
    return [each["name"] for each in answer.json["repositories"]]


async def found(scene: Scene, text: str, who: Fields) -> dict[str, Any]:
    await counted(scene.registry.desk.catalogue.keeper)
    answer = await scene.call("GET", f"/atoll/v1/search?q={quote(text)}", who)
    assert answer.status == 200, answer.body
    document: dict[str, Any] = answer.json
    return document


async def lists_take_a_login(start: StartRegistry) -> None:
    """Broken: a stranger is told which repositories there are."""
    scene = await a_scene(start)
    for path in (REPOSITORIES, "/atoll/v1/search?q=app"):
        assert await scene.status("GET", path) == 401
        assert await scene.status("GET", path, await scene.token("", PULL)) == 401
    assert await scene.status("GET", f"{REPOSITORIES}/pub/app/@tags") == 200
    assert await scene.status("GET", f"{REPOSITORIES}/lib/app/@tags") == 401


async def what_is_hidden_is_in_no_list(start: StartRegistry) -> None:
    """In none of its orders, pages, filters or searches."""
    scene = await a_scene(start)
    for sort in ("name", "pushed", "size", "tags", "conflicts"):
        for text in ("", "&q=a"):
            names = await listed(scene, f"?sort={sort}{text}", ANN)
            assert sorted(names) == ["lib/app", "pub/app"]
        assert sorted(await listed(scene, f"?sort={sort}", BOB)) == ["bobs/app", "pub/app"]
        first = await scene.call("GET", f"{REPOSITORIES}?n=1&sort={sort}", BOB)
        rest = await scene.call("GET", first.headers["Link"].partition(">")[0][1:], BOB)
        assert "Link" not in rest.headers
        assert "lib" not in f"{first.headers}{first.body!r}{rest.headers}{rest.body!r}"
    assert await listed(scene, "?project=bobs", ANN) == []
    assert len(await listed(scene, "", OPERATOR)) == 4
    there = await scene.call("GET", f"{REPOSITORIES}/lib/app/@tags", BOB)
    absent = await scene.call("GET", f"{REPOSITORIES}/lib/none/@tags", BOB)
    assert there.status == absent.status == 404
    assert there.body.replace(b"app", b"none") == absent.body


async def what_is_hidden_is_not_found(start: StartRegistry) -> None:
    """Neither by its name nor by its tags and digests, exactly or nearly."""
    scene = await a_scene(start)
    await counted(scene.registry.desk.catalogue.keeper)
    manifest = await scene.call("GET", "/v2/bobs/app/manifests/v1", BOB)
    digest = manifest.headers["Docker-Content-Digest"]
    nothing = (await found(scene, "none/none", ANN)) | {"note": None}
    for text in ("bobs/app", "bobs", "bobs/app:v1", f"bobs/app@{digest}", digest, digest[7:20],
                 scene.digests["bobs"], "docker pull x.example/bobs/app:v1"):  # fmt: skip
        assert (await found(scene, text, ANN)) | {"note": None} == nothing, text
        assert (await found(scene, text, BOB))["hits"], text
    by_tag = await found(scene, "v1", ANN)
    assert {hit["repository"] for hit in by_tag["hits"]} == {"lib/app", "pub/app"}


async def what_is_hidden_makes_nothing_too_much(start: StartRegistry) -> None:
    """Broken: "narrow it down" tells how many others have the name; "just written to" that somebody
    is at work."""
    scene = await a_scene(start)
    keeper = scene.registry.desk.catalogue.keeper
    await counted(keeper)
    few = [patch.object(module, "CANDIDATES_MAX", 2) for module in (repositories, search)]
    with few[0], few[1]:
        for path in (f"{REPOSITORIES}?q=app&sort=size", "/atoll/v1/search?q=/app"):
            mine, all_of_them = [await scene.call("GET", path, who) for who in (ANN, OPERATOR)]
            assert "narrow" not in (mine.json["note"] or "")
            assert "narrow" in all_of_them.json["note"]
    door = Doorkeeper(scene.identity, PublicUrl(), scene.registry.time)
    access = _Sight(door, await scene.account("ann"), None)
    keeper._dirty["bobs/app"] = None
    assert repositories.counting_note(keeper, access) == ""
    keeper._dirty["lib/app"] = None
    assert repositories.counting_note(keeper, access) != ""


async def who_pushed_is_for_maintainers(start: StartRegistry) -> None:
    """Broken: whoever may pull a public image is told who works on it."""
    scene = await a_scene(start)

    async def told(who: Fields | None, repository: str) -> set[str | None]:
        tags = await scene.call("GET", f"{REPOSITORIES}/{repository}/@tags", who)
        names = {row["who"] for row in tags.json["tags"]}
        if who is not None:
            await counted(scene.registry.desk.catalogue.keeper)
            page = (await scene.call("GET", REPOSITORIES, who)).json["repositories"]
            names |= {row["who"] for row in page if row["name"] == repository}
        return names

    assert await told(None, "pub/app") == await told(ANN, "lib/app") == {None}
    assert await told(OPERATOR, "lib/app") == {"operator"}
    await scene.accounts.grant("lib", "ann", Role.MAINTAINER, (), 0.0)
    assert await told(ANN, "lib/app") == {"operator"}
    assert await told(ANN, "pub/app") == {None}
    pulls = await scene.token("ann", PULL)
    tags = (await scene.call("GET", f"{REPOSITORIES}/lib/app/@tags", pulls)).json["tags"]
    assert {row["who"] for row in tags} == {None}, "the token is for pulls"
    both = await scene.token("ann", PULL, OPERATE)
    tags = (await scene.call("GET", f"{REPOSITORIES}/lib/app/@tags", both)).json["tags"]
    assert {row["who"] for row in tags} == {"operator"}


async def a_part_of_a_project_is_listed_as_such(start: StartRegistry) -> None:
    """Patterns of roles and denials, which are about names, hold in lists."""
    scene = await a_scene(start)
    scene.registry.session.headers.update(OPERATOR)
    for name in ("bobs/open", "bobs/secret", "lib/secret"):
        await scene.registry.push_image(name, "v1", text=name)
    scene.registry.session.headers.clear()
    await scene.accounts.grant("bobs", "ann", Role.PULLER, ("bobs/open",), 0.0)
    await scene.accounts.put_project(
        "lib", public=False, denies=[Deny("ann", Verb.PULL, "lib/secret")]
    )
    assert await listed(scene, "", ANN) == ["bobs/open", "lib/app", "pub/app"]
    assert await listed(scene, "?sort=size&q=s", ANN) == ["bobs/open"]
    assert (await found(scene, "secret", ANN))["hits"] == []
    assert (await found(scene, "bobs/open:v1", ANN))["exact"]["tag"] == "v1"


CHECKS: Final[tuple[Check, ...]] = (
    lists_take_a_login,
    what_is_hidden_is_in_no_list,
    what_is_hidden_is_not_found,
    what_is_hidden_makes_nothing_too_much,
    who_pushed_is_for_maintainers,
    a_part_of_a_project_is_listed_as_such,
)
