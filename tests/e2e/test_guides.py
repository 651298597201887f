"""docs/logging-in.md, typed as it stands, at three nodes behind a balancer that ends TLS."""

import base64
import json
import os
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import yaml

from tests.e2e.administration import PASSWORD, Administration, asked
from tests.e2e.clients import require, run
from tests.e2e.daemons import Buildkitd, Containerd, Dockerd
from tests.e2e.guides import Reader, blocks, sections, types
from tests.e2e.oci_layout import LayoutWriter, random_layers, tar_of
from tests.e2e.processes import ANY_ADMIN
from tests.e2e.serve_cluster import ServeCluster
from tests.e2e.tls_front import TlsFront

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "logging-in.md"
SECTIONS: Final = sections(PAGE)

NEEDS_NO_DAEMON: Final = ("skopeo", "crane", "oras", "regctl", "helm", "buildah", "podman")

TYPED_BELOW: Final = {
    *("The first users", "The command line", "Robots"),
    *("docker", "containerd", "buildkit", "GitHub Actions", "GitLab", "Kubernetes"),
}
"""Sections with commands that have a test of their own, or make what the others work with."""

_REGISTRY: Final = "registry.example.com"


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeCluster]:
    """Three nodes in one region that let nobody in, and believe their balancer."""
    with ServeCluster(
        directory=tmp_path_factory.mktemp("guides"),
        regions=("eu",),
        doors=ANY_ADMIN,
        options=("--trusted-proxies", "127.0.0.1/32"),
    ) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def front(nodes: ServeCluster) -> Iterator[TlsFront]:
    with (
        tempfile.TemporaryDirectory(prefix="atoll-", dir="/tmp") as directory,
        TlsFront(directory=Path(directory), nodes=[node.http for node in nodes.nodes]) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def reader(nodes: ServeCluster, front: TlsFront) -> Iterator[Reader]:
    """Somebody who has read the page up to where clients begin."""
    with tempfile.TemporaryDirectory(prefix="atoll-", dir="/tmp") as name:
        home = Path(name)
        first = nodes.nodes[0]
        instead = {
            _REGISTRY: front.http,
            "/var/lib/atoll": str(first.data_dir),
            "127.0.0.1:7000": first.admin,
        }
        programs = [str(Path(sys.executable).parent)]
        one = Reader(
            home=home,
            instead=instead,
            path=os.pathsep.join([*programs, "/usr/local/bin:/usr/bin:/bin:/usr/sbin"]),
            env=environment(home, front),
        )
        for user in ("root", "ann"):
            (home / f"{user}-password").write_text(f"{PASSWORD} of {user}\n")
        told = "".join(
            one.type(block)
            for title in ("The first users", "The command line", "Robots")
            for block in blocks(SECTIONS[title], "sh")
        )
        assert "ann" in told
        for secret in (".atoll-token", "robot-secret", "puller-secret"):
            assert (home / secret).stat().st_mode & 0o077 == 0
        yield one


def environment(home: Path, front: TlsFront) -> dict[str, str]:
    """What a machine is set up with, before anybody logs in there."""
    storage = home / "storage.conf"
    storage.write_text(
        f'[storage]\ndriver = "vfs"\ngraphroot = "{home / "root"}"\nrunroot = "{home / "run"}"\n'
    )
    policy = home / ".config" / "containers" / "policy.json"
    policy.parent.mkdir(parents=True)
    policy.write_text(json.dumps({"default": [{"type": "insecureAcceptAnything"}]}))
    return {
        "SSL_CERT_FILE": str(front.authority),
        "CONTAINERS_STORAGE_CONF": str(storage),
        "REGISTRY_AUTH_FILE": str(home / "auth.json"),
        "BUILDAH_ISOLATION": "chroot",
        "DOCKER_BUILDKIT": "0",
    }


def typed(reader: Reader, title: str, *programs: str, **env: str) -> str:
    """Type the one block of a section, for which *programs* have to be there."""
    found = [str(Path(require(each)).parent) for each in programs]
    [block] = blocks(SECTIONS[title], "sh")
    path = os.pathsep.join([*found, reader.path])
    return reader.type(block, {"PATH": path, **env})


@pytest.fixture
def things(reader: Reader, rng: random.Random) -> Path:
    """What the page pushes: `layout`, `file`, `chart-0.1.0.tgz`, a Dockerfile."""
    layout = reader.home / "layout"
    if not layout.exists():
        writer = LayoutWriter(layout)
        writer.finish(writer.add_image(random_layers(rng, [1 << 10, 1 << 18])), "1")
        (reader.home / "file").write_text("some text")
        (reader.home / "root.tar").write_bytes(tar_of({"payload": rng.randbytes(1 << 10)}))
        (reader.home / "Dockerfile").write_text("FROM scratch\nCOPY file /file\n")
    return reader.home


def test_no_section_is_forgotten() -> None:
    """Broken: the page grows commands that nobody runs."""
    told = {title for title, text in SECTIONS.items() if "```" in text}
    assert told == {*NEEDS_NO_DAEMON, *TYPED_BELOW}


@types("logging-in.md", "The first users", "The command line", "Robots")
def test_whoever_reads_up_to_there_has_accounts(reader: Reader) -> None:
    """The page's own commands made them; a refusal has ended the fixture."""
    assert (reader.home / ".config" / "atoll" / "contexts.json").is_file()


@pytest.mark.parametrize(
    "client",
    [pytest.param(each, marks=types("logging-in.md", each)) for each in NEEDS_NO_DAEMON],
)
def test_a_client(
    reader: Reader, things: Path, nodes: ServeCluster, front: TlsFront, client: str
) -> None:
    """Log in, push, mount, pull, delete, log out; as far as the client has it."""
    if client == "podman":
        run([require("podman"), "import", "-q", things / "root.tar", "app:1"], env=reader.env)
    if client == "helm":
        env = {"HOME": str(things)}
        run([require("helm"), "create", "chart"], cwd=things, env=env)
        run([require("helm"), "package", "chart"], cwd=things, env=env)
        (things / "pulled").mkdir(exist_ok=True)
    typed(reader, client, client)
    assert_stored(nodes, f"lib/{'chart' if client == 'helm' else client}", SECTIONS[client])
    if "/other/" in SECTIONS[client]:
        assert_mounted(front, f"other/{client}")
    assert_logged_out(things)


@types("logging-in.md", "docker")
def test_docker(
    reader: Reader, things: Path, nodes: ServeCluster, front: TlsFront, dockerd: Dockerd
) -> None:
    dockerd.run("import", things / "root.tar", "app:1")
    typed(reader, "docker", "docker", DOCKER_HOST=dockerd.client[-1])
    dockerd.forget_images()
    assert_stored(nodes, "lib/docker", SECTIONS["docker"])
    assert_mounted(front, "other/docker")
    assert_logged_out(things)


@types("logging-in.md", "buildkit")
def test_buildkit(
    reader: Reader, things: Path, nodes: ServeCluster, front: TlsFront, short_dir: Path
) -> None:
    # Of itself it speaks plain HTTP to a loopback address.
    trust = f'[registry."{front.http}"]\nhttp = false\nca = ["{front.authority}"]\n'
    with Buildkitd(directory=short_dir, settings=trust) as daemon:
        address = daemon.client[-1]
        typed(reader, "buildkit", "buildctl", "docker", BUILDKIT_HOST=address)
    assert_stored(nodes, "lib/buildkit", SECTIONS["buildkit"])
    assert_logged_out(things)


def test_gitlab(reader: Reader, things: Path, nodes: ServeCluster, dockerd: Dockerd) -> None:
    """The script of the job, by the secret of the robot."""
    [text] = blocks(SECTIONS["GitLab"], "yaml")
    job = yaml.safe_load(text)["image"]
    env = {"ATOLL_SECRET": str(things / "robot-secret"), "DOCKER_HOST": dockerd.client[-1]}
    reader.type("\n".join([*job["script"], *job["after_script"]]), env)
    dockerd.forget_images()
    assert_stored(nodes, "lib/ci", "")
    assert_logged_out(things)


def test_github(reader: Reader, things: Path, dockerd: Dockerd) -> None:
    """What its steps run; the action that logs in is docker's own, and does what is typed here."""
    [text] = blocks(SECTIONS["GitHub Actions"], "yaml")
    [job] = yaml.safe_load(text)["jobs"].values()
    login = next(each["with"] for each in job["steps"] if "login-action" in each.get("uses", ""))
    assert login["registry"] == _REGISTRY
    env = {"DOCKER_HOST": dockerd.client[-1], "USERNAME": login["username"]}
    reader.type(f'docker login -u "$USERNAME" --password-stdin {_REGISTRY} < robot-secret', env)
    reader.type("\n".join(each["run"] for each in job["steps"] if "run" in each), env)
    reader.type(f"docker logout {_REGISTRY}", env)
    dockerd.forget_images()


@types("logging-in.md", "Kubernetes")
def test_kubernetes(reader: Reader, things: Path) -> None:
    """The secret of the object is good for pulls, and for nothing else."""
    put_robot_image(reader, things)
    shims, made = things / "shims", things / "object.yaml"
    shims.mkdir(exist_ok=True)
    # There is no cluster to ask: the object is only shown.
    shim = shims / "kubectl"
    shim.write_text(f'#!/bin/sh\n{require("kubectl")} "$@" --dry-run=client -o yaml > {made}\n')
    shim.chmod(0o755)
    found = f"{shims}:{Path(require('crane')).parent}:{reader.path}"
    [create] = blocks(SECTIONS["Kubernetes"], "sh")
    [manifest] = blocks(SECTIONS["Kubernetes"], "yaml")
    reader.type(create, {"PATH": found, "TMPDIR": str(things)})
    data = yaml.safe_load(made.read_text())
    assert data["type"] == "kubernetes.io/dockerconfigjson"
    pod = yaml.safe_load(manifest)
    [named] = pod["spec"]["imagePullSecrets"]
    assert named["name"] == data["metadata"]["name"]
    config = things / "kubelet" / "config.json"
    config.parent.mkdir(exist_ok=True)
    config.write_bytes(base64.b64decode(data["data"][".dockerconfigjson"]))
    env = {"PATH": found, "DOCKER_CONFIG": str(config.parent)}
    image = pod["spec"]["containers"][0]["image"]
    assert "sha256:" in reader.type(f"crane digest {image}", env)
    refused = reader.type(f"! crane delete {image}", env)
    assert "DENIED" in refused or "UNAUTHORIZED" in refused


@types("logging-in.md", "containerd")
def test_containerd(reader: Reader, things: Path, containerd: Containerd) -> None:
    """The header of the file is sent to the registry, and lets the robot in."""
    put_robot_image(reader, things)
    found = containerd.client
    shims = things / "containerd-shims"
    shims.mkdir(exist_ok=True)
    shim = shims / "ctr"
    pull = "images pull --snapshotter native"
    shim.write_text(f'#!/bin/sh\nshift 2\nexec {" ".join(found)} {pull} "$@"\n')
    shim.chmod(0o755)
    [block] = blocks(SECTIONS["containerd"], "sh")
    reader.type(block, {"PATH": f"{shims}:{reader.path}"})
    hosts = next((things / "certs.d").glob("*/hosts.toml"))
    assert hosts.stat().st_mode & 0o077 == 0
    containerd.forget_images()


def put_robot_image(reader: Reader, things: Path) -> None:
    """Push the image that the robot's readers pull."""
    crane = str(Path(require("crane")).parent)
    env = {"PATH": f"{crane}:{reader.path}", "DOCKER_CONFIG": str(things / "pushing")}
    login = f"crane auth login -u lib+ci --password-stdin {_REGISTRY} < robot-secret"
    reader.type(f"{login}\ncrane push layout {_REGISTRY}/lib/ci:1", env)


def assert_stored(nodes: ServeCluster, repository: str, told: str) -> None:
    """What was pushed is there, unless the section deletes it; the other project has its copy."""
    assert bool(tags_of(nodes, repository)) is not ("delete" in told)
    other = repository.replace("lib/", "other/")
    if f"/{other}:1" in told:
        assert tags_of(nodes, other) == ["1"]


def assert_mounted(front: TlsFront, repository: str) -> None:
    """
    The client had a token for both repositories, and sent no layer again. Of the config, which
    is a few hundred bytes, most clients do not ask.
    """
    started = [
        passed.status
        for passed in front.passed()
        if passed.method == "POST" and passed.path.startswith(f"/v2/{repository}/blobs/uploads/")
    ]
    assert 201 in started
    assert started.count(202) <= 1


def tags_of(nodes: ServeCluster, repository: str) -> list[str]:
    """What another node than the one that everything was set up at says."""
    node = nodes.nodes[1]
    path, operator = f"/v2/{repository}/tags/list", Administration(node=node).operator
    status, answer = asked(node.admin, "GET", path, operator)
    assert status in (200, 404), answer
    return json.loads(answer)["tags"] if status == 200 else []


def assert_logged_out(home: Path) -> None:
    """Nothing is left of a secret where clients keep theirs."""
    secrets = [(home / name).read_text().strip() for name in (".atoll-token", "robot-secret")]
    kept = [home / "auth.json", *home.glob(".docker/*"), *home.glob(".config/helm/**/*.json"),
            *home.glob(".regctl/*")]  # fmt: skip
    for path in kept:
        if path.is_file():
            text = path.read_text()
            for name, secret in zip(("ann", "lib+ci"), secrets, strict=True):
                given = base64.b64encode(f"{name}:{secret}".encode()).decode()
                assert secret not in text, path
                assert given not in text, path
