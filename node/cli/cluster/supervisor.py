"""
The processes of a cluster on this machine: started together, watched, and stopped together.

Children run in sessions of their own, so that Ctrl-C reaches this process alone, which then stops
them in order; they hold one end of a pipe, so that they also go when this process is killed
(`node.cli.node.lifeline`).
"""

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import socket
import sys
import threading
import webbrowser
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from node.cli.cluster.local_nodes import LocalNode
from node.cli.cluster.probe import why_not_ready
from node.cli.flags import print_problems

READY_TIMEOUT_S: Final = 120.0
"""Far above a start with many nodes on a slow machine; a node that needs longer is stuck."""

_OPEN: Final = "The nodes are OPEN: whoever is on this machine may do anything at their ports."
_CLOSED: Final = "The nodes are closed: only their admin ports serve what runs the cluster."

_CLUSTER_FILE: Final = "cluster.json"
_POLL_S: Final = 0.1
_HEARD_S: Final = 2.0
"""
Until the others have heard that a node is ready: it looks after itself every 0.5 s, and greets
those of other regions every second. Before that `atoll status` says that it has not joined.
"""
_TAIL_LINES: Final = 10
_TAIL_BYTES: Final = 16 << 10


class CannotStart(Exception):
    """The cluster cannot be started, or did not become ready."""

    def __init__(self, *problems: str, evidence: Sequence[str] = ()) -> None:
        """Take the *problems*, a sentence each, and lines of a log as *evidence*."""
        super().__init__(*problems)
        self.problems = problems
        self.evidence = evidence


class _Child(NamedTuple):
    node: LocalNode
    process: asyncio.subprocess.Process
    log_start: int
    """Where in the log this run began, in bytes."""


class Supervisor:
    """One run of a cluster: `run` once, from the main thread."""

    def __init__(
        self,
        commands: Mapping[LocalNode, Sequence[str]],
        *,
        directory: Path,
        environ: Mapping[str, str],
        stop_grace_s: float,
        is_open: bool = False,
        browse: bool = False,
        as_json: bool = False,
    ) -> None:
        """
        Prepare to run *commands*, the command line of each node.

        Args:
            commands: the nodes in the order of `cluster.json`.
            directory: where `cluster.json` and the logs go; created when missing.
            environ: the children's environment.
            stop_grace_s: time from SIGTERM to SIGKILL, in seconds.
            is_open: whether the nodes are, so that their registry's port serves all.
            browse: show the first node in a browser once all are ready.
            as_json: say what happens as JSON, one document on each line.
        """
        self._commands = commands
        self._directory = directory
        self._environ = environ
        self._stop_grace_s = stop_grace_s
        self._is_open = is_open
        self._browse = browse
        self._as_json = as_json
        self._children: list[_Child] = []
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()

    def run(self) -> int:
        """Run until told to stop; returns the exit status."""
        try:
            with _lock(self._directory):
                asyncio.run(self._run())
            self._say("stopped", f"stopped; what was pushed is in {self._directory}")
        except CannotStart as exc:
            print_problems(exc.problems)
            for line in exc.evidence:
                print(f"    {line}", file=sys.stderr)
            return 1
        except OSError as exc:
            print_problems([f"cannot run a cluster in {self._directory}: {exc}"])
            return 1
        return 0

    async def _run(self) -> None:
        _check_ports(self._commands)
        # A file of the last run would name processes that are long gone.
        (self._directory / _CLUSTER_FILE).unlink(missing_ok=True)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_signal)
        lifeline, far_end = os.pipe()
        try:
            for node, command in self._commands.items():
                self._children.append(await self._start(node, command, lifeline))
            self._announce()
            if await self._until_ready():
                self._say("ready", "ready")
                self._say_what_next()
                await self._until_stopped()
        finally:
            if self._stop.is_set():
                self._say("stopping", "stopping")
            await self._stop_children()
            os.close(lifeline)
            os.close(far_end)

    def _say(self, state: str, text: str, **more: object) -> None:
        print(json.dumps({"state": state, **more}) if self._as_json else text, flush=True)

    def _on_signal(self) -> None:
        # The second time somebody asks, they do not want to wait.
        (self._hurry if self._stop.is_set() else self._stop).set()

    async def _start(self, node: LocalNode, command: Sequence[str], stdin: int) -> _Child:
        with node.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=stdin,
                stdout=log,
                stderr=log,
                env=self._environ,
                start_new_session=True,
            )
            return _Child(node, process, log.tell())

    def _announce(self) -> None:
        nodes = _write_cluster_file(self._directory, self._children)
        if self._as_json:
            self._say("started", "", nodes=nodes, data_dir=str(self._directory))
            return
        from rich.box import SIMPLE_HEAD
        from rich.console import Console
        from rich.table import Table

        head = ("node", "region", "registry", "rpc", "admin", "pid")
        table = Table(*head, box=SIMPLE_HEAD, pad_edge=False)
        for node, process, _ in self._children:
            addresses = (f"http://{node.http}", str(node.rpc), f"http://{node.admin}")
            table.add_row(node.id, node.region, *addresses, f"{process.pid}")
        Console(highlight=False).print(table)
        print(f"data and logs in {self._directory}", flush=True)

    def _say_what_next(self) -> None:
        if self._as_json:
            return
        first, last = (str(child.node.http) for child in (self._children[0], self._children[-1]))
        here, there = (address.replace("127.0.0.1", "localhost") for address in (first, last))
        data_dir, other = self._children[0].node.data_dir, "without" if self._is_open else "with"
        print(
            f"push to one node:      docker push {here}/library/alpine\n"
            f"pull from another one: docker pull {there}/library/alpine\n"
            f"look at it:            atoll history library/alpine --data-dir {data_dir}\n"
            f"or in a browser:       http://{here}/ui/\n"
            f"{_OPEN if self._is_open else _CLOSED} To try the other: {other} --open.\n"
            "Ctrl-C stops the nodes; what was pushed stays.",
            flush=True,
        )

    async def _until_ready(self) -> bool:
        """
        Wait until every node is ready, and the others know it; False when told to stop meanwhile.

        Raises:
            CannotStart: a child ended, or the time is over.
        """
        waiting = {child.node: "not asked yet" for child in self._children}
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                while waiting and not self._stop.is_set():
                    self._refuse_dead()
                    for node in list(waiting):
                        reason = await why_not_ready(node.admin)
                        if reason is None:
                            del waiting[node]
                        else:
                            waiting[node] = reason
                    if waiting:
                        await _wait(self._stop, _POLL_S)
        except TimeoutError:
            reasons = [f"{node.id} is not ready: {why}" for node, why in waiting.items()]
            raise CannotStart(f"gave up after {READY_TIMEOUT_S:.0f} s", *reasons) from None
        if len(self._children) > 1:
            await _wait(self._stop, _HEARD_S)
        if not self._stop.is_set():
            self._refuse_dead()
        return not self._stop.is_set()

    def _refuse_dead(self) -> None:
        for child in self._children:
            if child.process.returncode is not None:
                raise CannotStart(
                    f"{child.node.id} {_ending(child.process.returncode)} before it was ready; "
                    f"the end of {child.node.log}:",
                    evidence=_tail(child.node.log, child.log_start),
                )

    async def _until_stopped(self) -> None:
        async with asyncio.TaskGroup() as group:
            watchers = [group.create_task(self._report_end(child)) for child in self._children]
            if self._browse:
                # Some browsers return when they are closed; nothing waits for this thread.
                address = f"http://{self._children[0].node.admin}/"
                threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
            await self._stop.wait()
            for watcher in watchers:
                watcher.cancel()

    async def _report_end(self, child: _Child) -> None:
        code = await child.process.wait()
        if not self._stop.is_set():
            print_problems(
                [
                    f"{child.node.id} (pid {child.process.pid}) {_ending(code)} and is left dead; "
                    f"its log is {child.node.log}"
                ]
            )

    async def _stop_children(self) -> None:
        for number, patience_s in ((signal.SIGTERM, self._stop_grace_s), (signal.SIGKILL, 10.0)):
            alive = [c.process for c in self._children if c.process.returncode is None]
            for process in alive:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(number)
            await self._until_ended(alive, patience_s)

    async def _until_ended(
        self, processes: Sequence[asyncio.subprocess.Process], patience_s: float
    ) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                while any(process.returncode is None for process in processes):
                    if self._hurry.is_set():
                        self._hurry.clear()
                        return
                    await _wait(self._hurry, _POLL_S)


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await event.wait()


@contextlib.contextmanager
def _lock(directory: Path) -> Iterator[None]:
    """Hold *directory* against a second run, whose nodes would fight over the same data."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "up.lock").open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotStart(f"another `atoll up` is running in {directory}") from None
        yield


def _check_ports(nodes: Mapping[LocalNode, Sequence[str]]) -> None:
    """
    Raise before anything is started when a port is taken.

    Somebody may still take one in between; the node then says so itself.
    """
    taken = []
    for node in nodes:
        for address in (node.http, node.rpc, node.admin):
            with socket.socket() as probe:
                # As servers do: a port whose last connections linger is free.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(address)
                except OSError as exc:
                    taken.append(f"cannot listen on {address} for {node.id}: {exc.strerror}")
    if taken:
        raise CannotStart(*taken)


def _write_cluster_file(directory: Path, children: Sequence[_Child]) -> list[dict[str, object]]:
    """
    Write `cluster.json`, whole or not at all; returns its nodes. Addresses are HOST:PORT without a
    scheme.
    """
    nodes: list[dict[str, object]] = [
        {
            "id": node.id,
            "region": node.region,
            "http": str(node.http),
            "rpc": str(node.rpc),
            "admin": str(node.admin),
            "pid": process.pid,
            "data_dir": str(node.data_dir),
        }
        for node, process, _ in children
    ]
    unfinished = directory / f"{_CLUSTER_FILE}.new"
    unfinished.write_text(json.dumps({"nodes": nodes}, indent=2) + "\n")
    unfinished.replace(directory / _CLUSTER_FILE)
    return nodes


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


def _tail(log: Path, start: int) -> list[str]:
    with log.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(start, end - _TAIL_BYTES))
        text = file.read(_TAIL_BYTES).decode(errors="replace")
    return text.splitlines()[-_TAIL_LINES:] or ["(empty)"]
