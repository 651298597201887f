"""The registry clients that people use, run as they run them, each in a directory of its own."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NoReturn, Self

import pytest

from tests.e2e.processes import log_tail, stop_process

COMMAND_TIMEOUT_S: Final = 100.0
_DAEMON_TIMEOUT_S: Final = 60.0
_POLL_INTERVAL_S: Final = 0.1


def require(program: str) -> str:
    """
    Find a program in .tools/bin, on the PATH, or where Debian keeps daemons.

    Where it is missing the test is skipped with the reason; with `E2E_REQUIRE_CLIENTS` it fails.
    """
    tools = Path(__file__).resolve().parents[2] / ".tools" / "bin"
    path = os.pathsep.join([str(tools), os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    found = shutil.which(program, path=path)
    if found is None:
        _lacking(f"{program} is not installed; .ci/tools installs it")
    return found


def require_root(purpose: str) -> None:
    """Skip, or fail with `E2E_REQUIRE_CLIENTS`, where this process is not root."""
    if os.geteuid() != 0:
        _lacking(f"{purpose} needs root")


def _lacking(reason: str) -> NoReturn:
    if os.environ.get("E2E_REQUIRE_CLIENTS"):
        pytest.fail(reason)
    pytest.skip(reason)


def run(
    command: Sequence[str | Path], *, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> str:
    """Run a command to its end and return its standard output; a failure shows all it wrote."""
    arguments = [str(part) for part in command]
    done = subprocess.run(
        arguments,
        capture_output=True,
        text=True,
        env={**os.environ, **(env or {})},
        cwd=cwd,
        timeout=COMMAND_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        pytest.fail(f"{' '.join(arguments)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


@dataclass(kw_only=True)
class Dockerd:
    """A Docker daemon with directories of its own. Use as a context manager."""

    directory: Path
    _docker: str = field(default_factory=lambda: require("docker"))
    _dockerd: str = field(default_factory=lambda: require("dockerd"))
    _process: subprocess.Popen[bytes] | None = None

    @property
    def _log(self) -> Path:
        return self.directory / "dockerd.log"

    @property
    def _socket(self) -> str:
        return f"unix://{self.directory / 'docker.sock'}"

    def __enter__(self) -> Self:
        require_root("dockerd")
        self.directory.mkdir(parents=True, exist_ok=True)
        # No bridge and no packet filter: images need neither, and the host keeps its own. The
        # registries are plain HTTP on 127.0.0.0/8, which Docker allows by default.
        arguments = [
            *("--data-root", str(self.directory / "data")),
            *("--exec-root", str(self.directory / "exec")),
            *("--pidfile", str(self.directory / "docker.pid")),
            *("--host", self._socket),
            *("--bridge=none", "--iptables=false", "--ip6tables=false"),
        ]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen([self._dockerd, *arguments], stdout=log, stderr=log)
        try:
            self._wait_answering(self._process)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            stop_process(self._process, self._log)

    def _wait_answering(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _DAEMON_TIMEOUT_S
        command = [self._docker, "--host", self._socket, "version"]
        while subprocess.run(command, capture_output=True, check=False).returncode != 0:
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"dockerd did not start\n{log_tail(self._log)}")
            time.sleep(_POLL_INTERVAL_S)

    def run(self, *arguments: str | Path) -> str:
        """Run a docker command against this daemon."""
        # The classic builder is part of the daemon; BuildKit's client is a separate plug-in.
        env = {"DOCKER_BUILDKIT": "0", "DOCKER_CONFIG": str(self.directory / "config")}
        return run([self._docker, "--host", self._socket, *arguments], env=env)

    def image_id(self, name: str) -> str:
        """Return the id (config digest) of an image that the daemon has."""
        return self.run("image", "inspect", "--format", "{{.Id}}", name)

    def forget_images(self) -> None:
        """Remove every image and layer, so that the next pull downloads all of it."""
        self.run("image", "prune", "--all", "--force")
        assert self.run("image", "ls", "--all", "--quiet") == ""


@dataclass(kw_only=True)
class ContainersStorage:
    """podman or buildah with storage of its own. *program* is the name of either."""

    program: str
    directory: Path

    def run(self, *arguments: str | Path) -> str:
        """Run a command of the program on its storage."""
        return run(
            [
                require(self.program),
                *("--root", self.directory / "root"),
                *("--runroot", self.directory / "run"),
                *("--storage-driver", "vfs"),
                *arguments,
            ],
            # A registry log-in or mirror of the machine must not decide what is tested.
            env={
                "CONTAINERS_REGISTRIES_CONF": str(self._settings("registries.conf", "")),
                "REGISTRY_AUTH_FILE": str(self._settings("auth.json", "{}")),
                "BUILDAH_ISOLATION": "chroot",
            },
        )

    @property
    def policy(self) -> Path:
        """A signature policy that accepts every image."""
        accept = {"default": [{"type": "insecureAcceptAnything"}]}
        return self._settings("policy.json", json.dumps(accept))

    def image_id(self, name: str) -> str:
        """Return the id (config digest, hex) of an image in the storage."""
        kind = ["--type", "image"] if self.program == "buildah" else []
        template = "{{.FromImageID}}" if self.program == "buildah" else "{{.Id}}"
        return self.run("inspect", *kind, "--format", template, name)

    def _settings(self, name: str, content: str) -> Path:
        path = self.directory / name
        if not path.exists():
            self.directory.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return path
