"""
How soon does the desk answer at 100,000 repositories and 1,000,000 tags, and what does it keep?

Hypothesis: a page of repositories or tags takes less than 100 ms (p99), a search less than 50 ms,
nothing holds the event loop for more than 50 ms, and the counters take less than 1 KiB for each
repository.

Method: the rows that the desk reads are written to an index in RocksDB as pushes would have written
them, without logs and histories, which would take an hour. One repository has more tags than can be
sorted, one nearly as many, ten have 10,000; the others share the rest. A catalogue counts all of it
at the pace that a node has, and then answers questions, one after the other, of somebody who may
see everything and of somebody who may see one project in a hundred. A second task of the loop
notes how late it is woken. Orders of tags are forgotten before each question that is called cold.
Deciding who may see what is a look at a dictionary here; a node needs some ten microseconds for
each repository that it shows.
"""

import argparse
import asyncio
import gc
import random
import resource
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Final, NamedTuple

from bench.catalogue_rows import (
    LARGE,
    PROJECTS,
    REPOSITORIES,
    TAGS,
    fill,
    large_of,
    name_of,
    opened,
)
from bench.machine import describe_atoll, describe_machine
from bench.percentile import percentile
from bench.scratch import scratch
from cluster.model import Acknowledged, Dot
from node.blobs.memory import MemoryBlobs
from node.desk.catalogue import RepositorySort
from node.desk.catalogue_desk import CatalogueDesk
from node.desk.repositories import RepositoryQuery
from node.desk.tag_orders import TagSort
from node.desk.tag_table import TagFilter, TagQuery
from node.index.index import Index
from node.logs import get_logger
from node.registry.access import UNRESTRICTED, Access
from node.registry.names import RepositoryName

_QUESTIONS: Final = 300
_COLD_QUESTIONS: Final = 5

_SHARED_NUMBER_MAX: Final = 256
"""Python has one object for each smaller number."""


class OfProjects:
    """Somebody who may see some projects."""

    def __init__(self, projects: set[str]) -> None:
        self._projects = projects

    def may_pull(self, repository: str) -> bool:
        return repository.partition("/")[0] in self._projects

    def may_list(self, repository: str) -> bool:
        return self.may_pull(repository)

    def may_list_some(self, project: str) -> bool:
        return project in self._projects

    def may_see_who(self, repository: str) -> bool:
        return False

    def may_see_project(self, project: str) -> bool:
        return project in self._projects

    def may_see_layout(self) -> bool:
        return False


class Ready:
    """A node that has all that there is."""

    def check_writable(self, consistency: object) -> None:
        return

    async def ensure_joined(self) -> None:
        return

    async def ensure_current(self, *, patient: bool = False) -> bool:
        return True

    async def catch_up(self, *, near: bool = False) -> None:
        return

    async def wait_durable(self, dot: Dot, consistency: object) -> Acknowledged:
        raise NotImplementedError


def main() -> None:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(description="Time what the desk answers.")
    parser.add_argument("--repositories", type=int, default=REPOSITORIES)
    parser.add_argument("--tags", type=int, default=TAGS)
    given = parser.parse_args()
    for name, value in {**describe_machine(), "atoll": describe_atoll()}.items():
        print(f"- {name}: {value}")
    with scratch("desk") as directory:
        took = fill(directory / "index", given.repositories, given.tags)
        print(f"- rows of {given.repositories:,} repositories and {given.tags:,} tags written in "
              f"{took:.0f} s")  # fmt: skip
        asyncio.run(_measure(directory, given.repositories, given.tags))


async def _measure(directory: Path, repositories: int, tags: int) -> None:
    with closing(opened(directory / "index")) as index:
        gc.collect()
        before = _resident()
        desk = _desk(index)
        beat = Beat()
        tasks = [asyncio.create_task(desk.keeper.run()), asyncio.create_task(beat.run())]
        begun, worked = time.perf_counter(), time.process_time()
        await asyncio.sleep(0)
        await desk.keeper.wait_counted()
        took, cpu = time.perf_counter() - begun, time.process_time() - worked
        gc.collect()
        grown, kept = _resident() - before, _kept(desk)
        count = max(1, len(desk.keeper.catalogue))
        print(f"- counted in {took:.0f} s, {cpu:.1f} s of a core; the loop was held for "
              f"{beat.take() * 1e3:.0f} ms at the most")  # fmt: skip
        print(f"- memory: {kept / count:.0f} bytes for each repository in counters, names and "
              f"orders; {grown / (1 << 20):.1f} MiB more in this process, what RocksDB has read "
              "included")  # fmt: skip
        print("\n| question | p50 | p99 | most | p99 of a core | loop held |")
        print("|---|---|---|---|---|---|")
        for asked in _questions(desk, repositories, large_of(tags)):
            await _ask(asked, beat)
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def _kept(desk: CatalogueDesk) -> int:
    """Bytes of what the catalogue has: each object that only it has, once."""
    catalogue = desk.keeper.catalogue
    found = sys.getsizeof(catalogue._counts)
    for name, counts in catalogue._counts.items():
        numbers = (counts.tags, counts.bytes, counts.pushed, counts.conflicts)
        found += sys.getsizeof(name) + sys.getsizeof(counts)
        found += sum(sys.getsizeof(number) for number in numbers if number > _SHARED_NUMBER_MAX)
    for order in catalogue._orders.values():
        found += sum(map(sys.getsizeof, order._chunks))
    return found + len(catalogue._joined())


def _desk(index: Index) -> CatalogueDesk:
    metadata = index.metadata
    return CatalogueDesk.over(
        metadata,
        metadata,
        metadata,
        metadata,
        index.observe,
        Ready(),
        MemoryBlobs(),
        lambda name: False,
        get_logger("desk"),
    )


def _resident() -> int:
    """Bytes that this process has in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


class Beat:
    """How late the loop wakes who wants to be woken."""

    _EVERY_S: Final = 0.001

    def __init__(self) -> None:
        self._most = 0.0

    def take(self) -> float:
        """The latest since the last call, in seconds."""
        most, self._most = self._most, 0.0
        return most

    async def run(self) -> None:
        while True:
            begun = time.perf_counter()
            await asyncio.sleep(self._EVERY_S)
            self._most = max(self._most, time.perf_counter() - begun - self._EVERY_S)


class Question(NamedTuple):
    """Something that is asked again and again, each time with another number."""

    what: str
    ask: Callable[[int], Awaitable[object]]
    times: int = _QUESTIONS


def _questions(desk: CatalogueDesk, repositories: int, large: list[int]) -> Iterator[Question]:
    chance = random.Random(3)
    one_in_a_hundred = OfProjects({f"team-{number}" for number in range(0, PROJECTS, 100)})
    callers: tuple[tuple[str, Access], ...] = (
        ("all", UNRESTRICTED),
        ("1 in 100", one_in_a_hundred),
    )
    for who, access in callers:
        for sort in RepositorySort:
            yield Question(f"repositories by {sort}, {who}", _repositories(desk, sort, access))
        yield Question(f"repositories with a text, {who}", _with_text(desk, access, chance))
        yield Question(f"search: a part of a name, {who}", _search(desk, access, "service-4"))
        yield Question(f"search: what all names have, {who}", _search(desk, access, "e"))
        yield Question(f"search: nothing, {who}", _search(desk, access, "no-such-thing"))
        pasted = "docker pull registry.example/team-0/service-1000:0.0.0"
        yield Question(f"search: a pasted line, {who}", _search(desk, access, pasted))
        yield Question(f"search: a tag, {who}", _search(desk, access, "0.0.2"))
        yield Question(f"search: a digest, {who}", _search(desk, access, "sha256:" + "ab" * 32))
    for order in TagSort:
        yield Question(f"tags of any repository by {order}", _any_tags(desk, order, repositories))
    for number, count in enumerate(large[:3]):
        for order in TagSort:
            what = f"tags of one with {count:,} by {order}"
            yield Question(
                f"{what}, cold", _cold_tags(desk, name_of(number), order), _COLD_QUESTIONS
            )
            yield Question(what, _tags(desk, name_of(number), TagQuery(sort=order)))
    if len(large) < 3:
        return
    deep = TagQuery("f", TagSort.VERSION, TagFilter.ALL, "", "0:2.5.0")
    yield Question("tags of one with 10,000, a text", _tags(desk, name_of(2), deep))
    untagged = TagQuery(only=TagFilter.UNTAGGED)
    yield Question("images without a tag, of one with 10,000", _tags(desk, name_of(2), untagged))


def _repositories(
    desk: CatalogueDesk, sort: RepositorySort, access: Access
) -> Callable[[int], Awaitable[object]]:
    """Pages one after the other, and the first again behind the last."""
    after = ""

    async def ask(number: int) -> None:
        nonlocal after
        page = await desk.repositories.page(RepositoryQuery(sort=sort, after=after), access)
        after = page.after

    return ask


def _with_text(
    desk: CatalogueDesk, access: Access, chance: random.Random
) -> Callable[[int], Awaitable[object]]:
    def ask(number: int) -> Awaitable[object]:
        query = RepositoryQuery(f"service-{chance.randrange(1000)}", RepositorySort.PUSHED)
        return desk.repositories.page(query, access)

    return ask


def _search(desk: CatalogueDesk, access: Access, text: str) -> Callable[[int], Awaitable[object]]:
    return lambda number: desk.search.find(text, access)


def _tags(desk: CatalogueDesk, name: str, query: TagQuery) -> Callable[[int], Awaitable[object]]:
    return lambda number: desk.tags.page(RepositoryName(name), query, UNRESTRICTED)


def _any_tags(
    desk: CatalogueDesk, sort: TagSort, repositories: int
) -> Callable[[int], Awaitable[object]]:
    def ask(number: int) -> Awaitable[object]:
        name = name_of((number * 7919 + len(LARGE)) % repositories)
        return desk.tags.page(RepositoryName(name), TagQuery(sort=sort), UNRESTRICTED)

    return ask


def _cold_tags(desk: CatalogueDesk, name: str, sort: TagSort) -> Callable[[int], Awaitable[object]]:
    def ask(number: int) -> Awaitable[object]:
        desk.keeper.on_changed([name])
        return desk.tags.page(RepositoryName(name), TagQuery(sort=sort), UNRESTRICTED)

    return ask


async def _ask(question: Question, beat: Beat) -> None:
    took: list[float] = []
    worked: list[float] = []
    await asyncio.sleep(0.05)
    beat.take()
    for number in range(question.times):
        begun, before = time.perf_counter(), time.process_time()
        await question.ask(number)
        took.append(time.perf_counter() - begun)
        worked.append(time.process_time() - before)
        await asyncio.sleep(0.002)
    figures = (
        percentile(took, 50),
        percentile(took, 99),
        max(took),
        percentile(worked, 99),
        beat.take(),
    )
    shown = " | ".join(f"{each * 1e3:.1f} ms" for each in figures)
    print(f"| {question.what} | {shown} |", flush=True)


if __name__ == "__main__":
    main()
