"""Which requests have a line in the log, and what it says."""

import json

import pytest

from cluster.errors import NotEnoughNodes
from tests.api.conftest import Registry, StartRegistry


def requests(lines):
    found = [json.loads(line) for line in lines.getvalue().splitlines()]
    return [line for line in found if line.get("component") == "http"]


async def test_a_request_that_is_not_served_says_why(registry: Registry, lines):
    """An operator would see 503s, and nothing about who is missing."""
    registry.refusals.append(NotEnoughNodes(1, 2, ["us-1"]))
    assert (await registry.call("POST", "/v2/lib/app/blobs/uploads/")).status == 503
    [line] = requests(lines)
    assert (line["level"], line["event"], line["status"]) == ("warning", "request not served", 503)
    assert line["code"] == "UNAVAILABLE"
    assert "us-1" in line["reason"]


async def test_a_refusal_names_its_code(registry: Registry, lines):
    """Who looks for a broken client would have to guess what it was told."""
    assert (await registry.call("GET", "/v2/lib/app/manifests/gone")).status == 404
    [line] = requests(lines)
    assert (line["level"], line["event"], line["code"]) == ("info", "request", "MANIFEST_UNKNOWN")


@pytest.mark.parametrize("wanted", [False, True])
async def test_reads_that_succeed_have_a_line_only_where_it_is_asked_for(
    start_registry: StartRegistry, lines, wanted
):
    """A busy node would fill its disk with them; or nobody could ever see who pulls what."""
    registry = await start_registry(log_reads=wanted)
    await registry.push_image("lib/app", "v1")
    lines.seek(0)
    lines.truncate()
    assert (await registry.call("GET", "/v2/lib/app/manifests/v1")).status == 200
    path = "/v2/lib/app/manifests/v1"
    expected = [("GET", path, 200)] if wanted else []
    assert [(line["method"], line["path"], line["status"]) for line in requests(lines)] == expected
