"""One input, tried and measured."""

import asyncio
import gc
import io
import sys
import tempfile
import time
from asyncio.events import Handle
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple, Self
from unittest.mock import patch

from node import logs
from node.desk import activity
from node.desk.recent import Ring
from node.index.rocks import RocksStore
from tests.api import conftest
from tests.api.conftest import registries
from tests.fuzz.target import Input, Target

PATIENCE_S: Final = 60.0
"""How long an answer may take on a machine that has other things to do; a healthy one is there in
milliseconds. What costs too much is told by `Cost`, in time of the processor."""

CPU_S: Final = 1.0
"""Time of the processor that one input may take, in all threads."""

HOLD_S: Final = 0.050
"""That one step of the event loop may take, in the loop's thread."""

_INDEX_BYTES: Final = 16 << 20
"""What the index may hold in memory: so little that it does within the first minute. What grows
behind that is not its buffers."""

_KEPT_MAX: Final = 100
"""What the node may keep of the last things that happened; likewise."""

_TRIES: Final = 3
"""How often an input that was too slow is tried: what the machine does beside is not its fault."""


def scratch() -> tempfile.TemporaryDirectory[str]:
    """A directory in memory, where there is one: what disks do is not what is tried here."""
    memory = Path("/dev/shm")
    where = memory if memory.is_dir() else None
    return tempfile.TemporaryDirectory(prefix="atoll-fuzz-", dir=where)


class Cost(NamedTuple):
    """What an input took; seconds of the processor."""

    cpu_s: float
    hold_s: float

    @property
    def is_too_much(self) -> bool:
        return self.cpu_s > CPU_S or self.hold_s > HOLD_S


class Meter:
    """
    How long single steps of an event loop take.

    Steps of the client are not counted; nor is what the collector takes for its oldest generation,
    where what Hypothesis has made lies.
    """

    def __init__(self) -> None:
        self.client: asyncio.Task[Any] | None = None
        self.worst_s = 0.0
        self._collecting_s = 0.0
        self._since = 0.0

    @contextmanager
    def measuring(self) -> Iterator[None]:
        run = Handle._run

        def measured(handle: Handle) -> None:
            if getattr(handle._callback, "__self__", None) is self.client:  # type: ignore[attr-defined]
                run(handle)
                return
            collected, began = self._collecting_s, time.thread_time()
            run(handle)
            spent = time.thread_time() - began - (self._collecting_s - collected)
            self.worst_s = max(self.worst_s, spent)

        gc.callbacks.append(self._on_collection)
        with patch.object(Handle, "_run", measured):
            yield
        gc.callbacks.remove(self._on_collection)

    def _on_collection(self, phase: str, info: dict[str, int]) -> None:
        if info["generation"] == 2:
            now = time.thread_time()
            if phase == "start":
                self._since = now
            else:
                self._collecting_s += now - self._since


class Lines(io.BytesIO):
    """What the node logs; what is an error there is one here, with its whole traceback."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[str] = []

    def write(self, line: Any) -> int:
        text = bytes(line)
        if b'"level":"error"' in text.replace(b" ", b""):
            self.errors.append(text.decode(errors="replace").replace("\\n", "\n"))
        return len(text)


class Trials:
    """A target that is open, and a loop that belongs to it."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._meter = Meter()
        self._lines = Lines()
        self._stray: list[str] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        # asyncio's own loop: the steps of another one are not seen.
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(lambda _, context: self._stray.append(str(context)))
        with self._stack as stack:
            Target.forget(self.target)  # its own part is not there yet
            stack.callback(Target.forget, self.target)
            directory = stack.enter_context(scratch())
            logs.configure(level="warning", form="json", stream=self._lines)
            stack.enter_context(patch.object(sys, "unraisablehook", self._unraisable))
            stack.callback(self._loop.close)
            small = partial(RocksStore, memory_bytes=_INDEX_BYTES)
            stack.enter_context(patch.object(conftest, "RocksStore", small))
            stack.enter_context(patch.object(activity, "Ring", partial(Ring, _KEPT_MAX)))
            opened = registries(Path(directory))
            start = self._loop.run_until_complete(opened.__aenter__())
            stack.callback(
                lambda: self._loop.run_until_complete(opened.__aexit__(None, None, None))
            )
            self._loop.run_until_complete(self.target.open(start))
            stack.callback(lambda: self._loop.run_until_complete(self.target.close()))
            stack.enter_context(self._meter.measuring())
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def _unraisable(self, unraisable: Any) -> None:
        self._stray.append(f"{unraisable.err_msg}: {unraisable.exc_value!r}")

    def attempt(self, given: Input) -> tuple[Sequence[str], Cost]:
        """
        Try *given*: its outcomes, and what it took.

        Raises:
            Exception: whatever is wrong with it.
        """
        self.target.registry.observed.requests.clear()  # or it grows for as long as the run
        self._lines.errors.clear()  # of an input that failed
        self._stray.clear()
        self._meter.worst_s, began = 0.0, time.process_time()
        task = self._loop.create_task(self._patiently(given))
        self._meter.client = task
        try:
            outcomes = self._loop.run_until_complete(task)
        except Exception as exc:
            for line in self._lines.errors:
                exc.add_note(line)
            raise
        cost = Cost(time.process_time() - began, self._meter.worst_s)
        said = [*self._lines.errors, *self._stray]
        assert not said, f"logged or left to nobody: {said[0]}"
        return outcomes, cost

    async def _patiently(self, given: Input) -> Sequence[str]:
        async with asyncio.timeout(PATIENCE_S):
            return await self.target.attempt(given)

    def again(self, given: Input, cost: Cost) -> Cost:
        """The least that *given* takes in some tries, each of which has to do all of it anew."""
        for _ in range(_TRIES - 1):
            if not cost.is_too_much:
                break
            self.target.forget()
            _, tried = self.attempt(given)
            cost = Cost(min(cost.cpu_s, tried.cpu_s), min(cost.hold_s, tried.hold_s))
        return cost
