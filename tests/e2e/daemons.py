"""The daemons of clients, each with directories and a socket of its own."""

import json
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.e2e.clients import COMMAND_TIMEOUT_S, require, require_root, run
from tests.e2e.processes import stop_process, wait_until_up


@dataclass(kw_only=True)
class Daemon(ABC):
    """A daemon that a client program talks to. Use as a context manager."""

    directory: Path
    _process: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def client(self) -> list[str]:
        """How the client program starts that talks to this daemon."""

    @property
    @abstractmethod
    def command(self) -> list[str]:
        """How the daemon starts."""

    @property
    @abstractmethod
    def probe(self) -> Sequence[str]:
        """What the client is asked until the daemon answers."""

    @property
    def log(self) -> Path:
        return self.directory / "daemon.log"

    def __enter__(self) -> Self:
        require_root(self.command[0])
        self.directory.mkdir(parents=True, exist_ok=True)
        # Its mounts are nobody else's: some it leaves behind, and they end with its last process.
        command = ["unshare", "--mount", *self.command]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait_until_up(self._process, self.log, self._answers, self.command[0])
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            stop_process(self._process, self.log)

    def _answers(self) -> bool:
        command = [*self.client, *self.probe]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


@dataclass(kw_only=True)
class Dockerd(Daemon):
    """A Docker daemon."""

    _docker: str = field(default_factory=lambda: require("docker"))
    _dockerd: str = field(default_factory=lambda: require("dockerd"))

    @property
    def client(self) -> list[str]:
        return [self._docker, "--host", self._socket]

    @property
    def command(self) -> list[str]:
        # No bridge and no packet filter: images need neither, and the host keeps its own. The
        # registries are plain HTTP on 127.0.0.0/8, which Docker allows by default.
        return [
            self._dockerd,
            *("--data-root", str(self.directory / "data")),
            *("--exec-root", str(self.directory / "exec")),
            *("--pidfile", str(self.directory / "docker.pid")),
            *("--host", self._socket),
            *("--bridge=none", "--iptables=false", "--ip6tables=false"),
        ]

    @property
    def probe(self) -> Sequence[str]:
        return ("version",)

    @property
    def _socket(self) -> str:
        return f"unix://{self.directory / 'docker.sock'}"

    def run(self, *arguments: str | Path, timeout_s: float = COMMAND_TIMEOUT_S) -> str:
        """Run a docker command against this daemon."""
        # The classic builder is part of the daemon; BuildKit's client is a separate plug-in.
        env = {"DOCKER_BUILDKIT": "0", "DOCKER_CONFIG": str(self.directory / "config")}
        return run([*self.client, *arguments], env=env, timeout_s=timeout_s)

    def image_id(self, name: str) -> str:
        """Return the id (config digest) of an image that the daemon has."""
        return self.run("image", "inspect", "--format", "{{.Id}}", name)

    def forget_images(self) -> None:
        """Remove every image and layer, so that the next pull downloads all of it."""
        self.run("image", "prune", "--all", "--force")
        assert self.run("image", "ls", "--all", "--quiet") == ""


@dataclass(kw_only=True)
class Containerd(Daemon):
    """A containerd that knows nothing of Docker's or Kubernetes'. Its client is `ctr`."""

    _ctr: str = field(default_factory=lambda: require("ctr"))
    _containerd: str = field(default_factory=lambda: require("containerd"))

    @property
    def client(self) -> list[str]:
        return [self._ctr, "--address", str(self.directory / "c.sock"), "--namespace", "e2e"]

    @property
    def command(self) -> list[str]:
        config = self.directory / "config.toml"
        config.write_text(
            "version = 2\n"
            # Kubernetes, and what would write to /opt or look for file systems of other kinds.
            'disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt",'
            ' "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",'
            ' "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper"]\n'
        )
        return [
            self._containerd,
            *("--config", str(config)),
            *("--root", str(self.directory / "root")),
            *("--state", str(self.directory / "state")),
            *("--address", str(self.directory / "c.sock")),
        ]

    @property
    def probe(self) -> Sequence[str]:
        return ("version",)

    def run(self, *arguments: str | Path) -> str:
        """Run a ctr command against this daemon."""
        return run([*self.client, *arguments])

    def digest(self, name: str) -> str:
        """Return the digest of the manifest or index that an image name stands for."""
        for line in self.run("images", "list").splitlines()[1:]:
            found, _, digest, *_ = line.split()
            if found == name:
                return digest
        raise AssertionError(f"containerd has no image {name}")

    def blobs(self) -> set[str]:
        """Return the digest of everything in the content store."""
        return set(self.run("content", "list", "--quiet").split())

    def forget_images(self) -> None:
        """Remove every image and what only they held, so that the next pull downloads all of it."""
        names = self.run("images", "list", "--quiet").split()
        self.run("images", "remove", "--sync", *names)
        # A pull that failed leaves what it had.
        if left := self.blobs():
            self.run("content", "remove", *left)
        assert self.blobs() == set()


@dataclass(kw_only=True)
class Buildkitd(Daemon):
    """A BuildKit daemon with runc under it. Its client is `buildctl`."""

    settings: str = ""
    """In TOML."""

    _buildctl: str = field(default_factory=lambda: require("buildctl"))
    _buildkitd: str = field(default_factory=lambda: require("buildkitd"))
    _runc: str = field(default_factory=lambda: require("runc"))

    @property
    def client(self) -> list[str]:
        return [self._buildctl, "--addr", self._socket]

    @property
    def command(self) -> list[str]:
        config = self.directory / "buildkitd.toml"
        config.write_text(self.settings)  # and none of the machine
        return [
            self._buildkitd,
            *("--config", str(config)),
            *("--root", str(self.directory / "root")),
            *("--addr", self._socket),
            *("--containerd-worker=false", "--oci-worker=true", "--oci-worker-net=host"),
            *("--oci-worker-snapshotter=native", "--oci-worker-binary", self._runc),
        ]

    @property
    def probe(self) -> Sequence[str]:
        return ("debug", "workers")

    @property
    def _socket(self) -> str:
        return f"unix://{self.directory / 'b.sock'}"

    def run(self, *arguments: str | Path) -> str:
        """Run a buildctl command against this daemon."""
        return run([*self.client, *arguments])

    def build(self, context: Path, *arguments: str) -> str:
        """
        Build the Dockerfile in *context*; *arguments* say what becomes of the image and the cache.

        Returns the digest of what was pushed.
        """
        metadata = self.directory / "metadata.json"
        self.run(
            *("build", "--progress", "plain", "--frontend", "dockerfile.v0"),
            *("--local", f"context={context}", "--local", f"dockerfile={context}"),
            *("--metadata-file", metadata),
            *arguments,
        )
        digest: str = json.loads(metadata.read_bytes())["containerimage.digest"]
        return digest

    def forget_everything(self) -> None:
        """Remove every layer and every result of a step."""
        self.run("prune", "--all")
        assert self.run("du").split()[-1] == "0B"
