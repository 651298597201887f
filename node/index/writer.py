"""The one writer: it carries out changes in order and syncs them in groups, on a thread."""

import asyncio
import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, TypeVar

from cluster.errors import StorageFailure
from node.errors import IndexDamaged, IndexPaused
from node.index.journal import Journal, Transaction

T = TypeVar("T")

GROUP_MAX: Final = 256
"""Changes per sync. More waits longer for the first of them; fewer syncs more often."""

PENDING_MAX: Final = 4096
"""Changes waiting for the writer. When full, a new one waits for room."""

TRIES_MAX: Final = 3
"""Attempts to go on after an IO error. More keep a broken disk in use; fewer end with a hiccup."""

RETRY_S: Final = 1.0
"""How often a failed store is tried when nobody writes."""


class Task(Generic[T]):
    """One change and who waits for it."""

    def __init__(
        self,
        change: Callable[[], T],
        loop: asyncio.AbstractEventLoop,
        on_settled: Callable[[], object] = lambda: None,
        *,
        synced: bool = True,
    ) -> None:
        """*on_settled* runs on *loop* when the change is over, whether anybody waits or not."""
        self.change = change
        self.loop = loop
        self.synced = synced
        self._on_settled = on_settled
        self._settled = False
        self.future: asyncio.Future[T] = loop.create_future()
        self.outcome: T | BaseException | None = None

    def run(self) -> None:
        try:
            self.outcome = self.change()
        except Exception as exc:  # noqa: BLE001 - carried to the caller, who sees the traceback
            self.outcome = exc

    def settle(self, failure: StorageFailure | None) -> None:
        """Tell who waits, unless that was done."""
        if not self._settled:
            self._settled = True
            outcome = self.outcome if failure is None else failure
            self.loop.call_soon_threadsafe(self._resolve, outcome)

    def _resolve(self, outcome: T | BaseException | None) -> None:
        self._on_settled()
        if self.future.done():
            return  # cancelled; the change itself stands
        if isinstance(outcome, BaseException):
            self.future.set_exception(outcome)
        else:
            self.future.set_result(outcome)  # type: ignore[arg-type]


class IndexWriter(ABC):
    """
    Many changes, one sync, and only then the answers. The simulator has one without a thread.

    Changes see each other's writes in the order of submission; a reader may see a change shortly
    before it is durable, but nobody is told of it before.

    After a failed write or sync nobody knows what is on the disk (the kernel may have dropped the
    dirty pages). The group is refused, and the next one begins with opening the store again, as a
    restart would: what it has then is on the disk.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.on_durable: Callable[[], None] = lambda: None
        """Runs after each sync, before the answers."""
        self._failed: StorageFailure | None = None
        self._paused: StorageFailure | None = None
        self._tries = 0

    @property
    def failed(self) -> StorageFailure | None:
        """
        The failure that stopped the writer until a restart, if any.

        The index is damaged, or opening it again has not helped `TRIES_MAX` times in succession.
        What passes by itself, such as a full disk, is tried for ever.
        """
        found = self._journal.trouble
        return self._failed or (found if isinstance(found, IndexDamaged) else None)

    @property
    def trouble(self) -> StorageFailure | None:
        """Why changes fail now, if they do; some of that passes."""
        return self._failed or self._journal.trouble or self._paused

    @property
    def waiting(self) -> int:
        """Changes that wait for their turn."""
        return 0

    @abstractmethod
    async def submit(self, change: Callable[[], T], *, synced: bool = True) -> T:
        """
        Run *change* and return its result once it is durable; at once if it need not be *synced*.

        Cancelling the wait does not undo the change.

        Raises:
            StorageFailure: the storage failed; nothing of *change* may be acknowledged. What
                *change* raises otherwise.
        """

    async def change(self, make: Callable[[Transaction], T], who: str = "") -> T:
        """Have *make* put together one change, that *who* asked for, and carry it out; as
        `submit`."""

        def run() -> T:
            txn = self._journal.begin(who)
            result = make(txn)
            txn.commit()
            return result

        return await self.submit(run)

    @abstractmethod
    def close(self) -> None:
        """Finish what was submitted and stop. Blocks until then."""

    def run_changes(self, group: Sequence[Task[Any]]) -> StorageFailure | None:
        """Carry out *group*, durable after `seal`; returns why nothing can be, if so."""
        if self._failed is not None:
            return self._failed
        if self.failed is not None:
            return self._note(self.failed)
        try:
            if self.trouble is not None:
                self._journal.recover()
                self._paused = None
            for task in group:
                if self._journal.unfinished is None:
                    task.run()
                else:
                    # Not even a look: what it would see is half done.
                    task.outcome = self._journal.unfinished
                if not task.synced:
                    task.settle(None)
        except StorageFailure as exc:
            return self._note(exc)
        return None

    def seal(self) -> StorageFailure | None:
        """Sync what was carried out and tell of it; returns why that failed, if it did."""
        try:
            self._journal.store.sync()
        except StorageFailure as exc:
            return self._note(exc)
        trouble = self._journal.trouble
        if trouble is None:
            self._tries = 0
        else:
            # One of the changes failed; those before it are durable all the same.
            self._note(trouble)
        self._journal.mark_durable()
        self.on_durable()
        return None

    def _note(self, exc: StorageFailure) -> StorageFailure:
        self._paused = exc
        if isinstance(exc, IndexDamaged):
            self._failed = exc
        elif not isinstance(exc, IndexPaused):
            self._tries += 1
            if self._tries > TRIES_MAX:
                self._failed = exc
        return exc


class Writer(IndexWriter):
    """That of a real node, on a thread of its own."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(journal)
        self._queue: queue.SimpleQueue[Task[object] | None] = queue.SimpleQueue()
        self._room = asyncio.Semaphore(PENDING_MAX)
        """Belongs to the event loop, where a wait that is cancelled takes nothing."""
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="index-writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        return self._queue.qsize()

    async def submit(self, change: Callable[[], T], *, synced: bool = True) -> T:
        self._check_open()
        await self._room.acquire()
        try:
            # Once more: it may have been closed, or have failed, during the wait.
            self._check_open()
        except BaseException:
            self._room.release()
            raise
        task = Task(change, asyncio.get_running_loop(), self._room.release, synced=synced)
        self._queue.put(task)  # type: ignore[arg-type]
        return await task.future

    def _check_open(self) -> None:
        if self.failed is not None:
            # Without the frames that raised it before: each time would add some.
            raise self.failed.with_traceback(None)
        if self._closed:
            raise StorageFailure("the index of this node is closed")

    def close(self) -> None:
        self._closed = True
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            group, last = self._next_group()
            troubled = self.trouble is not None
            failure = self.run_changes(group) if group or troubled else None
            if failure is None and (troubled or any(task.synced for task in group)):
                failure = self.seal()
            for task in group:
                task.settle(failure)
            if last:
                return

    def _next_group(self) -> tuple[list[Task[object]], bool]:
        group: list[Task[object]] = []
        try:
            task = self._queue.get(timeout=RETRY_S)
        except queue.Empty:
            return group, False
        while task is not None:
            group.append(task)
            if len(group) >= GROUP_MAX:
                return group, False
            try:
                task = self._queue.get_nowait()
            except queue.Empty:
                return group, False
        return group, True
