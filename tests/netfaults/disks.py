"""What is on the disks of the stopped nodes: sound by itself, and the same everywhere."""

import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from node.index.index import index_path
from node.index.rocks import RocksStore
from node.index.store import END, SHARED_FAMILIES
from tests.e2e.processes import LOG_TAIL_BYTES, atoll_command, clean_environment
from tests.netfaults.violation import Violation

_FSCK_TIMEOUT_S: Final = 60.0


def _rows(data_dir: Path) -> dict[str, dict[bytes, bytes]]:
    """Every row of a stopped node's index that other nodes should have too, by family."""
    store = RocksStore(index_path(data_dir), read_only=True)
    try:
        return {family: dict(store.scan(family, b"", END)) for family in SHARED_FAMILIES}
    finally:
        store.close()


def check_disks(data_dirs: dict[str, Path]) -> Iterable[Violation]:
    """`fsck` finds nothing on any disk, and the indexes have the same rows."""
    for node, data_dir in data_dirs.items():
        done = subprocess.run(
            [*atoll_command(), "fsck", str(data_dir)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=clean_environment(),
            timeout=_FSCK_TIMEOUT_S,
            check=False,
        )
        if done.returncode != 0:
            output = done.stdout.decode(errors="replace")[-LOG_TAIL_BYTES:]
            yield Violation("fsck found a problem", (), f"{node}: {output}")
    rows = {node: _rows(data_dir) for node, data_dir in data_dirs.items()}
    first, *others = rows
    for other in others:
        for family in SHARED_FAMILIES:
            one, two = rows[first][family], rows[other][family]
            keys = [key for key in one.keys() | two.keys() if one.get(key) != two.get(key)]
            if keys:
                text = f"{first} and {other}: {family}, {len(keys)} rows, such as {min(keys)!r}"
                yield Violation("the indexes differ", (), text)
