"""ko: a Go program that becomes an image without a Dockerfile and without a daemon."""

import json
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.e2e.clients import require, run
from tests.e2e.oci_layout import Descriptor

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

# Without fmt, so that only the run-time library is compiled for each platform.
_PROGRAM = 'package main\n\nfunc main() { print("built by ko") }\n'


def test_ko(hosts: list[str], index_layout: tuple[Path, Descriptor], tmp_path: Path) -> None:
    """If this fails, Go programs cannot be published, for two platforms and with their bill."""
    directory, base = index_layout
    crane = require("crane")
    first, second, third = hosts
    run([crane, "push", "--index", directory, f"{first}/ko/base:1"])
    program = tmp_path / "program"
    program.mkdir()
    (program / "go.mod").write_text("module example.test/program\n\ngo 1.21\n")
    (program / "main.go").write_text(_PROGRAM)

    published = _publish(program, f"{second}/ko/app", f"{first}/ko/base@{base.digest}")
    digest = published.rpartition("@")[2]
    # The bill of material of the index and of each image lies under a tag of its own.
    tags = run([crane, "ls", f"{third}/ko/app"]).splitlines()
    index = json.loads(run([crane, "manifest", f"{third}/ko/app:latest"]))
    digests = [digest, *(entry["digest"] for entry in index["manifests"])]
    sboms = [f"{each.replace(':', '-')}.sbom" for each in digests]
    assert sorted(tags) == sorted(["latest", *sboms])

    for host in (first, third):
        assert run([crane, "digest", f"{host}/ko/app:latest"]) == digest
        run([crane, "validate", "--remote", f"{host}/ko/app:latest"])
        assert _output(f"{host}/ko/app:latest", tmp_path) == "built by ko"
    # The same program gives the same image, whichever node takes it.
    again = _publish(program, f"{third}/ko/again", f"{first}/ko/base@{base.digest}")
    assert again.rpartition("@")[2] == digest


def _publish(program: Path, repository: str, base: str) -> str:
    """Build and push the program; returns the image's name with its digest."""
    go = Path(require("go"))
    platforms = ["--platform", "linux/amd64,linux/arm64"]
    return run(
        [require("ko"), "build", "--bare", "--insecure-registry", *platforms, "."],
        cwd=program,
        env={
            "KO_DOCKER_REPO": repository,
            "KO_DEFAULTBASEIMAGE": base,
            "DOCKER_CONFIG": str(program.parent),
            "PATH": os.pathsep.join([str(go.parent), os.environ.get("PATH", "")]),
        },
    )


def _output(image: str, scratch: Path) -> str:
    """Return what the program of an image prints; it needs nothing else of the image."""
    archive = scratch / "image.tar"
    run([require("crane"), "export", "--platform", "linux/amd64", image, archive])
    with tarfile.open(archive) as reading:
        # ko's own names begin with a slash.
        (entry,) = (each for each in reading if each.name.lstrip("/") == "ko-app/program")
        file = reading.extractfile(entry)
        assert file is not None
        program = scratch / "ko-app"
        program.write_bytes(file.read())
    program.chmod(0o755)
    done = subprocess.run([program], capture_output=True, text=True, check=True, timeout=30)
    return done.stderr
