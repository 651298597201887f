"""What somebody pastes into a browser."""

import pytest

from tests.api.conftest import Registry, StartRegistry
from tests.api.pages.browser import ACCEPT

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize("is_open", [True, False])
@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("/", "/ui/"),
        ("/lib/app", "/ui/i/lib/app"),
        ("/app", "/ui/i/app"),
        ("/a/tags/list", "/ui/i/a/tags/list"),
        ("/lib/app:v1", "/ui/i/lib/app:v1"),
        (f"/lib/app@{DIGEST}", f"/ui/i/lib/app@{DIGEST}"),
        ("/lib/app/", "/ui/i/lib/app"),
    ],
)
async def test_a_reference_opens_its_page(
    start_registry: StartRegistry, path: str, page: str, is_open: bool
):
    registry = await start_registry(is_open=is_open)
    answer = await registry.call("GET", path, headers={"Accept": ACCEPT})
    assert (answer.status, answer.headers["Location"]) == (303, page)
    programs = await registry.call("GET", path, headers={"Accept": "*/*"})
    assert programs.status in (200, 404)
    assert "Location" not in programs.headers


@pytest.mark.parametrize(
    "path",
    ["/v2/lib/app", "/v2", "/healthz/x", "/Lib/App", "/lib/app:", "/lib/app:a:b", "/..",
     "/%2e%2e/x",
     "/lib/app@sha256:1", "/atoll/v1/x", "/a%0d%0ab", "/token/x"],
)  # fmt: skip
async def test_other_paths_open_none(registry: Registry, path: str):
    answer = await registry.call("GET", path, headers={"Accept": ACCEPT})
    assert answer.status != 303


async def test_only_reading_leads_on(registry: Registry):
    for method in ("POST", "PUT", "DELETE"):
        answer = await registry.call(method, "/lib/app:v1", headers={"Accept": ACCEPT})
        assert answer.status == 404
