"""
Is anything read that a 201 had replaced before the read began?

Hypothesis: never, though most reads are answered from what a node remembers.

Method: three nodes of one region. Writers push, push again what a tag pointed to before, and
delete, by tag and by digest, each through any of the nodes, and read each write back at the others
as soon as it is acknowledged. Readers in processes of their own read the same tags and listings of
all nodes all the while, with the same few header blocks; writes and reads keep step. All note when
they began, when they were answered, and what they read; in the end each read is held against the
writes (`bench.stale_history`).
"""

import argparse
import hashlib
import json
import multiprocessing
import random
import socket
import sys
import time
import urllib.request
from array import array
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple

from bench.machine import describe_machine
from bench.manifests import IMAGE, image_manifest
from bench.raw_http import Connection, push_blob
from bench.scratch import scratch
from bench.stale_history import NOTHING, UNKNOWN, TagHistory, Write
from tests.e2e.serve_cluster import ServeCluster

_REPOSITORIES = 16
_TAGS = 4
"""Of each."""
_WRITERS = 8
_READERS = 2
_PAUSE_S = 0.002
_BLOB = b"every layer of every image"

_KINDS: Final = ("GET", "HEAD", "list")


class Found(NamedTuple):
    """What a run came to."""

    writes: int
    unknown: int
    reads: int
    refused: int
    """Neither an answer nor a "not found"."""

    remembered: int
    """Reads that a node answered from what it remembered."""

    stale: list[str]
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description="Reads of what a 201 had replaced.")
    parser.add_argument("--writes", type=int, default=10_000)
    parser.add_argument("--reads", type=int, default=1_000_000)
    arguments = parser.parse_args()
    for name, value in describe_machine().items():
        print(f"- {name}: {value}")
    with scratch("stale") as directory:
        found = run(directory, arguments.writes, arguments.reads)
    print(
        f"{found.writes:,} writes ({found.unknown} without an answer) and {found.reads:,} reads "
        f"({found.remembered:,} of them remembered, {found.refused} refused) of three nodes in "
        f"{found.seconds:.0f} s: {len(found.stale)} reads of what had been replaced"
    )
    print("\n".join(found.stale[:20]))
    sys.exit(1 if found.stale else 0)


def run(directory: Path, writes: int, reads: int) -> Found:
    """Let so many writes and reads at least meet."""
    quiet = ("--log-level", "error")
    with ServeCluster(directory=directory, regions=("eu",), options=quiet) as cluster:
        addresses = [node.http for node in cluster.nodes]
        with Connection(addresses[0]) as connection:
            for repository in range(_REPOSITORIES):
                push_blob(connection, _repository(repository), _digest(_BLOB), _BLOB)
        began = time.monotonic()
        histories, seen = _meet(addresses, writes, reads)
        seconds = time.monotonic() - began
        remembered = sum(_remembered(node.admin) for node in cluster.nodes)
    judged = {tag: TagHistory(history) for tag, history in histories.items()}
    stale = [text for batch in seen for text in _stale(judged, batch)]
    done = [write for history in histories.values() for write in history]
    return Found(
        writes=len(done),
        unknown=sum(write.end == UNKNOWN for write in done),
        reads=sum(len(batch.kinds) for batch in seen),
        refused=sum(batch.refused for batch in seen),
        remembered=remembered,
        stale=stale,
        seconds=seconds,
    )


class Seen:
    """What one reader read."""

    def __init__(self) -> None:
        self.kinds, self.tags = array("B"), array("H")
        self.values = array("q")
        self.starts, self.ends = array("d"), array("d")
        self.refused = 0

    def note(self, kind: int, tag: int, value: int, start: float, end: float) -> None:
        self.kinds.append(kind)
        self.tags.append(tag)
        self.values.append(value)
        self.starts.append(start)
        self.ends.append(end)

    def __iter__(self) -> Iterator[tuple[int, int, int, float, float]]:
        return zip(self.kinds, self.tags, self.values, self.starts, self.ends, strict=True)


def _stale(histories: dict[int, TagHistory], seen: Seen) -> Iterator[str]:
    for kind, tag, value, start, end in seen:
        may = histories[tag].may_read(start, end)
        if _KINDS[kind] == "list":
            may = {int(each != NOTHING) for each in may}
        if value not in may:
            yield f"{_KINDS[kind]} of tag {tag} at {start:.6f} to {end:.6f}: {value:x}, not {may}"


def _meet(
    addresses: Sequence[str], writes: int, reads: int
) -> tuple[dict[int, list[Write]], list[Seen]]:
    """Write and read beside each other until there is enough of both."""
    context = multiprocessing.get_context("spawn")
    stop, left = context.Event(), context.Value("q", reads)
    results: Any = context.Queue()
    readers = [
        context.Process(target=_read, args=(addresses, seed, stop, left, results))
        for seed in range(_READERS)
    ]
    for reader in readers:
        reader.start()
    try:
        with ThreadPoolExecutor(_WRITERS) as threads:
            share = writes // _WRITERS
            jobs = [
                threads.submit(_write, addresses, number, share, lambda: 1 - left.value / reads)
                for number in range(_WRITERS)
            ]
            written = [job.result() for job in jobs]
            while left.value > 0:
                time.sleep(_PAUSE_S)
    finally:
        stop.set()
    seen = [results.get() for _ in readers]
    for reader in readers:
        reader.join()
    histories = {tag: history for found, _ in written for tag, history in found.items()}
    return histories, [*seen, *(echoes for _, echoes in written)]


def _write(
    addresses: Sequence[str], number: int, count: int, reads_done: Callable[[], float]
) -> tuple[dict[int, list[Write]], Seen]:
    """Write the tags of writer *number*, *count* times, in step with *reads_done*."""
    rng, seen = random.Random(number), Seen()
    tags = range(number, _REPOSITORIES * _TAGS, _WRITERS)
    histories: dict[int, list[Write]] = {tag: [] for tag in tags}
    pushed: dict[int, list[bytes]] = {tag: [] for tag in tags}
    with ExitStack() as stack:
        nodes = [stack.enter_context(Connection(address)) for address in addresses]
        for written in range(count):
            while written / count > reads_done():
                time.sleep(_PAUSE_S)
            tag = rng.choice(tags)
            history = histories[tag]
            there = history[-1].value if history else NOTHING
            body = pushed[tag][-1] if there else b""
            path = f"/v2/{_repository(tag // _TAGS)}/manifests/"
            at = rng.randrange(len(nodes))
            if there and rng.random() < 0.15:
                reference = _digest(body) if rng.random() < 0.5 else f"t{tag}"
                start = time.monotonic()
                status = nodes[at].request("DELETE", path + reference, None).status
                value = NOTHING
            else:
                if pushed[tag] and rng.random() < 0.25:
                    body = rng.choice(pushed[tag][-8:])
                else:
                    body = image_manifest(_digest(_BLOB), len(_BLOB), f"{tag} {written}")
                pushed[tag].append(body)
                value = _value(_digest(body))
                kind = {"Content-Type": IMAGE}
                start = time.monotonic()
                answer = nodes[at].request("PUT", f"{path}t{tag}", None, body=body, headers=kind)
                status = answer.status
            stands = status in (201, 202)
            history.append(Write(start, time.monotonic() if stands else UNKNOWN, value))
            for each in nodes[at + 1 :] + nodes[:at]:
                _echo(each, path, tag, seen)
    return histories, seen


def _echo(node: Connection, path: str, tag: int, seen: Seen) -> None:
    start = time.monotonic()
    answer = node.request("GET", f"{path}t{tag}", None)
    found = answer.headers.get("docker-content-digest")
    if answer.status in (200, 404):
        seen.note(0, tag, NOTHING if found is None else _value(found), start, time.monotonic())
    else:
        seen.refused += 1


def _read(addresses: Sequence[str], seed: int, stop: Any, left: Any, results: Any) -> None:
    """Read of all nodes at a time until *stop*. A process of its own."""
    rng, seen, clock = random.Random(f"reader {seed}"), Seen(), time.monotonic
    sockets = [socket.create_connection(_split(address), 30) for address in addresses]
    for each in sockets:
        each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    asked: dict[tuple[int, int, int], bytes] = {}
    while not stop.is_set():
        for _ in range(100):
            tag = int(rng.random() ** 2 * _REPOSITORIES * _TAGS)
            kind = rng.choice((0, 0, 0, 1, 2))
            start = clock()
            for at, each in enumerate(sockets):
                block = asked.get((at, tag, kind))
                if block is None:
                    block = asked[at, tag, kind] = _block(addresses[at], tag, kind)
                each.sendall(block)
            for each in sockets:
                status, value = _answer(each, tag, kind)
                if status in (200, 404):
                    seen.note(kind, tag, value, start, clock())
                else:
                    seen.refused += 1
        with left.get_lock():
            left.value -= 100 * len(sockets)
    results.put(seen)


def _block(address: str, tag: int, kind: int) -> bytes:
    repository = f"/v2/{_repository(tag // _TAGS)}"
    path = f"{repository}/tags/list" if kind == 2 else f"{repository}/manifests/t{tag}"
    method = "HEAD" if kind == 1 else "GET"
    return f"{method} {path} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode()


def _answer(source: socket.socket, tag: int, kind: int) -> tuple[int, int]:
    """The status, and what was read: what the tag points to, or whether it is listed."""
    data = source.recv(65536)
    while (end := data.find(b"\r\n\r\n")) < 0:
        data += source.recv(65536)
    head = data[:end].lower()
    length = 0 if kind == 1 else int(head.partition(b"\r\ncontent-length: ")[2].split(b"\r\n")[0])
    while len(data) < end + 4 + length:
        data += source.recv(65536)
    status = int(head[9:12])
    if kind == 2:
        listed = json.loads(data[end + 4 :]).get("tags", []) if status == 200 else []
        return status, int(f"t{tag}" in listed)
    digest = head.partition(b"\r\ndocker-content-digest: ")[2].split(b"\r\n")[0].decode()
    return status, _value(digest) if status == 200 else NOTHING


def _remembered(admin: str) -> int:
    with urllib.request.urlopen(f"http://{admin}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    names = ("atoll_remembered_at_once_total ", "atoll_remembered_when_parsed_total ")
    return sum(int(float(line.split()[1])) for line in lines if line.startswith(names))


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.partition(":")
    return host, int(port)


def _repository(number: int) -> str:
    return f"stale/app{number}"


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _value(digest: str) -> int:
    return int(digest[7:22], 16)


if __name__ == "__main__":
    main()
