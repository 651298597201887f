"""The image of a node, built by the Dockerfile as it is."""

import asyncio
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.daemons import Dockerd
from tests.e2e.ports import RPC_OFFSET, free_port
from tests.e2e.processes import READY_TIMEOUT_S, is_ready
from tests.e2e.python_base import import_python_base
from tests.e2e.registry_client import make_image, registry_clients

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

ROOT: Final = Path(__file__).parents[2]
IMAGE: Final = "atoll-e2e"
_BUILD_TIMEOUT_S: Final = 900.0
_POLL_INTERVAL_S: Final = 0.1


@pytest.fixture(scope="module")
def image(dockerd: Dockerd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of the image. It is built once."""
    import_python_base(dockerd, tmp_path_factory.mktemp("base"))
    # The daemon has no bridge, and the packages come from elsewhere.
    dockerd.run("build", "--network=host", "--tag", IMAGE, ROOT, timeout_s=_BUILD_TIMEOUT_S)
    yield IMAGE
    dockerd.forget_images()


def test_the_user_is_a_number_and_not_root(dockerd: Dockerd, image: str) -> None:
    """Broken: Kubernetes refuses the image where containers must not run as root."""
    user = dockerd.run("image", "inspect", "--format", "{{.Config.User}}", image)
    uid, gid = map(int, user.split(":"))
    assert uid > 0
    assert gid > 0
    asked = "import os; print(os.getuid(), os.getgid(), os.access('/data', os.W_OK))"
    assert dockerd.run(*_python(image), asked) == f"{uid} {gid} True"


def test_no_start_compiles_anything(dockerd: Dockerd, image: str) -> None:
    """Broken: each start and each health check takes a second of a core to compile Python."""
    program = (
        "import node.main, node.cli, urllib.request, sys, importlib.util as util\n"
        "files = {getattr(module, '__file__', None) for module in sys.modules.values()}\n"
        "sources = sorted(file for file in files if file and file.endswith('.py'))\n"
        "from pathlib import Path\n"
        "print(len(sources), *(s for s in sources if not Path(util.cache_from_source(s)).exists()))"
    )
    count, *compiled = dockerd.run(*_python(image), program).split()
    assert int(count) > 300
    assert compiled == []


def test_a_container_keeps_what_it_took_and_stops_at_once(
    dockerd: Dockerd, image: str, rng: random.Random
) -> None:
    """Broken: the volume is not the node's to write, or a stopped container was killed."""
    port = free_port()
    pushed = make_image(rng, [10_000])

    async def push() -> None:
        async with registry_clients([f"127.0.0.1:{port}"]) as (client,):
            await client.push("library/kept", "1", pushed)

    async def pull() -> None:
        async with registry_clients([f"127.0.0.1:{port}"]) as (client,):
            assert await client.pull("library/kept", "1") == pushed

    for use in (push, pull):
        container = dockerd.run(
            *("run", "--detach", "--network=host", "--volume=kept:/data"),
            *("--env", f"ATOLL_HTTP=127.0.0.1:{port}", "--env", "ATOLL_NODE=kept-1"),
            *("--env", "ATOLL_INITIAL=kept-1", "--env", "ATOLL_QUIET_S=0.3"),
            *("--env", "ATOLL_AUTH=open", "--env", "ATOLL_ADMIN=127.0.0.1:0"),
            *("--env", f"ATOLL_RPC=127.0.0.1:{port + RPC_OFFSET}", image),
        )
        try:
            _wait_ready(dockerd, container, f"127.0.0.1:{port}")
            asyncio.run(use())
            dockerd.run("stop", "--time=60", container)
            state = dockerd.run("inspect", "--format", "{{.State.ExitCode}}", container)
            assert state == "0", dockerd.run("logs", container)
        finally:
            dockerd.run("rm", "--force", container)
    dockerd.run("volume", "rm", "kept")


def _python(image: str) -> list[str]:
    return ["run", "--rm", "--network=none", "--entrypoint=python", image, "-c"]


def _wait_ready(dockerd: Dockerd, container: str, http: str) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while not is_ready(http):
        if time.monotonic() > deadline:
            pytest.fail(f"the container is not ready\n{dockerd.run('logs', container)}")
        time.sleep(_POLL_INTERVAL_S)
