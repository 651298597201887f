"""The registry clients that people use, run as they run them, each in a directory of its own."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

import pytest

COMMAND_TIMEOUT_S: Final = 100.0


def require(program: str) -> str:
    """
    Find a program in .tools, on the PATH, or where Debian keeps daemons.

    Where it is missing the test is skipped with the reason; with `E2E_REQUIRE_CLIENTS` it fails.
    """
    tools = Path(__file__).resolve().parents[2] / ".tools"
    ours = [tools / "bin", *tools.glob("go/lib/python*/site-packages/go/bin")]
    path = os.pathsep.join([*map(str, ours), os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    found = shutil.which(program, path=path)
    if found is None:
        _lacking(f"{program} is not installed; `.ci/tools {program}` installs it")
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
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout_s: float = COMMAND_TIMEOUT_S,
) -> str:
    """Run a command to its end and return its standard output; a failure shows all it wrote."""
    done = _done(command, env, cwd, timeout_s)
    if done.returncode != 0:
        pytest.fail(_told(done))
    return done.stdout.strip()


def run_refused(
    command: Sequence[str | Path], *, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> str:
    """Run a command that must not succeed; returns what it says of that."""
    done = _done(command, env, cwd)
    if done.returncode == 0:
        pytest.fail(_told(done))
    return done.stderr.strip()


def _done(
    command: Sequence[str | Path],
    env: Mapping[str, str] | None,
    cwd: Path | None,
    timeout_s: float = COMMAND_TIMEOUT_S,
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        env={**os.environ, **(env or {})},
        cwd=cwd,
        timeout=timeout_s,
        check=False,
    )


def _told(done: subprocess.CompletedProcess[str]) -> str:
    return f"{' '.join(done.args)}: exit {done.returncode}\n{done.stdout}{done.stderr}"


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


@dataclass(kw_only=True)
class Regctl:
    """regctl with a configuration of its own, in which every one of *hosts* is plain HTTP."""

    directory: Path
    hosts: Sequence[str]
    chunk_bytes: int | None = None
    """Blobs above this go in chunks of it; none: as regctl does by itself."""

    def run(self, *arguments: str | Path) -> str:
        """Run a regctl command."""
        return run(self.command(*arguments), env=self.environment)

    def command(self, *arguments: str | Path) -> list[str | Path]:
        return [require("regctl"), *arguments]

    @property
    def environment(self) -> dict[str, str]:
        chunks = {"blobChunk": self.chunk_bytes, "blobMax": self.chunk_bytes}
        settings = {"tls": "disabled", **(chunks if self.chunk_bytes else {})}
        self.directory.mkdir(parents=True, exist_ok=True)
        path = self.directory / "regctl.json"
        path.write_text(json.dumps({"hosts": dict.fromkeys(self.hosts, settings)}))
        return {"REGCTL_CONFIG": str(path)}
