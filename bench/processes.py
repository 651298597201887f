"""
What would HTTP processes beside one owner of the index cost, and would they read what was written?

Hypothesis: a process that remembers answers needs the owner only after a write. It compares one
word of shared memory, which the owner changes before it says that a write is done, and never
answers with what was replaced before the read began. To read the owner's files as a RocksDB
secondary is dearer: each write has to be caught up with.

Method: one process owns an index of 5,000 manifests. Another one sends it changes as values
(`node.registry.values`) over a pair of sockets, asks it for tags, remembers them, and opens its
files. Times are medians of one after the other. Then a thread writes one tag again and again, while
another one reads it: a read is stale that finds less than what was acknowledged before it began.
They are counted with the word, and without it, to see that they would be noticed.
`python -m bench.processes` prints it.
"""

import asyncio
import multiprocessing
import operator
import random
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import closing
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from statistics import median
from typing import Any, Final

import msgspec
from rocksdict import AccessType, Rdict

from bench.machine import describe_machine
from bench.manifests import IMAGE, image_manifest
from bench.scratch import scratch
from cluster import HybridClock, SystemClock
from cluster.model import Digest, NodeId, plain
from node.index.index import open_index
from node.index.rocks import RocksStore
from node.index.rocks_options import MEMORY_BYTES, database_options, share_memory
from node.index.store import FAMILIES
from node.registry.values import AddBlob, ManifestRecord, PutManifest, Tagged

_REPOSITORY: Final = "bench/processes"
_CONFIG: Final = Digest.of(b"config")
_MANIFESTS: Final = 5_000
_WRITES: Final = 200
_READS: Final = 20_000
_CAUGHT_UP: Final = 50
_BESIDE: Final = 1_000
"""Writes of a tag that is read meanwhile."""

_LENGTH: Final = struct.Struct("!I")
_WORD: Final = struct.Struct("=Q")


class Word:
    """The number of the last change, for all processes."""

    def __init__(self, memory: SharedMemory) -> None:
        self._memory: Any = memory

    def get(self) -> int:
        found: int = _WORD.unpack_from(self._memory.buf)[0]
        return found

    def set(self, number: int) -> None:
        _WORD.pack_into(self._memory.buf, 0, number)


class Ask(msgspec.Struct, frozen=True, tag=True):
    """What does a tag point to?"""

    tag: str


_ASKED: msgspec.msgpack.Decoder[PutManifest | Ask] = msgspec.msgpack.Decoder(
    PutManifest | Ask, dec_hook=operator.call
)
_FOUND: msgspec.msgpack.Decoder[Tagged | None] = msgspec.msgpack.Decoder(
    Tagged | None, dec_hook=operator.call
)


def push(number: int, tag: str) -> PutManifest:
    body = image_manifest(_CONFIG, 6, str(number))
    return PutManifest(_REPOSITORY, Digest.of(body), ManifestRecord(IMAGE, body), (tag,))


async def _own(path: Path, end: socket.socket, word: Word) -> None:
    """Own the index: fill it, say what this process takes, then do what is asked."""
    wall = SystemClock()
    index = open_index(
        RocksStore(path), NodeId("n"), HybridClock(wall), wall, random.Random(), lambda *_: None
    )
    with closing(index):
        store: Any = index.journal.store
        await index.metadata.put(AddBlob(_REPOSITORY, _CONFIG, 6, held=True))
        for start in range(0, _MANIFESTS, 100):
            async with asyncio.TaskGroup() as group:
                for n in range(start, start + 100):
                    group.create_task(index.metadata.put(push(n, f"v{n}")))
        took = _each(_READS, lambda n: index.metadata.tagged(_REPOSITORY, f"v{n % _MANIFESTS}"))
        word.set(store.sequence)
        reader, writer = await asyncio.open_connection(sock=end)
        answer: object = took
        while True:
            data = msgspec.msgpack.encode(answer, enc_hook=plain)
            writer.write(_LENGTH.pack(len(data)) + data)
            try:
                (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
            except asyncio.IncompleteReadError:
                return
            asked = _ASKED.decode(await reader.readexactly(length))
            if isinstance(asked, Ask):
                answer = index.metadata.tagged(_REPOSITORY, asked.tag)
            else:
                answer = await index.metadata.put(asked)
                word.set(store.sequence)


def own(path: Path, end: socket.socket, word: Word) -> None:
    asyncio.run(_own(path, end, word))


class Owner:
    """The other end: the owner as another process has it."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._one_at_a_time = threading.Lock()

    def call(self, asked: PutManifest | Ask) -> bytes:
        data = msgspec.msgpack.encode(asked, enc_hook=plain)
        with self._one_at_a_time:
            self._end.sendall(_LENGTH.pack(len(data)) + data)
            return self.answer()

    def ask(self, tag: str) -> Tagged | None:
        return _FOUND.decode(self.call(Ask(tag)))

    def answer(self) -> bytes:
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size))
        return self._exactly(length)

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            data += self._end.recv(count - len(data)) or _gone()
        return data


def _gone() -> bytes:
    raise SystemExit("the owner of the index is gone")


class Remembered:
    """What another process remembers of the owner's tags."""

    def __init__(self, owner: Owner, word: Word) -> None:
        self._owner = owner
        self._word = word
        self._answers: dict[str, tuple[int, Tagged | None]] = {}
        self.asked = 0

    def tagged(self, tag: str, *, trust: bool = False) -> Tagged | None:
        """What *tag* points to; with *trust* whatever was found first."""
        # Before the owner is asked: what it writes meanwhile makes the answer old, not wrong.
        written = self._word.get()
        known = self._answers.get(tag)
        if known is not None and (trust or known[0] == written):
            return known[1]
        self.asked += 1
        found = self._owner.ask(tag)
        self._answers[tag] = written, found
        return found


def _each(count: int, do: Callable[[int], object]) -> float:
    """Microseconds of one, the median over tenths of *count*."""
    took: list[float] = []
    for part in range(10):
        begun = time.perf_counter()
        for n in range(part * count // 10, (part + 1) * count // 10):
            do(n)
        took.append((time.perf_counter() - begun) * 10 / count)
    return median(took) * 1e6


def _beside(owner: Owner, remembered: Remembered, first: int, *, trust: bool) -> str:
    """Read a tag while another thread of this process has it written; count what is stale."""
    acknowledged, over = [-1], threading.Event()
    changes = [push(first + n, "hot") for n in range(_BESIDE)]
    numbers = {change.digest: n for n, change in enumerate(changes)}

    def write() -> None:
        for n, change in enumerate(changes):
            owner.call(change)
            acknowledged[0] = n
        over.set()

    remembered.tagged("hot")
    asked = remembered.asked
    writer = threading.Thread(target=write)
    writer.start()
    reads = stale = 0
    while not over.is_set():
        before = acknowledged[0]
        found = remembered.tagged("hot", trust=trust)
        reads += 1
        stale += before >= 0 and (found is None or numbers.get(found.digest, -1) < before)
    writer.join()
    asked = remembered.asked - asked
    return f"{stale:,} of {reads:,} reads stale beside {_BESIDE:,} writes; {asked:,} were asked"


def _catch_up_us(path: Path, own: Path, write: Callable[[int], object]) -> float:
    """What it costs another process to have a push in what it reads of the owner's files."""
    options = database_options()
    # A table that compaction has replaced can be read as long as it is open.
    options.set_max_open_files(-1)
    families = share_memory(options, FAMILIES, MEMORY_BYTES)
    db: Any = Rdict(str(path), options, families, AccessType.secondary(str(own)))
    took: list[float] = []
    for n in range(_CAUGHT_UP):
        write(n)
        begun = time.process_time()
        db.try_catch_up_with_primary()
        took.append(time.process_time() - begun)
    db.close()
    return median(took) * 1e6


def run(directory: Path) -> list[str]:
    """Measure in *directory*; returns what was found, in lines of Markdown."""
    mine, its = socket.socketpair()
    memory = SharedMemory(create=True, size=_WORD.size)
    word = Word(memory)
    path = directory / "index"
    process = multiprocessing.get_context("spawn").Process(target=own, args=(path, its, word))
    process.start()
    its.close()
    try:
        owner = Owner(mine)
        here_us = msgspec.msgpack.decode(owner.answer(), type=float)
        remembered = Remembered(owner, word)
        tags = [f"v{n}" for n in range(_MANIFESTS)]
        ask_us = _each(_MANIFESTS, lambda n: remembered.tagged(tags[n]))
        known_us = _each(_READS, lambda n: remembered.tagged(tags[n % _MANIFESTS]))
        changes = [push(n, "sent") for n in range(_WRITES)]
        encoded = [msgspec.msgpack.encode(change, enc_hook=plain) for change in changes]
        codec_us = _each(_WRITES, lambda n: msgspec.msgpack.encode(changes[n], enc_hook=plain))
        codec_us += _each(_WRITES, lambda n: _ASKED.decode(encoded[n]))
        secondary = directory / "secondary"
        caught_up_us = _catch_up_us(path, secondary, lambda n: owner.call(push(n, "files")))
        return [
            "| one after the other, median | µs |",
            "|---|---:|",
            f"| a tag, looked up by the owner | {here_us:.1f} |",
            f"| a tag, remembered by another process, and the word compared | {known_us:.1f} |",
            f"| a tag, asked of the owner | {ask_us:.1f} |",
            f"| to catch up with one push in the owner's files (CPU time) | {caught_up_us:,.0f} |",
            f"| a push as a value, to encode and to decode | {codec_us:.1f} |",
            "",
            f"- with the word: {_beside(owner, remembered, 0, trust=False)}",
            f"- without it: {_beside(owner, remembered, _BESIDE, trust=True)}",
        ]
    finally:
        mine.close()
        process.join()
        memory.close()
        memory.unlink()


def main() -> None:
    for name, value in describe_machine().items():
        print(f"- {name}: {value}")
    print()
    with scratch("processes") as directory:
        print("\n".join(run(directory)))


if __name__ == "__main__":
    main()
