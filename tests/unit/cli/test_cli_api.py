"""`atoll api` and the reference page that comes from it."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from node.cli import app
from node.cli.node.api import reference
from node.edge import ENDPOINTS
from node.http.endpoint import errors_of
from node.http.errors import wire_of

ROOT = Path(__file__).parents[3]
SHOWN = [endpoint for endpoint in ENDPOINTS if not endpoint.path.startswith("/v2/")]


def test_the_reference_page_is_current():
    """The documentation would tell of another API than the node has."""
    page = (ROOT / "docs" / "admin-api.md").read_text()
    assert page == reference(), "run: atoll api --markdown > docs/admin-api.md"


@pytest.mark.parametrize("endpoint", SHOWN, ids=lambda endpoint: str(endpoint.action))
def test_the_reference_covers_every_endpoint(endpoint):
    page = reference()
    heading = f"\n## `{endpoint.methods[0]} {endpoint.path}`\n"
    section = page.partition(heading)[2].partition("\n## ")[0]
    assert endpoint.doc in section
    assert all(f"`{parameter.name}`" in section for parameter in endpoint.parameters)
    everywhere = page.partition("\n## Anywhere\n")[2].partition("\n## ")[0]
    for error in errors_of(endpoint):
        status, code = wire_of(error)
        assert f"| {status} | `{code}` |" in section + everywhere


def test_every_field_is_explained():
    """Broken: a program shows what nobody tells it the meaning of."""
    assert [line for line in reference().splitlines() if line.endswith("|  |")] == []


def test_links_of_the_pages_lead_somewhere():
    """Broken: somebody who needs it now reads that there is a chapter, and finds none."""
    pages = {name: (ROOT / "docs" / name).read_text() for name in ("admin-api.md", "operations.md")}
    anchors = {
        name: {
            re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-")
            for heading in re.findall(r"^#+ (.+)$", page, re.MULTILINE)
        }
        for name, page in pages.items()
    }
    for name, page in pages.items():
        for target, anchor in re.findall(r"\]\(([\w-]+\.md)?#([\w-]+)\)", page):
            if (target or name) in anchors:
                assert anchor in anchors[target or name], f"{name}: {target}#{anchor}"


def test_the_command_prints_the_document():
    done = CliRunner().invoke(app, ["api"])
    assert done.exit_code == 0
    assert {each.path for each in ENDPOINTS} == set(json.loads(done.stdout)["paths"])
    assert CliRunner().invoke(app, ["api", "--markdown"]).stdout == reference()
