"""helm, whose manifests say nowhere in their bytes what they are."""

import hashlib
import json
import urllib.request
from pathlib import Path

import pytest

from tests.e2e.clients import require, run
from tests.e2e.oci_layout import MANIFEST_TYPE

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

_CHART = {
    "Chart.yaml": "apiVersion: v2\nname: reef\nversion: 1.2.3\n",
    "values.yaml": "colour: blue\n",
    "templates/config.yaml": (
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: reef\ndata:\n"
        "  colour: {{ .Values.colour }}\n"
    ),
}


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    """A packaged chart, `reef` in version 1.2.3."""
    source = tmp_path / "reef"
    (source / "templates").mkdir(parents=True)
    for name, content in _CHART.items():
        (source / name).write_text(content)
    _helm(tmp_path, "package", source, "--destination", tmp_path)
    return tmp_path / "reef-1.2.3.tgz"


def test_helm(hosts: list[str], chart: Path, tmp_path: Path) -> None:
    """If this fails, charts cannot be pushed to one region and installed from another."""
    first, *others = hosts
    _push(chart, f"{first}/helm")
    for number, host in enumerate(others):
        assert _pull(tmp_path / f"pulled-{number}", f"{host}/helm") == chart.read_bytes()
        source = f"oci://{host}/helm/reef"
        shown = _helm(tmp_path, "template", "x", source, "--version", "1.2.3", "--plain-http")
        assert "colour: blue" in shown


def test_a_chart_stays_a_chart_when_its_bytes_are_pushed_as_something_else(
    hosts: list[str], chart: Path, tmp_path: Path
) -> None:
    """If this fails, who may push to one tag can make another tag's chart useless."""
    first, second, third = hosts
    _push(chart, f"{first}/helm-types")
    with urllib.request.urlopen(f"http://{first}/v2/helm-types/reef/manifests/1.2.3") as answer:
        manifest: bytes = answer.read()
    assert "mediaType" not in json.loads(manifest), "helm says it now: use another client here"
    digest = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
    for media_type in ("text/plain", "application/json", "application/octet-stream"):
        request = urllib.request.Request(
            f"http://{second}/v2/helm-types/reef/manifests/other",
            method="PUT",
            data=manifest,
            headers={"Content-Type": media_type},
        )
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 201
        for reference in ("1.2.3", "other", digest):
            for host in hosts:
                url = f"http://{host}/v2/helm-types/reef/manifests/{reference}"
                with urllib.request.urlopen(url) as answer:
                    assert answer.headers["Content-Type"] == MANIFEST_TYPE
    assert _pull(tmp_path / "pulled", f"{third}/helm-types") == chart.read_bytes()


def _push(chart: Path, project: str) -> None:
    _helm(chart.parent, "push", chart, f"oci://{project}", "--plain-http")


def _pull(directory: Path, project: str) -> bytes:
    directory.mkdir()
    source = f"oci://{project}/reef"
    _helm(directory, "pull", source, "--version", "1.2.3", "--plain-http", cwd=directory)
    return (directory / "reef-1.2.3.tgz").read_bytes()


def _helm(directory: Path, *arguments: str | Path, cwd: Path | None = None) -> str:
    # Nothing of the user's own repositories, log-ins and caches.
    homes = ("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME")
    return run([require("helm"), *arguments], cwd=cwd, env=dict.fromkeys(homes, str(directory)))
