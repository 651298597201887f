"""A task group that takes back its cancelling."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


@asynccontextmanager
async def task_group() -> AsyncGenerator[asyncio.TaskGroup, None]:
    """
    `asyncio.TaskGroup`, after whose failure the task that waited for it is as it was.

    Before Python 3.13 a group whose task fails while it is waited for cancels who waits, and does
    not take that back. `Task.cancelling` says so for ever: up to Python 3.11.3 each later
    `asyncio.timeout` that expires in that task cancels it instead of raising TimeoutError, and
    whoever asks if it was its caller that cancelled a call is told yes.

    Raises:
        BaseExceptionGroup: what the tasks raised.
    """
    waiter = asyncio.current_task()
    assert waiter is not None, "only a task has a group"
    group, waiting = asyncio.TaskGroup(), False
    try:
        async with group:
            yield group
            waiting = True
    except BaseExceptionGroup:
        # What it asks for earlier than that it does take back. Nothing public says whether it
        # has asked; a cancellation by somebody else is not ours to undo.
        if sys.version_info < (3, 13) and waiting:
            if group._parent_cancel_requested:  # type: ignore[attr-defined]
                waiter.uncancel()
        raise


def first_of(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that ended a group; its siblings were cancelled or failed with it."""
    error: BaseException = failures
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
