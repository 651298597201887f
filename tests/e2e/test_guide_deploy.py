"""docs/deploy.md: what it installs runs by the settings and the unit that it shows."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.clients import require
from tests.e2e.guides import DOCS, ROOT, Reader, blocks, path_with, types
from tests.e2e.ports import RPC_OFFSET, free_port
from tests.e2e.processes import clean_environment, is_ready, stop_process, wait_until_up

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

PAGE = "deploy.md"
TEXT = (DOCS / PAGE).read_text()
_SOURCES = ("node", "cluster", "protos", "pyproject.toml", "requirements.lock", "README.md")


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """A machine with Atoll's sources, where the page's files are written and its commands typed."""
    home = tmp_path_factory.mktemp("deploy")
    for name in (*_SOURCES, "LICENSE"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, home / name)
    (home / ".venv").symlink_to(ROOT / ".venv")
    etc, port = home / "etc", free_port()
    # This node begins alone: the two others are not there.
    alone = "quiet_s = 0.3\ncopies = 1"
    instead = {
        "/opt/atoll": str(home / "opt"),
        "/etc/atoll/atoll.toml": str(etc / "atoll.toml"),
        "/etc/systemd/system": str(etc),
        "/var/lib/atoll": str(home / "data"),
        '"0.0.0.0:5000"': f'"127.0.0.1:{port}"\nadmin = "127.0.0.1:0"\n{alone}',
        '"0.0.0.0:6000"': f'"127.0.0.1:{port + RPC_OFFSET}"',
        "eu-1.example:6000": f"127.0.0.1:{port + RPC_OFFSET}",
        ', "us-1", "ap-1"]': "]",
        ', "us-1.example:6000", "ap-1.example:6000"]': "]",
    }
    etc.mkdir()
    for name, language in (("atoll.toml", "toml"), ("atoll.service", "ini")):
        [text] = blocks(TEXT, language)
        for documented, ours in instead.items():
            text = text.replace(documented, ours)
        (etc / name).write_text(text)
    return Reader(home=home, instead=instead, path=path_with(), env=pip_settings())


def pip_settings() -> dict[str, str]:
    """Where packages come from, and where they are kept, as this machine has it."""
    named = re.compile(r"(PIP|UV)_|.*_(proxy|PROXY)$|SSL_CERT_FILE$")
    found = {name: value for name, value in clean_environment().items() if named.match(name)}
    config = Path.home() / ".config" / "uv" / "uv.toml"
    kept = {"UV_CACHE_DIR": str(Path.home() / ".cache" / "uv")}
    return {**kept, **({"UV_CONFIG_FILE": str(config)} if config.exists() else {}), **found}


@types(PAGE, "Install", "Settings", "Unit", "Ask it")
def test_with_systemd(machine: Reader) -> None:
    """Broken: the service that the page shows does not start, or cannot be asked how it is."""
    require("systemd-analyze")
    machine.type_all(PAGE, "Install")
    assert "eu-1" in machine.type_all(PAGE, "Settings")
    machine.type_all(PAGE, "Unit")
    etc, log = machine.home / "etc", machine.home / "node.log"
    [command] = re.findall(r"^ExecStart=(.*)$", (etc / "atoll.service").read_text(), re.MULTILINE)
    [http] = re.findall(r'^http = "(.*)"$', (etc / "atoll.toml").read_text(), re.MULTILINE)
    env = clean_environment()
    with log.open("wb") as writes:
        process = subprocess.Popen(shlex.split(command), stdout=writes, stderr=writes, env=env)
    try:
        wait_until_up(process, log, lambda: is_ready(http), "the service")
        assert "all is well" in machine.type_all(PAGE, "Ask it")
    finally:
        stop_process(process, log)
    assert process.returncode == 0
