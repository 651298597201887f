"""The one writer: it carries out changes in order and syncs them in groups, on a thread."""

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, Protocol, TypeVar

from node.errors import IndexFull, StorageFailure
from node.index.journal import Journal

T = TypeVar("T")

GROUP_MAX: Final = 256
"""Changes per sync. More waits longer for the first of them; fewer syncs more often."""

PENDING_MAX: Final = 4096
"""Changes waiting for the writer. When full, a new one waits for room."""


class IndexWriter(Protocol):
    """What carries out the changes of one index. The simulator has one without a thread."""

    on_durable: Callable[[], None]
    """Runs after each sync, before the answers."""

    @property
    def failed(self) -> OSError | None:
        """The failure that stopped the writer, if any; see `GroupCommit.failed`."""
        ...

    async def submit(self, change: Callable[[], T]) -> T:
        """Run *change* and return its result once it is durable; see `Writer.submit`."""
        ...

    def close(self) -> None:
        """Finish what was submitted and stop. Blocks until then."""
        ...


class Task(Generic[T]):
    """One change and who waits for it."""

    def __init__(self, change: Callable[[], T], loop: asyncio.AbstractEventLoop) -> None:
        self.change = change
        self.loop = loop
        self.future: asyncio.Future[T] = loop.create_future()
        self.outcome: T | BaseException | None = None

    def run(self) -> None:
        try:
            self.outcome = self.change()
        except Exception as exc:  # noqa: BLE001 - carried to the caller, who sees the traceback
            self.outcome = exc

    def settle(self, failure: OSError | None) -> None:
        outcome = self.outcome if failure is None else failure
        self.loop.call_soon_threadsafe(self._resolve, outcome)

    def _resolve(self, outcome: T | BaseException | None) -> None:
        if self.future.done():
            return  # cancelled; the change itself stands
        if isinstance(outcome, IndexFull):
            self.future.set_exception(outcome)
        elif isinstance(outcome, OSError):
            error = StorageFailure()
            error.__cause__ = outcome
            self.future.set_exception(error)
        elif isinstance(outcome, BaseException):
            self.future.set_exception(outcome)
        else:
            self.future.set_result(outcome)  # type: ignore[arg-type]


class GroupCommit:
    """
    Many changes, one sync, and only then the answers. Knows no thread and no loop.

    Changes see each other's writes in the order of submission; a reader may see a change shortly
    before it is durable, but nobody is told of it before.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.on_durable: Callable[[], None] = lambda: None
        """Runs after each sync, before the answers."""
        self._failed: OSError | None = None
        self._full = False

    @property
    def failed(self) -> OSError | None:
        """
        The failure that stopped the writer, if any.

        After a failed sync nobody knows what is on the disk (the kernel may have dropped the
        dirty pages), so the writer refuses everything until the process starts again. A full disk
        is no such failure: each group tries to recover from it.
        """
        return self._failed

    def run_changes(self, group: Sequence[Task[Any]]) -> OSError | None:
        """Carry out *group*, durable after `seal`; returns why nothing can be, if so."""
        if self._failed is not None:
            return self._failed
        try:
            if self._full:
                self._journal.recover()
                self._full = False
            for task in group:
                task.run()
        except OSError as exc:
            return self._note(exc)
        return None

    def seal(self) -> OSError | None:
        """Sync what was carried out and tell of it; returns why that failed, if it did."""
        try:
            self._journal.store.sync()
        except OSError as exc:
            return self._note(exc)
        self._journal.mark_durable()
        self.on_durable()
        return None

    def _note(self, exc: OSError) -> OSError:
        if isinstance(exc, IndexFull):
            self._full = True
        else:
            self._failed = exc
        return exc


class Writer(GroupCommit):
    """The group commit of a real node, on a thread of its own."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(journal)
        self._queue: queue.SimpleQueue[Task[object] | None] = queue.SimpleQueue()
        self._room = threading.BoundedSemaphore(PENDING_MAX)
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="index-writer", daemon=True)
        self._thread.start()

    async def submit(self, change: Callable[[], T]) -> T:
        """
        Run *change* on the writer thread and return its result once it is durable.

        Cancelling the wait does not undo the change.

        Raises:
            IndexFull: the disk is full; nothing of *change* may be acknowledged.
            StorageFailure: the storage failed; what *change* raises otherwise.
        """
        if self._failed is not None or self._closed:
            raise StorageFailure from self._failed
        loop = asyncio.get_running_loop()
        if not self._room.acquire(blocking=False):
            await loop.run_in_executor(None, self._room.acquire)
        task = Task(change, loop)
        self._queue.put(task)  # type: ignore[arg-type]
        return await task.future

    def close(self) -> None:
        """Finish what was submitted and stop. Blocks until then."""
        self._closed = True
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            group, last = self._next_group()
            failure = self.run_changes(group) or self.seal() if group else None
            for task in group:
                task.settle(failure)
                self._room.release()
            if last:
                return

    def _next_group(self) -> tuple[list[Task[object]], bool]:
        group: list[Task[object]] = []
        task = self._queue.get()
        while task is not None:
            group.append(task)
            if len(group) >= GROUP_MAX:
                return group, False
            try:
                task = self._queue.get_nowait()
            except queue.Empty:
                return group, False
        return group, True
