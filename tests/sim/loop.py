"""
A deterministic asyncio event loop with virtual time.

Nothing waits: when no handle is ready, the clock jumps to the next timer. Each handle belongs to
the process whose context it runs in, so a whole process can be paused (its handles are put aside)
or killed (they are dropped, and no `finally` of it runs: nothing could run on a dead machine).
"""

import asyncio
import heapq
import sys
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import Any, Final

from cluster.errors import StorageFailure

PROCESS: ContextVar["Process | None"] = ContextVar("process", default=None)
"""The simulated process that the running code is part of; None for clients and the network."""


class Deadlock(Exception):
    """Nothing is left to happen, and the main task has not ended."""


class Livelock(Exception):
    """Callbacks go on and on while the clock stands still: somebody polls without waiting."""


_AT_ONCE_MAX: Final = 1_000_000
"""Callbacks at one instant. A whole simulation has fewer."""


class Process:
    """One run of one program, as the loop sees it."""

    def __init__(
        self, loop: "SimLoop", name: str, cannot_read: frozenset[str] = frozenset()
    ) -> None:
        """*cannot_read* are the kinds of events that the program has not heard of."""
        self.name = name
        self.cannot_read = cannot_read
        self.dead = False
        self.paused = False
        self.context = copy_context()
        self.context.run(PROCESS.set, self)
        self.on_death: dict[object, Callable[[], None]] = {}
        """What the outside notices when the process ends, by whatever identifies the watcher."""
        self._loop = loop
        self._aside: list[Handle] = []

    def spawn(self, work: Coroutine[Any, Any, Any]) -> "SimTask":
        """Run *work* as a task of this process."""
        return self._loop.create_task(work, context=self.context.copy())

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        """Go on: what came meanwhile happens now, in the order in which it came."""
        self.paused = False
        self._loop.requeue(self._aside)
        self._aside = []

    def kill(self) -> None:
        """End the process: nothing of it runs any more."""
        self.dead = True
        self._loop.bury(self)
        # Behind that: a task that had yet to begin is known by its handle only.
        self._aside = []
        watchers, self.on_death = list(self.on_death.values()), {}
        for notice in watchers:
            notice()

    def put_aside(self, handle: "Handle") -> None:
        self._aside.append(handle)


class Handle:
    """A callback that is due. Leaner than asyncio's: there are hundreds of thousands of them."""

    __slots__ = ("args", "callback", "context", "process", "when_s")

    def __init__(
        self, callback: Callable[..., object], args: tuple[Any, ...], context: Context
    ) -> None:
        self.callback: Callable[..., object] | None = callback
        self.args = args
        self.context = context
        self.process = context.get(PROCESS)
        self.when_s = 0.0

    def cancel(self) -> None:
        self.callback = None
        self.args = ()

    def cancelled(self) -> bool:
        return self.callback is None

    def when(self) -> float:
        return self.when_s


class SimTask(asyncio.Task):
    """
    A task that hashes by its number. TaskGroup keeps tasks in a set and cancels them in its order:
    with the usual hash, an address, no two runs would be alike.
    """

    number = 0
    process: Process | None = None

    def __hash__(self) -> int:
        return self.number

    def __eq__(self, other: object) -> bool:
        return self is other


class SimLoop(asyncio.AbstractEventLoop):
    """Runs everything of one simulation. Not thread-safe: there are no threads."""

    def __init__(self) -> None:
        self._now = 0.0
        self._ready: deque[Handle] = deque()
        self._timers: list[tuple[float, int, Handle]] = []
        self._count = 0
        self._tasks = 0
        self._running = False
        self._graveyard: list[object] = []
        self.handles_run = 0
        self.failures: list[dict[str, Any]] = []
        """What callbacks raised, and errors that nobody retrieved: bugs, all of them."""

    # --- what asyncio asks of a loop -------------------------------------------------------------

    def time(self) -> float:
        return self._now

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Handle:
        handle = Handle(callback, args, copy_context() if context is None else context)
        self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> Handle:
        handle = Handle(callback, args, copy_context() if context is None else context)
        handle.when_s = when
        self._count += 1
        heapq.heappush(self._timers, (when, self._count, handle))
        return handle

    def call_later(
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> Handle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self,
        coro: Coroutine[Any, Any, Any],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> SimTask:
        process = PROCESS.get()
        if context is None:
            context = copy_context()
        elif PROCESS not in context:
            # Made with an empty context, to be rid of a request id. It is still this process's.
            context.run(PROCESS.set, process)
        else:
            process = context[PROCESS]
        # The number first: the constructor puts the task into a set.
        self._tasks += 1
        task = SimTask.__new__(SimTask)
        task.number = self._tasks
        task.process = process
        task.__init__(coro, loop=self, name=name or "task", context=context)  # type: ignore[misc]
        return task

    def run_in_executor(
        self, executor: object, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except StorageFailure as exc:
            future.set_exception(exc)
        return future

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return self._running

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        task = context.get("task") or context.get("future")
        process = getattr(task, "process", None)
        if process is not None and process.dead:
            return
        self.failures.append(context)

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        self.call_exception_handler(context)

    # --- the simulation's own --------------------------------------------------------------------

    def requeue(self, handles: list[Handle]) -> None:
        self._ready.extend(handles)

    def bury(self, process: Process) -> None:
        """Keep what the dead process was doing: collecting it would run its `finally` blocks."""
        for task in asyncio.all_tasks(self):
            if task.process is process:  # type: ignore[attr-defined]
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                self._graveyard.append(task)

    def tasks_of(self, process: Process) -> int:
        """How many tasks of *process* are under way."""
        return sum(task.process is process for task in asyncio.all_tasks(self))  # type: ignore[attr-defined]

    def let_go(self) -> None:
        """Forget everything that is left. For the very end."""
        self._graveyard.clear()
        self._ready.clear()
        self._timers.clear()

    def run(self, main: Coroutine[Any, Any, Any]) -> Any:
        """Run until *main* ends; returns its result. What else goes on is left where it is."""
        try:
            return self.run_until_complete(self.create_task(main, name="main"))
        finally:
            for left in asyncio.all_tasks(self):
                left._log_destroy_pending = False  # type: ignore[attr-defined]
                self._graveyard.append(left)

    def run_until_complete(self, future: Any) -> Any:
        """Run until *future*, which may be a coroutine, is done; returns its result."""
        main = asyncio.ensure_future(future, loop=self)
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(firstiter=self._begun, finalizer=self._finalize)
        events._set_running_loop(self)
        self._running = True
        try:
            self._spin(main)
        finally:
            self._running = False
            events._set_running_loop(None)
            sys.set_asyncgen_hooks(*hooks)
        return main.result()

    def _begun(self, generator: Any) -> None:
        """The first item of an async generator is asked for."""

    def _spin(self, main: asyncio.Future[Any]) -> None:
        ready, timers, heappop = self._ready, self._timers, heapq.heappop
        count = 0
        count_max = _AT_ONCE_MAX
        while not main.done():
            if not ready:
                if not timers:
                    raise Deadlock
                when, _, handle = heappop(timers)
                if handle.callback is None:
                    continue
                if when > self._now:
                    self._now = when
                    count_max = count + _AT_ONCE_MAX
                ready.append(handle)
                while timers and timers[0][0] <= self._now:
                    ready.append(heappop(timers)[2])
            handle = ready.popleft()
            callback = handle.callback
            if callback is None:
                continue
            process = handle.process
            if process is not None:
                if process.dead:
                    self._graveyard.append(handle)
                    continue
                if process.paused:
                    process.put_aside(handle)
                    continue
            count += 1
            if count > count_max:
                raise Livelock
            try:
                handle.context.run(callback, *handle.args)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as exc:  # noqa: BLE001 - kept, and reported as a violation
                self.failures.append({"message": "callback failed", "exception": exc})
        self.handles_run += count

    def _finalize(self, generator: Any) -> None:
        """An async generator was dropped half-way; asyncio closes it in a task of its own."""
        process = PROCESS.get()
        if process is None or process.dead:
            self._graveyard.append(generator)
        else:
            self.create_task(generator.aclose(), name="aclose")
