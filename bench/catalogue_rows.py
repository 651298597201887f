"""An index with as many repositories and tags as an enterprise has."""

import asyncio
import json
import random
import time
from collections.abc import Iterator
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from cluster.clock import HybridClock, SystemClock
from cluster.model import Digest, Dot, NodeId, Stamp
from cluster.objects import Live, Presence, Register, Version
from node.index import keys, rows
from node.index.index import Index, open_index
from node.index.rocks import RocksStore
from node.index.rows import RepositoryRow
from node.index.store import Change, Mutation

REPOSITORIES: Final = 100_000
TAGS: Final = 1_000_000
PROJECTS: Final = 1000
LARGE: Final = (60_000, 40_000, *([10_000] * 10))
"""The tags of the large repositories."""

_TAGS_OF_A_MANIFEST: Final = 2
_BATCH: Final = 20_000
_CONFIG_BYTES: Final = 7_000
_LAYER_BYTES: Final = 30_000_000


def fill(directory: Path, repositories: int, tags: int, node: str = "bench") -> float:
    """
    Write the rows of so many repositories and tags to the index of *node* in *directory*, as pushes
    would have written them, but for logs and histories, which would take an hour. Returns the
    seconds that it took.

    Raises:
        SystemExit: they could not be written.
    """
    # In a process of its own: what it has used and let go of would hide what is kept afterwards.
    begun = time.perf_counter()
    filling = get_context("spawn").Process(
        target=_write, args=(directory, repositories, tags, node)
    )
    filling.start()
    filling.join()
    if filling.exitcode:
        raise SystemExit("the rows could not be written")
    return time.perf_counter() - begun


def _write(directory: Path, repositories: int, tags: int, node: str) -> None:
    async def write() -> None:
        with closing(opened(directory, node)) as index:
            _fill(index, repositories, tags)

    asyncio.run(write())


def opened(directory: Path, node: str = "bench") -> Index:
    """The index of *node* in *directory*."""
    wall = SystemClock()
    return open_index(
        RocksStore(directory),
        NodeId(node),
        HybridClock(wall),
        wall,
        random.Random(1),
        lambda event, reason: None,
    )


def name_of(number: int) -> str:
    """That of a repository; the first ones are large."""
    return f"team-{number % PROJECTS}/service-{number}"


def _fill(index: Index, repositories: int, tags: int) -> None:
    """Write the rows, in batches as large as memory likes."""
    batch: list[Change] = []
    store, chance = index.journal.store, random.Random(2)
    large = large_of(tags)
    small = -(-(tags - sum(large)) // max(1, repositories - len(large)))
    stamp, left = index.journal.clock.tick(Stamp(0)), tags
    for number in range(repositories):
        count = min(large[number] if number < len(large) else small, left)
        left -= count
        for row in _rows(name_of(number), count, int(stamp) + number * 100_000, chance):
            batch.append(row)
            if len(batch) >= _BATCH:
                store.write(batch)
                batch = []
    store.write(batch)
    store.sync()


def large_of(tags: int) -> list[int]:
    """The tags of the large repositories, as far as there are tags for them."""
    return [count for count in LARGE if count * 4 < tags]


def _rows(name: str, tags: int, stamp: int, chance: random.Random) -> Iterator[Change]:
    """Those of a repository whose images have a layer of their own each, and one in common."""
    shared = Digest.of(name.encode())
    yield from _blob(name, shared, _LAYER_BYTES, stamp)
    manifests = -(-max(1, tags) // _TAGS_OF_A_MANIFEST)
    for number in range(manifests):
        config, layer = (Digest.of(f"{name} {number} {part}".encode()) for part in "cl")
        yield from _blob(name, config, _CONFIG_BYTES, stamp)
        yield from _blob(name, layer, _LAYER_BYTES, stamp)
        body = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": descriptor("config.v1+json", config, _CONFIG_BYTES),
                "layers": [
                    descriptor("layer.v1.tar+gzip", each, _LAYER_BYTES) for each in (shared, layer)
                ],
            }
        ).encode()
        digest, dot = Digest.of(body), Dot("bench", 1, number + 1)
        key, push = keys.join(name, digest), Live(dot, stamp + 10 * number, "image")
        yield Mutation("manifests", key, rows.encode(Presence((push,))))
        yield Mutation("manifest_bytes", key, body)
        written = range(number * _TAGS_OF_A_MANIFEST, min(tags, (number + 1) * _TAGS_OF_A_MANIFEST))
        for each in written:
            tag = _tag(each, chance)
            head = Version(Dot("bench", 1, each + 2), stamp + 10 * number + 1, digest, "ann")
            yield Mutation("tags", keys.join(name, tag), rows.encode(Register((head,))))
            yield Mutation("tagged", keys.join(name, digest, tag), b"")
    yield Mutation("repositories", keys.join(name), rows.encode(RepositoryRow(manifests, 1)))


def _blob(name: str, digest: str, size: int, stamp: int) -> Iterator[Change]:
    held = Presence((Live(Dot("bench", 1, 1), stamp, str(size)),))
    yield Mutation("blobs", keys.join(name, digest), rows.encode(held))
    yield Mutation("linked", keys.join(digest, name), b"")


def descriptor(kind: str, digest: str, size: int) -> dict[str, object]:
    """Of a blob of an image; *kind* is what its media type ends with."""
    kind = f"application/vnd.oci.image.{kind}"
    return {"mediaType": kind, "digest": digest, "size": size}


def _tag(number: int, chance: random.Random) -> str:
    """Versions and commits, as a pipeline makes them."""
    if number % 2:
        return f"{chance.getrandbits(160):040x}"
    return f"{number // 2000}.{number // 40 % 50}.{number % 40}"
