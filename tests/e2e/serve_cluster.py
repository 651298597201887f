"""Nodes under `atoll serve`, which a test may kill, check offline and start again."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from tests.e2e.ports import RPC_OFFSET, free_base_port, free_port
from tests.e2e.processes import (
    LOG_TAIL_BYTES,
    OPEN,
    READY_TIMEOUT_S,
    ProcessFailed,
    admin_address,
    atoll_command,
    beginning,
    clean_environment,
    is_ready,
    log_tail,
    stop_process,
    wait_until_up,
)

REGIONS: Final = ("eu", "us", "ap")

_FSCK_TIMEOUT_S: Final = 60.0


@dataclass(kw_only=True)
class ServeProcess:
    """One `atoll serve` that can be killed and started again with the same arguments."""

    name: str
    region: str
    http: str
    rpc: str
    data_dir: Path
    join: Sequence[str] = ()
    initial: Sequence[str] = ()
    """The nodes that begin the cluster, this one among them."""

    options: Sequence[str] = ()
    doors: Sequence[str] = OPEN
    """Flags that say who is let in, and where."""

    command: Sequence[str] = field(default_factory=atoll_command)
    _process: subprocess.Popen[bytes] | None = None

    @classmethod
    def alone(
        cls,
        data_dir: Path,
        *,
        options: Sequence[str] = (),
        doors: Sequence[str] = OPEN,
        command: Sequence[str] = (),
    ) -> Self:
        """A cluster of one node, on free ports."""
        port = free_port()
        return cls(
            name="eu-1",
            region="eu",
            http=f"127.0.0.1:{port}",
            rpc=f"127.0.0.1:{port + RPC_OFFSET}",
            data_dir=data_dir,
            initial=("eu-1",),
            options=options,
            doors=doors,
            command=command or atoll_command(),
        )

    @property
    def log(self) -> Path:
        return self.data_dir.parent / f"{self.data_dir.name}.log"

    @property
    def admin(self) -> str:
        """Where the running process serves the admin API: host:port."""
        return admin_address(self.data_dir)

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None, f"{self.name} was not started"
        return self._process.pid

    def start(self) -> None:
        """Start the process without waiting until it is ready."""
        assert not self.is_running, f"{self.name} runs already"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self.command, "serve", *self._arguments()],
                stdout=log,
                stderr=log,
                env=clean_environment(),
            )

    def _arguments(self) -> list[str]:
        joins = [part for address in self.join for part in ("--join", address)]
        return [
            *("--data-dir", str(self.data_dir)),
            *("--http", self.http),
            *("--rpc", self.rpc),
            *("--region", self.region),
            *(("--node", self.name) if self.name else ()),
            *joins,
            *beginning(self.initial),
            *self.doors,
            *self.options,
        ]

    def wait_ready(self) -> None:
        """
        Wait until the node takes traffic.

        Raises:
            ProcessFailed: it exited, or is not ready after `READY_TIMEOUT_S`.
        """
        assert self._process is not None, f"{self.name} was not started"
        wait_until_up(self._process, self.log, lambda: is_ready(self.http), self.name)

    def kill(self) -> None:
        """Kill the process at once (SIGKILL) and collect it."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def wait_exit(self) -> int:
        """Wait until the process has ended by itself; returns its exit status."""
        assert self._process is not None
        return self._process.wait(READY_TIMEOUT_S)

    def stop(self) -> None:
        """Stop the process the way an operator does (SIGTERM)."""
        if self._process is not None:
            stop_process(self._process, self.log)

    def fsck(self) -> None:
        """
        Check the data directory offline.

        Raises:
            ProcessFailed: fsck found a problem.
        """
        assert not self.is_running, "fsck is an offline command"
        done = subprocess.run(
            [*atoll_command(), "fsck", str(self.data_dir)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=clean_environment(),
            timeout=_FSCK_TIMEOUT_S,
            check=False,
        )
        if done.returncode != 0:
            output = done.stdout.decode(errors="replace")[-LOG_TAIL_BYTES:]
            raise ProcessFailed(
                f"fsck of {self.name} exited with {done.returncode}\n{output}\n{log_tail(self.log)}"
            )


@dataclass(kw_only=True)
class ServeCluster:
    """Several `ServeProcess`es that know each other. Use as a context manager."""

    directory: Path
    size: int = 3
    regions: Sequence[str] = REGIONS
    """The nodes' regions, in turn."""

    options: Sequence[str] = ()
    doors: Sequence[str] = OPEN
    command: Sequence[str] = field(default_factory=atoll_command)
    nodes: list[ServeProcess] = field(default_factory=list)

    def __enter__(self) -> Self:
        base = free_base_port(self.size)
        peers = [f"127.0.0.1:{base + RPC_OFFSET + i}" for i in range(self.size)]
        regions = [self.regions[i % len(self.regions)] for i in range(self.size)]
        names = [f"{region}-{i}" for i, region in enumerate(regions)]
        self.nodes = [
            ServeProcess(
                name=names[i],
                region=regions[i],
                http=f"127.0.0.1:{base + i}",
                rpc=peers[i],
                data_dir=self.directory / f"node-{i}",
                join=peers[:i] + peers[i + 1 :],
                initial=names,
                options=self.options,
                doors=self.doors,
                command=self.command,
            )
            for i in range(self.size)
        ]
        try:
            for node in self.nodes:
                node.start()
            for node in self.nodes:
                node.wait_ready()
        except BaseException:
            self._stop()
            raise
        return self

    def newcomer(self, name: str, region: str = "eu") -> ServeProcess:
        """A node that joins the first one, and that nobody has added yet; whoever asks stops it."""
        port = free_base_port(1)
        return ServeProcess(
            name=name,
            region=region,
            http=f"127.0.0.1:{port}",
            rpc=f"127.0.0.1:{port + RPC_OFFSET}",
            data_dir=self.directory / name,
            join=[self.nodes[0].rpc],
            options=self.options,
            doors=self.doors,
            command=self.command,
        )

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _stop(self) -> None:
        failures: list[ProcessFailed] = []
        for node in self.nodes:
            try:
                node.stop()
            except ProcessFailed as failure:
                failures.append(failure)
        if failures:
            raise failures[0]
