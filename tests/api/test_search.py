"""Search over HTTP, and the commands that list and search."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from cluster.model import Digest
from node.desk import repositories
from tests.api.commands import atoll
from tests.api.conftest import Registry
from tests.api.test_repositories import get
from tests.unit.desk.desks import counted


async def search(registry: Registry, text: str) -> dict[str, Any]:
    found: dict[str, Any] = (await get(registry, f"/atoll/v1/search?q={quote(text)}")).json
    return found


async def test_what_is_pasted_is_found(registry: Registry):
    digest = await registry.push_image("lib/app", "v1")
    await registry.push_image("lib/app-tools", "v1", text="tools")
    await registry.push_image("other/app", "v2", text="other")
    repository = {"kind": "repository", "repository": "lib/app", "tag": None, "digest": None}
    tag = {"kind": "tag", "repository": "lib/app", "tag": "v1", "digest": digest}
    image = {"kind": "image", "repository": "lib/app", "tag": None, "digest": digest}
    for text, exact in {
        "lib/app": repository,
        "localhost:5001/lib/app": repository,
        "lib/app:v1": tag,
        "docker pull registry.example/lib/app:v1": tag,
        "crane manifest localhost:5001/lib/app:v1": tag,
        "skopeo inspect docker://registry.example/lib/app:v1": tag,
        f"lib/app@{digest}": image,
        f"lib/app:v1@{digest}": image,
        digest: image,
    }.items():
        found = await search(registry, text)
        assert (text, found["exact"]) == (text, exact)
        assert found["hits"][0] == exact
    for text in ("app", "lib/app:v9", "docker pull lib/app:v9", "lib/ap", "nothing", "", " ", "/"):
        assert (await search(registry, text))["exact"] is None, text


async def test_names_are_found_by_a_part_the_likeliest_first(registry: Registry):
    for name in ("x/my-app", "app/server", "lib/app", "lib/application", "z/app-x/deep"):
        await registry.push_image(name, "v1")
    hits = [hit["repository"] for hit in (await search(registry, "app"))["hits"]]
    assert hits == ["lib/app", "lib/application", "app/server", "z/app-x/deep", "x/my-app"]
    assert [hit["repository"] for hit in (await search(registry, "LIB/app"))["hits"]] == [
        "lib/app", "lib/application",
    ]  # fmt: skip


async def test_a_tag_alone_is_found_where_something_was_pushed_lately(registry: Registry):
    await registry.push_image("lib/app", "2.14.1")
    await registry.push_image("lib/other", "2.14.1", text="other")
    found = await search(registry, "2.14.1")
    assert [(hit["kind"], hit["repository"]) for hit in found["hits"]] == [
        ("tag", "lib/other"), ("tag", "lib/app"),
    ]  # fmt: skip
    assert found["exact"] is None
    assert "pushed to last" in found["note"]


async def test_digests_are_found_by_their_beginning_and_by_their_blobs(registry: Registry):
    digest = await registry.push_image("lib/app", "v1")
    image = {"kind": "image", "repository": "lib/app", "tag": None, "digest": digest}
    config = str(Digest.of(b"config x"))
    for text in (digest[:20], digest.removeprefix("sha256:")[:12], config, config[7:19]):
        assert (await search(registry, text))["hits"] == [image], text
    assert (await search(registry, "sha256:" + "0" * 64))["hits"] == []
    await registry.push_image("lib/copy", "v1")
    assert (await search(registry, digest))["exact"] is None, "there are two of them"


@pytest.mark.parametrize(
    "text", ["%", "\\", "a" * 1999, "lib/app:", "@", ":", "lib/app@sha256:x", "\u202elib", "\0",
             "docker pull", "--platform linux/amd64", "lib//app", "a:b:c@d@e", "sha256:", "é/ü:ö"]
)  # fmt: skip
async def test_whatever_is_searched_for_there_is_an_answer(registry: Registry, text: str):
    await registry.push_image("lib/app", "v1")
    found = await search(registry, text)
    assert found["exact"] is None or found["exact"]["repository"] == "lib/app"


async def test_commands_show_the_same(registry: Registry):
    digest = await registry.push_image("lib/app", "2.0.0", "1.0.0")
    await registry.push_image("lib/more", "v1", text="more")
    await counted(registry.desk.catalogue.keeper)
    at = ("--url", f"127.0.0.1:{registry.port}")
    done = await atoll("repos", *at)
    assert done.exit_code == 0, done
    heading, first, second = done.output.splitlines()
    assert heading.split() == ["NAME", "TAGS", "SIZE", "PUSHED", "BY", "CONFLICTS", "FOR"]
    assert first.split()[:4] == ["lib/app", "2", "15", "B"]
    assert second.split()[0] == "lib/more"
    done = await atoll("tags", "lib/app", *at)
    rows = [line.split() for line in done.output.splitlines()]
    assert [row[0] for row in rows] == ["TAG", "2.0.0", "1.0.0"]
    assert rows[1][1:3] == [digest[:19], "1.0.0"]
    done = await atoll("search", "docker", "pull", "x.example/lib/app:2.0.0", *at)
    assert done.output.splitlines()[1].split() == ["*", "tag", "lib/app:2.0.0", digest[:19]]
    done = await atoll("repos", "--containing", "nothing", *at)
    assert done.output == "none\n"
    done = await atoll("tags", "no/such", *at)
    assert (done.exit_code, done.output) == (1, "")
    assert "no/such" in done.told


async def test_commands_go_through_pages(registry: Registry, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(repositories, "ROWS_MAX", 2)
    for number in range(5):
        await registry.push_image(f"lib/{number}", "v1")
    await counted(registry.desk.catalogue.keeper)
    at = ("--url", f"127.0.0.1:{registry.port}")
    first = await atoll("repos", *at)
    assert first.output.splitlines()[-1] == "there are more: --after 0:lib/1"
    rest = json.loads((await atoll("repos", "--after", "0:lib/1", "--json", *at)).output)
    assert [each["name"] for each in rest["repositories"]] == ["lib/2", "lib/3"]
    assert rest["after"] == "0:lib/3"
    whole = json.loads((await atoll("repos", "--all", "--json", *at)).output)
    assert [each["name"] for each in whole["repositories"]] == [f"lib/{n}" for n in range(5)]
    assert whole["after"] is None


async def test_a_search_may_have_so_many_characters(registry: Registry):
    assert (await registry.call("GET", f"/atoll/v1/search?q={'a' * 2000}")).status == 200
    refused = await registry.call("GET", f"/atoll/v1/search?q={'a' * 2001}")
    assert (refused.status, refused.codes) == (400, ["UNSUPPORTED"])
    assert "at most 2000 characters" in refused.json["errors"][0]["message"]
