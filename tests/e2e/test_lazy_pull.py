"""A partial pull of zstd:chunked layers: podman asks for the ranges of what it has not."""

import random
import re
import urllib.request
from pathlib import Path

import pytest

from tests.e2e.clients import require, require_root, run
from tests.e2e.oci_layout import LayoutWriter
from tests.e2e.serve_cluster import ServeCluster
from tests.e2e.small_disk import small_disk

pytestmark = pytest.mark.e2e

_STORAGE = """\
[storage]
driver = "overlay"
runroot = "{directory}/run"
graphroot = "{directory}/graph"
[storage.options]
pull_options = {{enable_partial_images = "true", use_hard_links = "false", ostree_repos = ""}}
"""

_FILES, _FILE_BYTES, _CHANGED = 300, 20_000, range(0, 300, 10)
_SENT = re.compile(r"^atoll_http_sent_bytes_total (\S+)$", re.MULTILINE)


def _push(host: str, directory: Path, tag: str, files: dict[str, bytes]) -> None:
    layout = LayoutWriter(directory)
    layout.finish(layout.add_image([files]), tag)
    skopeo = [require("skopeo"), "--insecure-policy", "copy", "--dest-tls-verify=false"]
    packed = ["--dest-compress-format", "zstd:chunked"]
    run([*skopeo, *packed, f"oci:{directory}:{tag}", f"docker://{host}/lazy/app:{tag}"])


def _sent_bytes(host: str) -> float:
    with urllib.request.urlopen(f"http://{host}/metrics", timeout=10) as answer:
        found = _SENT.search(answer.read().decode())
    assert found is not None
    return float(found[1])


def test_a_changed_image_costs_what_changed(tmp_path: Path, rng: random.Random) -> None:
    """
    If this fails, a lazy pull downloads whole layers: ranges are refused, or not answered in parts.

    The layer of 6 MB differs in 30 of its 300 files, which lie apart from each other.
    """
    require_root("podman's overlay storage")
    podman, disk = require("podman"), tmp_path / "disk"
    files = {f"file-{number:03}": rng.randbytes(_FILE_BYTES) for number in range(_FILES)}
    changed = {f"file-{number:03}": rng.randbytes(_FILE_BYTES) for number in _CHANGED}
    with (
        small_disk(disk, 256 << 20),  # overlays cannot lie on each other
        ServeCluster(directory=tmp_path, size=1, options=("--copies", "1")) as cluster,
    ):
        [node] = cluster.nodes
        _push(node.http, tmp_path / "one", "one", files)
        _push(node.http, tmp_path / "two", "two", files | changed)
        storage = tmp_path / "storage.conf"
        storage.write_text(_STORAGE.format(directory=disk))
        environment = {"CONTAINERS_STORAGE_CONF": str(storage)}
        sent = []
        for tag in ("one", "two"):
            before = _sent_bytes(node.http)
            image = f"{node.http}/lazy/app:{tag}"
            run([podman, "pull", "--quiet", "--tls-verify=false", image], env=environment)
            sent.append(_sent_bytes(node.http) - before)
        mounted = Path(run([podman, "image", "mount", image], env=environment))
        try:
            for name, content in (files | changed).items():
                assert (mounted / name).read_bytes() == content
        finally:
            run([podman, "image", "umount", image], env=environment)
    whole, part = sent
    assert whole > _FILES * _FILE_BYTES
    assert part < 2 * len(_CHANGED) * _FILE_BYTES
