"""What holds for every page: fields, errors, what is refused, and where it is served."""

import gzip
from typing import Any

import pytest

from node.edge import PAGES
from node.errors import RouteUnknown, UploadRangeInvalid
from node.http.endpoint import Endpoint
from node.http.errors import WIRE
from node.http.public_url import PublicUrl
from node.ui.assets import path_of
from node.ui.security import POLICY
from tests.api.conftest import Registry, StartRegistry
from tests.api.pages.browser import ACCEPT, Browser, check_harmless
from tests.api.scene import PASSWORD

SHOWN = [each for each in PAGES if "GET" in each.methods and "{" not in each.path]


@pytest.fixture
async def closed(start_registry: StartRegistry) -> Registry:
    registry = await start_registry(accounts=True, is_open=False)
    await registry.identity.accounts.put_user("ann", password=PASSWORD, disabled=False, create=True)
    return registry


def check_fields(answer, *, kept: bool = False):
    fields = answer.headers
    assert fields["Content-Security-Policy"] == POLICY
    assert fields["X-Content-Type-Options"] == "nosniff"
    assert fields["Referrer-Policy"] == "no-referrer"
    assert fields["Cross-Origin-Opener-Policy"] == "same-origin"
    assert fields["Cross-Origin-Resource-Policy"] == "same-origin"
    assert fields["Server"] == "atoll"
    assert fields["Cache-Control"] == (
        "public, max-age=31536000, immutable" if kept else "no-store"
    )
    assert not [name for name in fields if name.startswith("Access-Control-")]


def test_the_policy_is_that_of_the_design():
    assert POLICY.split("; ") == [
        "default-src 'none'",
        "style-src 'self'",
        "script-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]


@pytest.mark.parametrize("endpoint", SHOWN, ids=lambda each: each.path)
async def test_every_page_has_its_fields_and_nothing_that_runs(
    registry: Registry, endpoint: Endpoint[Any]
):
    answer = await Browser(registry).get(endpoint.path)
    assert answer.status in (200, 303), answer.body
    check_fields(answer)
    if answer.status == 200:
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        check_harmless(answer.body)
        assert b"Page made in" in answer.body


@pytest.mark.parametrize("endpoint", SHOWN, ids=lambda each: each.path)
async def test_who_wants_json_is_told_where_that_is(registry: Registry, endpoint: Endpoint[Any]):
    """Broken: there are two APIs, and one of them changes with the looks of a page."""
    answer = await Browser(registry).get(endpoint.path, Accept="application/json")
    assert answer.status == 406
    check_fields(answer)
    [error] = answer.json["errors"]
    assert error["code"] == "UNSUPPORTED"
    assert error["detail"]["route"].startswith(("/atoll/v1/", "/token", "/v2/"))
    assert error["detail"]["route"] in error["message"]


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("", 200),
        ("*/*", 200),
        (ACCEPT, 200),
        ("text/*", 200),
        ("application/json, text/html;q=0.5", 200),
        ("application/json", 406),
        ("text/html;q=0, application/json", 406),
    ],
)
async def test_a_page_is_for_who_takes_one(registry: Registry, accept: str, status: int):
    answer = await Browser(registry).get("/ui/", Accept=accept)
    assert answer.status == status


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/ui/nothing", 404),
        ("GET", "/ui/static/style.css", 404),
        ("POST", "/ui/", 405),
        ("DELETE", "/ui/login", 405),
        ("GET", "/ui/login?next=a&next=b", 400),
        ("GET", "/ui/login?" + "&".join(["a=b"] * 200), 400),
        ("POST", "/ui/login", 403),
    ],
)
async def test_refusals_are_pages_with_the_words_of_the_api(
    closed: Registry, method: str, path: str, status: int
):
    """Broken: somebody sees a line of JSON, or programs and people are told different things."""
    fields = {"X-Request-Id": "of-the-test"}
    page = await closed.call(method, path, headers={**fields, "Accept": ACCEPT})
    told = await closed.call(method, path, headers={**fields, "Accept": "application/json"})
    assert page.status == status
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.headers["X-Request-Id"] == "of-the-test"
    check_fields(page)
    check_harmless(page.body)
    text = page.body.decode()
    assert "of-the-test" in text
    if told.status == status:
        [error] = told.json["errors"]
        assert error["code"] in text
        assert error["message"].replace("'", "&#39;") in text
        for name in ("Allow", "Retry-After"):
            assert page.headers.get(name) == told.headers.get(name)


def test_every_error_there_is_can_be_a_page():
    """Broken: an error of a page fails to be drawn, and the connection ends without an answer."""
    from aiohttp.test_utils import make_mocked_request

    from node.ui.face import Pages
    from tests.unit.ui.test_error_pages import context, made

    pages = Pages(context())
    for kind in WIRE:
        if kind in (UploadRangeInvalid, RouteUnknown):
            continue
        request = make_mocked_request("GET", "/ui/x", headers={"Accept": ACCEPT})
        answer = pages.told(request, made(kind), "an-id")
        assert answer is not None
        assert answer.status == WIRE[kind][0]
        assert isinstance(answer.body, bytes)
        check_harmless(answer.body)


async def test_a_stranger_gets_the_form_where_a_page_was(closed: Registry):
    browser = Browser(closed)
    answer = await browser.get("/ui/?a=b")
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == 'Session realm="/ui/login"'
    check_fields(answer)
    check_harmless(answer.body)
    assert b'value="/ui/?a=b"' in answer.body
    assert b'type="password"' in answer.body
    assert b"attention" not in answer.body


async def test_files_are_kept_for_ever_and_compressed(registry: Registry):
    for name, kind in (
        ("style.css", "text/css; charset=utf-8"),
        ("script.js", "text/javascript; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
    ):
        plain = await registry.call("GET", path_of(name), headers={"Accept-Encoding": "identity"})
        packed = await registry.call("GET", path_of(name), headers={"Accept-Encoding": "gzip, br"})
        for answer in (plain, packed):
            assert answer.status == 200
            assert answer.headers["Content-Type"] == kind
            assert answer.headers["Vary"] == "Accept-Encoding"
            check_fields(answer, kept=True)
        assert packed.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(packed.body) == plain.body
        assert "Content-Encoding" not in plain.headers


async def test_pages_are_not_compressed(registry: Registry):
    """Broken: the length of a page tells the secret of its forms, to who can put text into it."""
    answer = await Browser(registry).get("/ui/", **{"Accept-Encoding": "gzip, deflate, br"})
    assert "Content-Encoding" not in answer.headers


async def test_pages_of_other_sites_see_none(start_registry: StartRegistry):
    """Broken: a page of an origin that may use the API reads pages with the session of who looks
    at it, and what their forms have to show."""
    origin = "https://app.example"
    registry = await start_registry(origins=[origin])
    answer = await Browser(registry).get("/ui/", Origin=origin)
    check_fields(answer)
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    assert (await registry.call("OPTIONS", "/ui/login", headers=asked)).status == 405
    assert (await registry.call("OPTIONS", "/v2/", headers=asked)).status == 204


async def test_the_registrys_port_may_have_no_pages(start_registry: StartRegistry):
    registry = await start_registry(has_pages=False)
    browser = Browser(registry)
    for path in ("/ui/", "/ui/login", path_of("style.css"), "/lib/app:v1"):
        answer = await browser.get(path)
        assert answer.status == 404
        assert answer.json["errors"]
    assert (await browser.get("/")).status == 200


async def test_a_closed_port_serves_pages_as_well(closed: Registry):
    for endpoint in PAGES:
        for method in endpoint.methods:
            path = endpoint.path.replace("{asset}", path_of("style.css").rpartition("/")[2])
            answer = await closed.call(method, path, headers={"Accept": ACCEPT})
            assert answer.status != 404, f"{method} {path}"


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("localhost:5000", "localhost:5000"),
        ("127.0.0.1:5000", "127.0.0.1:5000"),
        ("[::1]:5000", "[::1]:5000"),
        ("evil.example", "registry.test:5000"),
        ("127.0.0.1.evil.example", "registry.test:5000"),
        ("localhost.evil.example", "registry.test:5000"),
        ('x"><script>alert(1)</script>', "registry.test:5000"),
        ("a b", "registry.test:5000"),
    ],
)
async def test_commands_name_the_registry_and_no_made_up_host(
    registry: Registry, host: str, shown: str
):
    """Broken: who makes up a Host has it copied into terminals, where passwords are typed."""
    answer = await Browser(registry).get("/ui/", Host=host)
    assert answer.status == 200
    assert f'data-copy="docker push {shown}/team-a/alpine:3"'.encode() in answer.body
    assert b"evil.example" not in answer.body
    check_harmless(answer.body)


async def test_the_configured_name_is_the_one(start_registry: StartRegistry):
    registry = await start_registry(public_url=PublicUrl("https://registry.acme.example"))
    forged = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    for fields in ({}, {"Host": "evil.example"}, forged):
        answer = await Browser(registry).get("/ui/", **fields)
        assert b'data-copy="docker push registry.acme.example/team-a/alpine:3"' in answer.body
        assert b"evil.example" not in answer.body


@pytest.mark.parametrize("theme", ["dark", "light", "auto", "x", '"><script>'])
async def test_the_theme_is_one_that_there_is(registry: Registry, theme: str):
    answer = await Browser(registry).get("/ui/", Cookie=f"atoll-theme={theme}")
    known = theme if theme in ("dark", "light", "auto") else "auto"
    assert f'data-theme="{known}"'.encode() in answer.body


@pytest.mark.parametrize(
    ("cookie", "shown"),
    [
        ("atoll-slash=off", "off"),
        ("atoll-slash=on", "on"),
        ("atoll-slash=%22%3E", "on"),
        ("", "on"),
    ],
)
async def test_a_browser_keeps_whether_the_key_searches(
    registry: Registry, cookie: str, shown: str
):
    answer = await Browser(registry).get("/ui/", Cookie=cookie)
    check_harmless(answer.body)
    text = answer.body.decode()
    assert f'data-slash="{shown}"' in text
    assert ('autocomplete="off" checked>' in text) is (shown == "on")
