"""docs/backup.md, typed: a node is stopped, copied, looked at, lost, and put back."""

import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.guides import Reader, path_with, types
from tests.e2e.operator import Status, wait_status
from tests.e2e.registry_client import Refused, make_image, registry_clients
from tests.e2e.serve_cluster import ServeCluster, ServeProcess
from tests.e2e.service_manager import ServiceManager

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

PAGE = "backup.md"
_BLOB_BYTES = 50_000


def told(found: Status) -> bool:
    """Whether the node that is asked knows of the others, and that they are not there."""
    return all(found.states().get(name, "alive") != "alive" for name in ("eu-1", "eu-2"))


@contextmanager
def reading(directory: Path, node: ServeProcess) -> Iterator[Reader]:
    """Somebody at the machine of *node*, whose service is `atoll`."""
    programs, backup = directory / "bin", directory / "backup"
    for each in (programs, backup):
        each.mkdir()
    with ServiceManager(directory=programs, services={"atoll": node}):
        yield Reader(
            home=directory,
            instead={"/var/lib/atoll": str(node.data_dir), "/backup": str(backup)},
            path=f"{programs}:{path_with()}",
        )


@types(PAGE, "Make one", "Put it back")
async def test_a_cluster_of_one_comes_back(tmp_path: Path, rng: random.Random) -> None:
    """Broken: a backup was made as the page says, and is worth nothing on the day it is needed."""
    node = ServeProcess.alone(tmp_path / "data")
    kept, lost = (make_image(rng, [_BLOB_BYTES]) for _ in range(2))
    try:
        node.start()
        node.wait_ready()
        with reading(tmp_path, node) as reader:
            async with registry_clients([node.http]) as (client,):
                await client.push("lib/app", "kept", kept)
            assert "\n0 problems\n" in reader.type_all(PAGE, "Make one")
            node.wait_ready()
            async with registry_clients([node.http]) as (client,):
                await client.push("lib/app", "lost", lost)
            reader.type_all(PAGE, "Put it back")
            node.wait_ready()
            async with registry_clients([node.http]) as (client,):
                assert await client.pull("lib/app", "kept") == kept
                with pytest.raises(Refused) as refused:
                    await client.pull("lib/app", "lost")
                assert refused.value.status == 404
                await client.push("lib/app", "after", lost)
        node.stop()
        node.fsck()
    finally:
        node.stop()


@types(PAGE, "Make one", "Put it back", "When most nodes are lost")
async def test_one_of_three_comes_back_alone(tmp_path: Path, rng: random.Random) -> None:
    """Broken: three machines burn, the copy of one is there, and nothing can be done with it."""
    image, more = (make_image(rng, [_BLOB_BYTES]) for _ in range(2))
    with ServeCluster(directory=tmp_path, regions=("eu",)) as cluster:
        first, *others = cluster.nodes
        with reading(tmp_path, first) as reader:
            async with registry_clients([first.http]) as (client,):
                await client.push("lib/app", "1", image)
            reader.type_all(PAGE, "Make one")
            first.wait_ready()
            for node in others:
                node.kill()
                shutil.rmtree(node.data_dir)
            reader.type_all(PAGE, "Put it back")
            # It may be asked, and knows that they do not answer.
            wait_status(first.http, lambda found: "members" in found.document and told(found))
            reader.type_all(PAGE, "When most nodes are lost")
            wait_status(first.http, lambda found: set(found.states()) == {"eu-0"})
            first.wait_ready()
            async with registry_clients([first.http]) as (client,):
                assert await client.pull("lib/app", "1") == image
                await client.push("lib/app", "2", more)
