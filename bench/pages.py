"""
How soon does a node give its pages, at 100,000 repositories and 1,000,000 tags?

Hypothesis: each page in less than 100 ms (p99), a search in less than 50 ms; and where a node of
another region is frozen, each page in less than 100 ms, with a word on who is missing.

Method: one node, whose index has the rows that so many pushes would have left (`bench.desk`), and
some images that were really pushed. When it has counted all of it, each page is fetched again and
again, all pages in turn, over one connection. It has no figures of what its network and the browser
add. Then three nodes in three regions, of which one is frozen (SIGSTOP): each page in turn from
another one, from that moment on, and how long it takes until the overview names the frozen one.
"""

import argparse
import json
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from bench.catalogue_rows import PROJECTS, REPOSITORIES, TAGS, descriptor, fill, name_of
from bench.machine import describe_atoll, describe_machine
from bench.manifests import IMAGE
from bench.percentile import percentile
from bench.raw_http import Connection, push_blob, push_manifest
from bench.scratch import scratch
from cluster.model import Digest
from tests.e2e.serve_cluster import ServeCluster, ServeProcess

_ROUNDS: Final = 200
_WARM_UP: Final = 10
_IMAGES: Final = 20
_SHOWN: Final = "pushed/app"
_COUNTED_S: Final = 3600.0
_NAMED_S: Final = 30.0
_HTML: Final = {"Accept": "text/html"}


class Page(NamedTuple):
    """A page, and its address in a round."""

    name: str
    path: Callable[[int], str]


class Readings(NamedTuple):
    """Of a page: seconds of each answer, and the bytes of the largest."""

    seconds: list[float]
    size: int


def main() -> None:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(description="Time the pages of a node.")
    parser.add_argument("--repositories", type=int, default=REPOSITORIES)
    parser.add_argument("--tags", type=int, default=TAGS)
    parser.add_argument("--rounds", type=int, default=_ROUNDS)
    given = parser.parse_args()
    for name, value in {**describe_machine(), "atoll": describe_atoll()}.items():
        print(f"- {name}: {value}")
    with scratch("pages") as directory:
        _many(directory, given.repositories, given.tags, given.rounds)
        _frozen(directory, given.rounds)


def _many(directory: Path, repositories: int, tags: int, rounds: int) -> None:
    node = ServeProcess.alone(directory / "many", options=("--log-level", "error"))
    try:
        node.start()
        node.wait_ready()
        with Connection(node.http) as connection:
            digests = [_push(connection, number) for number in range(_IMAGES)]
        node.stop()
        took = fill(node.data_dir / "index", repositories, tags, node.name)
        print(f"- rows of {repositories:,} repositories and {tags:,} tags written in {took:.0f} s")
        begun = time.perf_counter()
        node.start()
        node.wait_ready()
        print(f"- ready {time.perf_counter() - begun:.1f} s after it was started")
        _wait_counted(node)
        with Connection(node.http) as connection:
            print(f"- all counted {time.perf_counter() - begun:.0f} s after it was started\n")
            pages = list(_pages(repositories, digests))
            _tell(_ask(connection, pages, range(-_WARM_UP, rounds)))
    finally:
        node.stop()


def _push(connection: Connection, number: int) -> str:
    """Push an image as `1.NUMBER.0`; returns its digest."""
    layers = [f"layer {number} {each} ".encode() * 300 for each in range(8)]
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [Digest.of(each) for each in layers]},
            "history": [{"created_by": f"RUN step {each}"} for each in range(len(layers))],
        }
    ).encode()
    for blob in (config, *layers):
        push_blob(connection, _SHOWN, Digest.of(blob), blob)
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": IMAGE,
            "config": descriptor("config.v1+json", Digest.of(config), len(config)),
            "layers": [
                descriptor("layer.v1.tar+gzip", Digest.of(each), len(each)) for each in layers
            ],
        }
    ).encode()
    push_manifest(connection, _SHOWN, f"1.{number}.0", IMAGE, manifest)
    return Digest.of(manifest)


def _wait_counted(node: ServeProcess) -> None:
    until = time.perf_counter() + _COUNTED_S
    while True:
        with Connection(node.http) as connection:
            answer = connection.request("GET", "/atoll/v1/repositories?n=1", 200)
        if not json.loads(answer.body)["note"]:
            return
        if time.perf_counter() > until:
            raise SystemExit("the repositories are not counted yet")
        time.sleep(1)


def _pages(repositories: int, digests: Sequence[str]) -> Iterator[Page]:
    yield from _pages_of_images(digests)
    for sort in ("name", "pushed", "size", "tags"):
        yield Page(f"repositories by {sort}", partial("/ui/repos?sort={0}".format, sort))
    yield Page("repositories with a text", lambda n: f"/ui/repos?q=service-{n}")

    def some(n: int) -> str:
        return name_of((n * 7919 + 12) % repositories)

    yield Page("a repository", lambda n: f"/ui/i/{some(n)}")
    yield Page("one with many tags", lambda n: f"/ui/i/{name_of(0)}")
    yield Page("one with many tags, a text", lambda n: f"/ui/i/{name_of(0)}?q={n}.1")
    yield Page("its images without a tag", lambda n: f"/ui/i/{name_of(0)}?only=untagged")
    yield Page("a tag of it", lambda n: f"/ui/i/{name_of(0)}:0.0.0")
    yield Page("a project", lambda n: f"/ui/p/team-{n % min(PROJECTS, repositories)}")
    searches = {
        "a part of a name": "service-{}",
        "what all names have": "e",
        "nothing": "no-such-thing-{}",
        "a tag": "0.{}.2",
        "a digest": "sha256%3A{:064x}",
    }
    for name, text in searches.items():
        yield Page(f"search: {name}", f"/ui/search?q={text}".format)


def _pages_of_images(digests: Sequence[str]) -> Iterator[Page]:
    yield Page("overview", lambda n: "/ui/")
    yield Page("activity", lambda n: "/ui/activity")
    yield Page("cluster", lambda n: "/ui/cluster")
    yield Page("a tag", lambda n: f"/ui/i/{_SHOWN}:1.{n % len(digests)}.0")
    yield Page("an image", lambda n: f"/ui/i/{_SHOWN}@{digests[n % len(digests)]}")
    yield Page("its repository", lambda n: f"/ui/i/{_SHOWN}")


def _ask(
    connection: Connection, pages: Sequence[Page], numbers: Iterable[int]
) -> dict[str, Readings]:
    """Fetch all *pages* in turn, once for each number; those below 0 do not count."""
    found = {page.name: Readings([], 0) for page in pages}
    for number in numbers:
        for page in pages:
            path = page.path(abs(number))
            begun = time.perf_counter()
            answer = connection.request("GET", path, 200, headers=_HTML)
            took = time.perf_counter() - begun
            if number >= 0:
                seconds, size = found[page.name]
                seconds.append(took)
                found[page.name] = Readings(seconds, max(size, len(answer.body)))
    return found


def _tell(found: dict[str, Readings]) -> None:
    print("| page | p50 | p99 | most | bytes |\n|---|---|---|---|---|")
    for name, (seconds, size) in found.items():
        times = (percentile(seconds, 50), percentile(seconds, 99), max(seconds))
        print(f"| {name} | {' | '.join(f'{each * 1e3:.1f} ms' for each in times)} | {size:,} |")


def _frozen(directory: Path, rounds: int) -> None:
    """The pages of a node from the moment on at which one of another region stands still."""
    options = ("--log-level", "error")
    with ServeCluster(directory=directory, options=options) as cluster:
        first, second, _ = cluster.nodes
        with Connection(first.http) as connection, ThreadPoolExecutor(1) as pool:
            digests = [_push(connection, number) for number in range(_IMAGES)]
            pages = list(_pages_of_images(digests))
            _ask(connection, pages, range(-_WARM_UP, 0))
            os.kill(second.pid, signal.SIGSTOP)
            try:
                named = pool.submit(_until_named, first, second.name)
                found = _ask(connection, pages, range(rounds))
                named_s = named.result()
            finally:
                os.kill(second.pid, signal.SIGCONT)
    print("\nFrom the moment on at which a node of another region is frozen:\n")
    _tell(found)
    print(f"\nThe node says that it is missing {named_s:.1f} s after it froze.")


def _until_named(node: ServeProcess, missing: str) -> float:
    """Seconds until what needs attention names *missing*; raises SystemExit if it never does."""
    begun = time.perf_counter()
    with Connection(node.http) as connection:
        while (took := time.perf_counter() - begun) < _NAMED_S:
            answer = connection.request("GET", "/atoll/v1/attention", 200)
            concerns = json.loads(answer.body)["attention"]
            if any(each["subject"]["name"] == missing for each in concerns):
                return took
            time.sleep(0.1)
    raise SystemExit(f"nothing says that {missing} is missing")


if __name__ == "__main__":
    main()
