"""Nodes where everybody logs in: the clients that people use, and what one node tells the
others."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.administration import PASSWORD, Administration, asked, basic
from tests.e2e.clients import require, run, run_refused
from tests.e2e.daemons import Dockerd
from tests.e2e.haproxy import Haproxy
from tests.e2e.oci_layout import Descriptor, tar_of
from tests.e2e.processes import ANY_ADMIN
from tests.e2e.serve_cluster import ServeCluster

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

_LATE_S = 30.0


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeCluster]:
    """Three nodes in one region; ann is maintainer of lib and of other, and bob of nothing."""
    directory = tmp_path_factory.mktemp("closed")
    with ServeCluster(directory=directory, regions=("eu",), doors=ANY_ADMIN) as cluster:
        admin = Administration(node=cluster.nodes[0])
        for name in ("ann", "bob"):
            admin.user(name)
        for project in ("lib", "other"):
            admin.project(project)
            admin.role(project, "ann", "maintainer")
        yield cluster


@pytest.fixture
def front(closed: ServeCluster, short_dir: Path) -> Iterator[str]:
    """haproxy before them: each request goes to the next node."""
    with Haproxy(directory=short_dir, nodes=[node.http for node in closed.nodes]) as running:
        yield running.http


def typed_in(command: list[str | Path], secret: str = PASSWORD, **env: str) -> None:
    """Run a command that reads a password."""
    done = subprocess.run(
        [str(part) for part in command],
        input=secret + "\n",
        text=True,
        capture_output=True,
        env={"HOME": "/nonexistent", "PATH": "/usr/bin:/bin", **env},
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_crane(front: str, layout: tuple[Path, Descriptor], tmp_path: Path) -> None:
    """It asks for a token with Basic, and mounts with two scopes."""
    crane, env = require("crane"), {"DOCKER_CONFIG": str(tmp_path / "docker")}
    image = f"{front}/lib/crane:1"
    assert "401 Unauthorized" in run_refused([crane, "push", layout[0], image], env=env)
    login = [crane, "auth", "login", front, "-u", "ann", "--password-stdin"]
    typed_in(login, DOCKER_CONFIG=env["DOCKER_CONFIG"])
    run([crane, "push", layout[0], image], env=env)
    assert run([crane, "digest", image], env=env) == layout[1].digest
    run([crane, "copy", image, f"{front}/other/crane:1"], env=env)
    assert run([crane, "digest", f"{front}/other/crane:1"], env=env) == layout[1].digest
    assert "lib/crane" in run([crane, "catalog", front], env=env)
    run([crane, "delete", image], env=env)
    assert "MANIFEST_UNKNOWN" in run_refused([crane, "digest", image], env=env)
    typed_in([*login[:-2], "bob", "--password-stdin"], DOCKER_CONFIG=env["DOCKER_CONFIG"])
    assert "NAME_UNKNOWN" in run_refused([crane, "pull", f"{front}/other/crane:1", "x"], env=env)
    assert "DENIED" in run_refused([crane, "push", layout[0], image], env=env)


def test_skopeo(front: str, layout: tuple[Path, Descriptor], tmp_path: Path) -> None:
    skopeo, auth = require("skopeo"), ("--authfile", str(tmp_path / "auth.json"))
    image = f"docker://{front}/lib/skopeo:1"
    insecure = ("--insecure-policy",)
    typed_in([skopeo, "login", "--tls-verify=false", *auth, "-u", "ann", "--password-stdin", front])
    run([skopeo, *insecure, "copy", *auth, "--dest-tls-verify=false",
         f"oci:{layout[0]}:1", image])  # fmt: skip
    told = json.loads(run([skopeo, "inspect", *auth, "--tls-verify=false", image]))
    assert told["Digest"] == layout[1].digest
    run([skopeo, *insecure, "copy", *auth, "--src-tls-verify=false", image,
         f"dir:{tmp_path / 'pulled'}"])  # fmt: skip
    run([skopeo, "delete", *auth, "--tls-verify=false", image])
    run_refused([skopeo, "inspect", *auth, "--tls-verify=false", image])


def test_oras(front: str, tmp_path: Path) -> None:
    oras = require("oras")
    config = ("--registry-config", str(tmp_path / "oras.json"))
    typed_in([oras, "login", "--plain-http", *config, "-u", "ann", "--password-stdin", front])
    (tmp_path / "file").write_text("some text")
    image = f"{front}/lib/oras:1"
    run([oras, "push", "--plain-http", *config, image, "file"], cwd=tmp_path)
    run([oras, "pull", "--plain-http", *config, "-o", tmp_path / "out", image])
    assert (tmp_path / "out" / "file").read_text() == "some text"
    plain = ("--from-plain-http", "--to-plain-http")
    registries = ("--from-registry-config", config[1], "--to-registry-config", config[1])
    run([oras, "cp", *plain, *registries, image, f"{front}/other/oras:1"])
    run([oras, "manifest", "delete", "--force", "--plain-http", *config, image])
    run_refused([oras, "pull", "--plain-http", *config, image])


def test_regctl(front: str, layout: tuple[Path, Descriptor], tmp_path: Path) -> None:
    regctl, env = require("regctl"), {"REGCTL_CONFIG": str(tmp_path / "regctl.json")}
    run([regctl, "registry", "set", "--tls", "disabled", front], env=env)
    typed_in([regctl, "registry", "login", front, "-u", "ann", "--pass-stdin"], **env)
    image = f"{front}/lib/regctl:1"
    run([regctl, "image", "copy", f"ocidir://{layout[0]}:1", image], env=env)
    run([regctl, "image", "copy", image, f"{front}/other/regctl:1"], env=env)
    assert run([regctl, "image", "digest", image], env=env) == layout[1].digest
    run([regctl, "tag", "delete", image], env=env)
    run_refused([regctl, "image", "digest", image], env=env)


def test_helm(front: str, tmp_path: Path) -> None:
    helm = require("helm")
    env = {name: str(tmp_path / name) for name in ("HELM_CACHE_HOME", "HELM_CONFIG_HOME")}
    run([helm, "create", "chart"], env=env, cwd=tmp_path)
    run([helm, "package", "chart"], env=env, cwd=tmp_path)
    login = [helm, "registry", "login", "--plain-http", "-u", "ann", "--password-stdin", front]
    typed_in(login, **env)
    where = f"oci://{front}/lib"
    run([helm, "push", "--plain-http", "chart-0.1.0.tgz", where], env=env, cwd=tmp_path)
    (tmp_path / "chart-0.1.0.tgz").unlink()
    run([helm, "pull", "--plain-http", f"{where}/chart", "--version", "0.1.0"], env=env,
        cwd=tmp_path)  # fmt: skip
    assert (tmp_path / "chart-0.1.0.tgz").exists()


def test_podman(front: str, layout: tuple[Path, Descriptor], short_dir: Path) -> None:
    podman, auth = require("podman"), ("--authfile", str(short_dir / "auth.json"))
    storage = ("--root", short_dir / "root", "--runroot", short_dir / "run")
    command = [podman, *storage, "--storage-driver", "vfs"]
    image, insecure = f"{front}/lib/podman:1", "--tls-verify=false"
    typed_in([*command, "login", insecure, *auth, "-u", "ann", "--password-stdin", front])
    pulled = run([*command, "pull", "-q", f"oci:{layout[0]}:1"])
    run([*command, "push", insecure, *auth, pulled, image])
    run([*command, "rmi", pulled])
    run([*command, "pull", insecure, *auth, image])


def test_docker(front: str, dockerd: Dockerd, tmp_path: Path) -> None:
    """It pings first, and keeps a refresh token where it gets one."""
    image = f"{front}/lib/docker:1"
    (tmp_path / "root.tar").write_bytes(tar_of({"payload": b"some bytes"}))
    dockerd.run("import", tmp_path / "root.tar", image)
    login = [*dockerd.client, "login", "-u", "ann", "--password-stdin", front]
    typed_in(login, DOCKER_CONFIG=str(dockerd.directory / "config"))
    dockerd.run("push", image)
    before = dockerd.image_id(image)
    dockerd.run("rmi", image)
    dockerd.run("pull", image)
    assert dockerd.image_id(image) == before
    dockerd.run("logout", front)
    dockerd.run("rmi", image)


def until(what: Callable[[], bool]) -> float:
    """Seconds until *what* holds."""
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < _LATE_S
        time.sleep(0.01)
    return time.monotonic() - began


def test_what_one_region_changes_holds_in_the_others(tmp_path: Path) -> None:
    """A user, a role and a robot; a token ends where its robot does."""
    with ServeCluster(directory=tmp_path, doors=ANY_ADMIN) as cluster:
        here, there = cluster.nodes[0], cluster.nodes[2]
        assert here.region != there.region
        admin, upload = Administration(node=here), "/v2/lib/app/blobs/uploads/"

        def status(fields: dict[str, str], method: str = "POST", path: str = upload) -> int:
            return asked(there.http, method, path, fields)[0]

        taken = {}
        admin.user("ann")
        taken["user"] = until(lambda: status(basic("ann"), "GET", "/v2/") == 200)
        admin.project("lib")
        admin.role("lib", "ann", "pusher")
        taken["role"] = until(lambda: status(basic("ann")) == 202)
        admin.do("POST", "access/lib/robots", {"name": "lib+ci"})
        admin.role("lib", "lib+ci", "pusher")
        made = admin.do("POST", "robots/lib+ci/secrets", {"label": "ci"})
        robot = basic("lib+ci", made["secret"])
        taken["robot"] = until(lambda: status(robot) == 202)
        scope = "scope=repository:lib/app:pull,push&offline_token=true"
        given = json.loads(asked(there.http, "GET", f"/token?{scope}", robot)[1])
        token = {"Authorization": f"Bearer {given['token']}"}
        assert status(token) == 202
        admin.do("DELETE", f"robots/lib+ci/secrets?id={made['id']}")
        taken["revoked"] = until(lambda: status(robot) == 401 and status(token) == 401)
        admin.do("DELETE", "access/lib/roles?subject=ann")
        taken["no role"] = until(lambda: status(basic("ann")) == 403)
        # How soon is for a quiet machine: 0.2 s for the user, whose password is hashed there, and
        # some milliseconds for the rest.
        print(taken)
