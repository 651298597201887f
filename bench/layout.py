"""
How long does a change of the layout take, beside the bytes that it moves?

Hypothesis: below five seconds in a cluster of five with 100,000 manifests, as it costs a few slots
of the control log, a pull from each member of what is mostly there, and the time of a lease.

Method: one node is filled over HTTP, four more are added. Then, at one of them: another weight is
planned and applied, which moves no quorum; a sixth node comes, timed from when its change begins
until that has ended; it drains and is removed. A plan counts what it would move, so its time is
told apart. Clock: this process's, round the request or between two looks at the layout, 20 ms
apart.
"""

import argparse
import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from bench.join import fill
from bench.machine import describe_machine
from bench.scratch import scratch
from tests.e2e.ports import RPC_OFFSET, free_base_port
from tests.e2e.serve_cluster import ServeProcess

_MANIFESTS = 100_000
_SIZE = 5
_POLL_S = 0.02


def main() -> None:
    parser = argparse.ArgumentParser(description="Time changes of the layout.")
    parser.add_argument("--manifests", type=int, default=_MANIFESTS)
    manifests = parser.parse_args().manifests
    for name, value in describe_machine().items():
        print(f"- {name}: {value}")
    print("\n".join(run(manifests)))


def run(manifests: int = _MANIFESTS) -> list[str]:
    """Return what was found, in lines of Markdown."""
    with scratch("layout") as directory:
        nodes = _nodes(directory)
        try:
            return _measure(nodes, manifests)
        finally:
            for node in nodes:
                node.stop()


def _nodes(directory: Path) -> list[ServeProcess]:
    base = free_base_port(_SIZE + 1)
    rpc = [f"127.0.0.1:{base + RPC_OFFSET + number}" for number in range(_SIZE + 1)]
    return [
        ServeProcess(
            name=f"eu-{number}",
            region="eu",
            http=f"127.0.0.1:{base + number}",
            rpc=rpc[number],
            data_dir=directory / f"node-{number}",
            join=[] if number == 0 else [rpc[0]],
            initial=["eu-0"] if number == 0 else [],
            options=("--log-level", "warning", "--joining", "open"),
        )
        for number in range(_SIZE + 1)
    ]


def _measure(nodes: list[ServeProcess], manifests: int) -> list[str]:
    first, sixth = nodes[0], nodes[-1]
    first.start()
    first.wait_ready()
    filled = fill(first.http, manifests)
    print(f"filled in {filled:.0f} s", file=sys.stderr, flush=True)
    for count, node in enumerate(nodes[1:_SIZE], 2):
        node.start()
        node.wait_ready()
        _until(partial(_has_members, first, count))
    at = nodes[1]
    planning, planned = _timed(lambda: _plan(at, {"change": "weight", "node": "eu-0", "weight": 7}))
    applying, _ = _timed(lambda: _apply(at, planned))
    sixth.start()
    _until(lambda: _layout(first)["version"] > planned["version"])
    adding, _ = _timed(lambda: _until(partial(_has_members, first, _SIZE + 1)))
    draining, _ = _timed(lambda: _apply(at, _plan(at, _availability("draining"))))
    removing, _ = _timed(lambda: _remove(at))
    return [
        f"- {_SIZE} nodes in one region, {manifests:,} manifests",
        f"- another weight: planned in {planning:.2f} s, applied in {applying:.2f} s",
        f"- a sixth node, from when its change began until it had ended: {adding:.2f} s",
        f"- it drains, which moves nothing here: {draining:.2f} s, planning included",
        f"- it is removed: planned, which counts what it holds, and applied in {removing:.2f} s",
    ]


def _availability(wanted: str) -> dict[str, object]:
    return {"change": "availability", "node": f"eu-{_SIZE}", "availability": wanted}


def _remove(at: ServeProcess) -> None:
    change = {"change": "remove", "node": f"eu-{_SIZE}"}
    until = time.monotonic() + 60
    while True:
        try:
            _apply(at, _plan(at, change))
            return
        except urllib.error.HTTPError as exc:
            # Until a majority has said that it knows that the member drains.
            if exc.code != 409 or time.monotonic() > until:
                raise SystemExit(exc.read().decode()) from exc
            time.sleep(_POLL_S)


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.perf_counter()
    result = work()
    return time.perf_counter() - begun, result


def _until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 300
    while not condition():
        if time.monotonic() > until:
            raise SystemExit("the layout does not come to be")
        time.sleep(_POLL_S)


def _has_members(node: ServeProcess, count: int) -> bool:
    """Whether there are so many, and no change goes on."""
    layout = _layout(node)
    return layout["change"] is None and len(layout["members"]) == count


def _layout(node: ServeProcess) -> dict[str, Any]:
    return _ask(node, "layout")


def _plan(node: ServeProcess, change: Mapping[str, object]) -> dict[str, Any]:
    return _ask(node, "layout/plan", {"changes": [change]})


def _apply(node: ServeProcess, planned: dict[str, Any]) -> dict[str, Any]:
    wanted = {name: planned[name] for name in ("version", "fingerprint")}
    return _ask(node, "layout/apply", wanted)


def _ask(node: ServeProcess, path: str, document: object = None) -> dict[str, Any]:
    data = None if document is None else json.dumps(document).encode()
    request = urllib.request.Request(f"http://{node.http}/atoll/v1/{path}", data)
    if data is not None:
        request.add_header("Content-Type", "application/json")
    while True:
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                told: dict[str, Any] = json.loads(answer.read())
                return told
        except urllib.error.HTTPError as exc:
            if exc.code != 503:
                raise
            print(exc.read().decode(), file=sys.stderr)
            time.sleep(_POLL_S)


if __name__ == "__main__":
    main()
