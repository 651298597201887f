"""What a registry's port serves that is not open: every route, by what is described."""

from typing import Any

import pytest

from node import edge
from node.http.endpoint import Endpoint
from tests.api.conftest import StartRegistry

OUTSIDE = {"/token", "/healthz", "/readyz", "/metrics"}


def filled(endpoint: Endpoint[Any]) -> str:
    """A path of *endpoint*."""
    path = endpoint.path.replace("{name}", "lib/app").replace("{digest}", f"sha256:{'0' * 64}")
    return "/".join("x" if part[:1] == "{" else part for part in path.split("/"))


def is_outside(endpoint: Endpoint[Any]) -> bool:
    return endpoint.path.startswith("/v2/") or endpoint.path in OUTSIDE


def test_both_sides_have_routes():
    """Broken: the test below looks at nothing."""
    assert {is_outside(each) for each in edge.ENDPOINTS} == {True, False}


async def test_a_closed_port_serves_clients_and_their_balancers_alone(
    start_registry: StartRegistry,
):
    """Broken: whoever can pull can also take a node out of its cluster."""
    closed = await start_registry(is_open=False)
    opened = await start_registry(node="open")
    for endpoint in edge.ENDPOINTS:
        for method in endpoint.methods:
            path = filled(endpoint)
            async with closed.session.request(method, closed.url + path) as answer:
                text = await answer.text()
                unknown = answer.status == 404 and "no such endpoint" in text
                if method != "HEAD":
                    assert unknown is not is_outside(endpoint), f"{method} {path}: {text}"
                if not is_outside(endpoint):
                    assert answer.status in (404, 405), f"{method} {path}"
            async with opened.session.request(method, opened.url + path) as answer:
                assert "no such endpoint" not in await answer.text(), f"{method} {path}"


@pytest.mark.parametrize(
    ("path", "status"), [("/healthz", 200), ("/readyz", 503), ("/readyz?for=write", 503)]
)
async def test_a_stranger_is_told_no_reason(start_registry: StartRegistry, path: str, status: int):
    """Broken: the names of nodes, and which disk is full, are for everybody to read."""
    for is_open in (False, True):
        registry = await start_registry(node=f"n{is_open:d}", is_open=is_open)
        registry.readiness.watch("disk", lambda: "no room on /dev/sda1")
        answer = await registry.call("GET", path)
        assert answer.status == status
        assert bool(answer.body) is is_open
        assert (b"sda1" in answer.body) is (is_open and status == 503)
        assert (await registry.call("HEAD", path)).status == status
