"""Pages of other sites: those that are listed may use the API, the others get nothing."""

import pytest

from cluster.model import Digest
from tests.api.conftest import Answer, Registry, StartRegistry

UI = "https://ui.example.com"
OTHER = "https://evil.example.com"
BLOB = b"x" * 300_000


async def answers(registry: Registry, origin: str) -> dict[str, Answer]:
    """Answers of every kind: sent by a handler or made by one, a page, an error."""
    digest = Digest.of(BLOB)
    fields = {"Origin": origin}
    requests = {
        "blob": ("GET", f"/v2/lib/app/blobs/{digest}", {}),
        "ranges": ("GET", f"/v2/lib/app/blobs/{digest}", {"Range": "bytes=0-1,5-6"}),
        "unchanged": ("GET", f"/v2/lib/app/blobs/{digest}", {"If-None-Match": f'"{digest}"'}),
        "head": ("HEAD", f"/v2/lib/app/blobs/{digest}", {}),
        "tags": ("GET", "/v2/lib/app/tags/list", {}),
        "upload": ("POST", "/v2/lib/app/blobs/uploads/", {}),
        "page": ("GET", "/", {}),
        "moved": ("GET", "//v2/", {}),
        "admin": ("GET", "/atoll/v1/cluster", {}),
        "error": ("GET", "/v2/BAD/tags/list", {}),
        "unknown": ("GET", "/nowhere", {}),
        "method": ("DELETE", "/v2/_catalog", {}),
    }
    await registry.push_blob("lib/app", BLOB)
    return {
        name: await registry.call(method, path, headers={**fields, **more})
        for name, (method, path, more) in requests.items()
    }


async def preflight(registry: Registry, origin: str, path: str = "/v2/a/manifests/x") -> Answer:
    fields = {
        "Origin": origin,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    return await registry.call("OPTIONS", path, headers=fields)


def names(answer: Answer) -> set[str]:
    return {name.lower() for name in answer.headers if name.lower().startswith("access-control-")}


async def test_without_a_listed_origin_nothing_is_said(registry: Registry):
    """Broken: any page that somebody looks at reads and writes in the network behind it."""
    for name, answer in (await answers(registry, UI)).items():
        assert not names(answer), name
        assert "Vary" not in answer.headers
    answer = await preflight(registry, UI)
    assert (answer.status, names(answer)) == (405, set())


async def test_a_listed_origin_may_read_every_answer(start_registry: StartRegistry):
    """Broken: a web interface cannot show blobs, or tells an error from a lost connection."""
    registry = await start_registry(origins=[UI, "http://localhost:8080"])
    for name, answer in (await answers(registry, UI)).items():
        assert answer.headers["Access-Control-Allow-Origin"] == UI, name
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"
        assert answer.headers["Vary"] == "Origin"
        shown = set(answer.headers["Access-Control-Expose-Headers"].split(", "))
        assert {"Docker-Content-Digest", "Link", "Location", "Range", "WWW-Authenticate"} <= shown


@pytest.mark.parametrize("path", ["/v2/", "/v2/a/manifests/x", "/v2/a/blobs/uploads/", "/nowhere"])
async def test_a_browser_may_ask_before_it_sends(start_registry: StartRegistry, path: str):
    """Broken: a web interface can list, and not push or delete."""
    registry = await start_registry(origins=[UI])
    answer = await preflight(registry, UI, path)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == UI
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert {"PUT", "PATCH", "DELETE"} <= set(
        answer.headers["Access-Control-Allow-Methods"].split(", ")
    )
    assert {"Authorization", "Content-Type", "Content-Range", "Range"} <= set(
        answer.headers["Access-Control-Allow-Headers"].split(", ")
    )
    assert answer.headers["Vary"] == "Origin"
    assert int(answer.headers["Access-Control-Max-Age"]) > 0


@pytest.mark.parametrize("origin", [OTHER, "null", f"{UI}.evil.example.com", f"{UI}:8443", "", "*"])
async def test_another_origin_is_told_nothing_but_caches_are(
    start_registry: StartRegistry, origin: str
):
    """Broken: a page of another site reads, or a cache gives it what a listed one was told."""
    registry = await start_registry(origins=[UI])
    for name, answer in (await answers(registry, origin)).items():
        assert not names(answer), name
        assert answer.headers["Vary"] == "Origin"
    answer = await preflight(registry, origin)
    assert (answer.status, names(answer)) == (405, set())


async def test_any_origin_comes_without_credentials(start_registry: StartRegistry):
    """Broken: every page may act with the credentials of whoever looks at it."""
    registry = await start_registry(origins=["*"])
    found = [*(await answers(registry, OTHER)).values(), await preflight(registry, OTHER)]
    for answer in found:
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in answer.headers


async def test_options_that_ask_nothing_are_no_preflight(start_registry: StartRegistry):
    registry = await start_registry(origins=[UI])
    for fields in ({}, {"Origin": UI}, {"Access-Control-Request-Method": "PUT"}):
        answer = await registry.call("OPTIONS", "/v2/a/manifests/x", headers=fields)
        assert answer.status == 405


async def test_every_field_of_an_answer_may_be_read(start_registry: StartRegistry):
    """Broken: a page does not see a field that clients of a registry go by."""
    registry = await start_registry(origins=[UI])
    safe = {"cache-control", "content-language", "content-type", "expires", "last-modified"}
    of_no_use = {"date", "server", "vary", "x-content-type-options", "allow", "connection"}
    for answer in (await answers(registry, UI)).values():
        shown = answer.headers["Access-Control-Expose-Headers"].lower().split(", ")
        sent = {name.lower() for name in answer.headers} - names(answer)
        assert sent <= {*shown, *safe, *of_no_use}
