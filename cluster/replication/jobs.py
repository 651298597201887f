"""Single flight: one piece of work per blob at a time, shared by everyone who needs it."""

import asyncio
from collections.abc import Awaitable, Callable

from cluster.errors import BlobUnavailable, ClusterError, StorageFailure
from cluster.model import Digest
from cluster.tasks.groups import task_group


class BlobJobs:
    """
    Owns the tasks that work on blobs, at most one for a digest and *running_max* in all.

    When full, further jobs wait for a place, each *patience_s* at most. A job outlives the callers
    that wait for it: work half done is worth finishing, for somebody asked for that blob and will
    again.
    """

    def __init__(self, running_max: int, patience_s: float) -> None:
        self._running_max = running_max
        self._patience_s = patience_s
        self._places = asyncio.Semaphore(running_max)
        self._jobs: dict[Digest, asyncio.Future[None]] = {}
        self.running = 0
        self._group: asyncio.TaskGroup | None = None

    @property
    def waiting(self) -> int:
        return len(self._jobs) - self.running

    def get(self, digest: Digest) -> asyncio.Future[None] | None:
        """The job for *digest*, if there is one. Shield it when awaiting: it is shared."""
        return self._jobs.get(digest)

    async def run(self) -> None:
        """Own the jobs until cancelled; what is unfinished then fails with `BlobUnavailable`."""
        async with task_group() as group:
            self._group = group
            try:
                await asyncio.Event().wait()
            finally:
                self._group = None

    def start(self, digest: Digest, work: Callable[[], Awaitable[None]]) -> asyncio.Future[None]:
        """
        Start *work* for a digest that has no job; the future tells how it ended.

        Raises:
            BlobUnavailable: `run` has not started, or is over.
        """
        assert digest not in self._jobs, f"{digest} has a job already"
        if self._group is None:
            raise BlobUnavailable(digest, "this node's engine is not running")
        job = asyncio.get_running_loop().create_future()
        self._jobs[digest] = job
        task = self._group.create_task(self._carry_out(digest, work), name=f"blob {digest[:19]}")
        # A task cancelled before its first step, or ended by a bug, does not end its job itself.
        stopping = BlobUnavailable(digest, "this node is stopping")
        task.add_done_callback(lambda _: self._end(digest, job, stopping))
        return job

    async def _carry_out(self, digest: Digest, work: Callable[[], Awaitable[None]]) -> None:
        job = self._jobs[digest]
        try:
            await self._take_place(digest)
            self.running += 1
            try:
                await work()
            finally:
                self.running -= 1
                self._places.release()
        except (ClusterError, StorageFailure) as exc:
            # Operating errors belong to those who asked; anything else is a bug and ends `run`.
            self._end(digest, job, exc)
        else:
            self._end(digest, job, None)

    async def _take_place(self, digest: Digest) -> None:
        try:
            async with asyncio.timeout(self._patience_s):
                await self._places.acquire()
        except TimeoutError as exc:
            waited = f"{self._running_max} others were before it for {self._patience_s:g} s"
            raise BlobUnavailable(digest, waited) from exc

    def _end(self, digest: Digest, job: asyncio.Future[None], error: Exception | None) -> None:
        if job.done():
            return
        # Off the table first: whoever the future wakes may start the next job for this blob.
        del self._jobs[digest]
        if error is None:
            job.set_result(None)
        else:
            job.set_exception(error)
            job.exception()  # Nobody may be waiting; then an error not retrieved is no mishap.
