"""
How long does a whole image take, with a client that people use?

Hypothesis: no slower than Distribution; most of the time is crane's own hashing.

Method: `crane push` of an OCI layout of about 100 MB in five layers, new in every round, to a new
repository, and `crane pull` of it into an empty directory. Wall time of the command; MB/s of
layers.
"""

import random
import shutil
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from bench.peers import Server, program
from bench.report import main
from bench.rounds import Figure, Probe, measure
from bench.scratch import scratch
from tests.e2e.oci_layout import LayoutWriter, random_layers

_LAYERS_BYTES = (60 << 20, 20 << 20, 10 << 20, 8 << 20, 2 << 20)
_MEGABYTES = sum(_LAYERS_BYTES) / 1e6
_TIMEOUT_S = 120


def run(servers: Sequence[Server], rounds: int) -> list[Figure]:
    """Measure on servers that are running."""
    with ExitStack() as stack:
        directory = stack.enter_context(scratch("bench-image"))
        layouts = _Layouts(directory)

        def push(server: Server, number: int) -> float:
            layout = layouts.of_round(number)
            return _rate(["push", str(layout), _reference(server, number)])

        def pull(server: Server, number: int) -> float:
            target = directory / "pulled"
            rate = _rate(["pull", "--format=oci", _reference(server, number), str(target)])
            shutil.rmtree(target)
            return rate

        probes = [
            Probe("crane push, image of 100 MB", "MB/s", push),
            Probe("crane pull, image of 100 MB", "MB/s", pull),
        ]
        return measure(servers, probes, rounds)


class _Layouts:
    """The image of the current round; the last one's is removed when the next begins."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._current: tuple[int, Path] | None = None

    def of_round(self, number: int) -> Path:
        if self._current is not None:
            current, path = self._current
            if current == number:
                return path
            shutil.rmtree(path)
        writer = LayoutWriter(self._scratch / f"layout-{number}")
        # A seed per round: new content in every round, the same for every server.
        image = writer.add_image(random_layers(random.Random(number), _LAYERS_BYTES))
        writer.finish(image, "bench")
        self._current = number, writer.directory
        return writer.directory


def _reference(server: Server, number: int) -> str:
    return f"{server.address}/bench/image-{number}:v1"


def _rate(arguments: list[str]) -> float:
    command = [program("crane"), "--insecure", *arguments]
    begun = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, timeout=_TIMEOUT_S)
    return _MEGABYTES / (time.perf_counter() - begun)


if __name__ == "__main__":
    main([run])
