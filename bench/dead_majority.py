"""
What goes on in a region without a majority?

Hypothesis: reads go on, from what is there, and say that they are unconfirmed. A push is
refused before anything is written. Once the operator has removed the dead, all is as ever.

Method: `bench.two_regions`, 80 ms between them. Of a, b and c in eu, c is killed (SIGKILL), and b
2 s later; the tag is read at a all the while. Pushes of manifests begin at a, each on a connection
of its own, from the kill on. What a logs is counted by the numbers of its events: a push that is
acknowledged, or says that its outcome is unknown, has as many as one before, and what is refused
has none. Then b and c are removed as an operator would; with three of five voters, the cluster can
decide it. First one by one (`atoll node remove --lost`), then, where that is refused, both by one
command. Each run is a cluster of its own.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Final, NamedTuple

from bench.machine import describe_machine
from bench.raw_http import Answer, Connection
from bench.scratch import scratch
from bench.two_regions import (
    ROUND_TRIP_MS,
    Moment,
    Watch,
    begin,
    far_calls,
    five_nodes,
    how_read,
    longest_s,
    push_tag,
    reads_per_s,
    settle,
    since,
)
from tests.e2e.processes import atoll_command
from tests.e2e.serve_cluster import ServeProcess

_RUNS: Final = 3
_AFTER_S: Final = 2.0
_READ_S: Final = 3
_BEGIN_S: Final = (0.0, 0.1, 0.2, 0.4, 0.8, 1.5, 2, 2.5, 3, 4, 6, 8, 9, 10, 11, 12, 13, 14, 15)
"""When pushes begin, after the kill."""

_MENDED_S: Final = 60.0
_AGAIN_S: Final = 0.1
_PUSHES: Final = 50


class Push(NamedTuple):
    begun_s: float
    """After the kill."""

    took_s: float
    status: int
    event: bool
    """Whether an event was logged for it, by its answer."""


Row = dict[str, str]
"""What was found in one run, by what it is."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Figures of a region without a majority.")
    parser.add_argument("--runs", type=int, default=_RUNS)
    runs = parser.parse_args().runs
    for name, value in describe_machine().items():
        print(f"- {name}: {value}")
    print("\n".join(run(runs)))


def run(runs: int = _RUNS) -> list[str]:
    """Return what was found, in lines of Markdown."""
    found = [_run(number) for number in range(runs)]
    heads = [f"run {number + 1}" for number in range(runs)]
    return [
        f"- round trip between regions: {ROUND_TRIP_MS} ms",
        "",
        f"| | {' | '.join(heads)} |",
        f"|---|{'---:|' * runs}",
        *(f"| {name} | {' | '.join(each[name] for each in found)} |" for name in found[0]),
    ]


def _run(number: int) -> Row:
    with scratch("dead-majority") as directory:
        nodes = five_nodes(directory)
        try:
            begin(nodes)
            settle(nodes)
            found = _measure(nodes)
        finally:
            for node in nodes:
                node.stop()
    print(f"run {number + 1}: {found}", file=sys.stderr, flush=True)
    return found


def _measure(nodes: Sequence[ServeProcess]) -> Row:
    a, b, c = nodes[:3]
    reads_per_s(a, _READ_S)
    before = reads_per_s(a, _READ_S)
    first, last = _sequence(a), _sequence(a)
    c.kill()
    time.sleep(_AFTER_S)
    with Watch(a) as watch:
        killed = time.perf_counter()
        b.kill()
        with ThreadPoolExecutor(len(_BEGIN_S)) as threads:
            pushes = list(threads.map(lambda at_s: _push(a, killed, at_s), _BEGIN_S))
    how, calls = how_read([a]), far_calls(nodes)
    after = reads_per_s(a, _READ_S)
    how, called = how_read([a]) - how, since(calls, far_calls(nodes))
    begun = time.perf_counter()
    removed = _remove(a, [b, c])
    removed_s = time.perf_counter() - begun
    mended = _mended(a)
    mended_s = time.perf_counter() - begun
    logged = (1 + sum(push.event for push in pushes)) * (last - first)
    return {
        **_reads(watch.seen, killed),
        "reads a second at a: before, b and c dead": f"{before:,.0f}, {after:,.0f}",
        "those unconfirmed": f"{how['unconfirmed']:,} of {how.total():,}",
        "pulls between the regions for them": f"{called.get('pull', 0)}",
        **_refused(pushes),
        **removed,
        "after the first command: removed, a push is 201": f"{removed_s:.1f} s, {mended_s:.1f} s",
        "events of a from its last push before to its first after": f"{mended - last}",
        "those of pushes that are taken or unknown": f"{logged}",
        **_whole(a),
    }


def _push(a: ServeProcess, killed: float, at_s: float) -> Push:
    time.sleep(max(0.0, killed + at_s - time.perf_counter()))
    with Connection(a.http) as connection:
        begun = time.perf_counter()
        _, answer = push_tag(connection, None)
        ended = time.perf_counter()
    return Push(begun - killed, ended - begun, answer.status, _has_event(answer))


def _has_event(answer: Answer) -> bool:
    if answer.status == 201:
        return True
    [error] = json.loads(answer.body)["errors"]
    return "event" in (error.get("detail") or {})


def _sequence(a: ServeProcess) -> int:
    """Push a manifest; the number of its event."""
    with Connection(a.http) as connection:
        _, answer = push_tag(connection)
    return int(answer.headers["atoll-event"].rpartition("/")[2])


def _mended(a: ServeProcess) -> int:
    """
    The number of the event of the first push that is taken.

    Raises:
        SystemExit: none is.
    """
    until = time.monotonic() + _MENDED_S
    with Connection(a.http) as connection:
        while True:
            _, answer = push_tag(connection, None)
            if answer.status == 201:
                return int(answer.headers["atoll-event"].rpartition("/")[2])
            if time.monotonic() > until:
                raise SystemExit(answer.body.decode())
            time.sleep(_AGAIN_S)


def _reads(seen: Sequence[Moment], killed: float) -> Row:
    longest = longest_s(seen)
    marked = [each for each in seen if each.marked]
    if not marked:
        raise SystemExit("no read says that it is unconfirmed")
    first = marked[0]
    late = sum(each.begun > first.begun and not each.marked for each in seen)
    return {
        "reads at a from the kill of b on, one after the other, all 200": f"{len(seen):,}",
        "the longest read of them": f"{1000 * longest:.0f} ms",
        "marked `unconfirmed` from, after the kill": f"{first.ended - killed:.2f} s",
        "not marked after that": f"{late}",
    }


def _refused(pushes: Sequence[Push]) -> Row:
    early = [push for push in pushes if push.begun_s < _AFTER_S]
    late = [push for push in pushes if push.begun_s >= _AFTER_S]
    at_once = [push.begun_s for push in late if push.took_s < 1]
    logged = [f"{push.begun_s:.2f} s" for push in early if push.event]
    return {
        f"pushes at a from {_AFTER_S:g} s on: 503, logged": (
            f"{sum(push.status == 503 for push in late)} of {len(late)}, "
            f"{sum(push.event for push in late)}"
        ),
        "the longest push of them": f"{max(push.took_s for push in late):.0f} s",
        "refused at once from": f"{min(at_once):.0f} s" if at_once else "never",
        f"pushes at a in the first {_AFTER_S:g} s: 503, logged": (
            f"{sum(push.status == 503 for push in early)} of {len(early)}, {len(logged)}"
        ),
        "those that were logged, of unknown outcome, began after": ", ".join(logged) or "none",
    }


def _remove(a: ServeProcess, dead: Sequence[ServeProcess]) -> Row:
    rows: Row = {}
    for node in dead:
        done = _atoll(a, "node", "remove", node.name, "--lost", "--yes-i-lose", node.name)
        rows[f"`atoll node remove {node.name} --lost`"] = _told(done)
    if all(row == "done" for row in rows.values()):
        return rows
    names = [node.name for node in dead]
    words = [word for name in names for word in ("--yes-i-lose", name)]
    done = _atoll(a, "node", "remove", *names, "--lost", *words)
    rows[f"`atoll node remove {' '.join(names)} --lost`"] = _told(done)
    return rows


def _told(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode == 0:
        return "done"
    print(done.stderr, file=sys.stderr)
    return f"refused: {done.stderr.strip().removeprefix('atoll: ').partition(';')[0]}"


def _atoll(a: ServeProcess, *words: str) -> subprocess.CompletedProcess[str]:
    command = [*atoll_command(), *words, "--url", a.http]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def _whole(a: ServeProcess) -> Row:
    took: list[float] = []
    with Connection(a.http) as connection:
        for _ in range(_PUSHES):
            begun = time.perf_counter()
            push_tag(connection)
            took.append(time.perf_counter() - begun)
    how = how_read([a])
    reads = reads_per_s(a, _READ_S)
    how = how_read([a]) - how
    return {
        "then reads a second at a": f"{reads:,.0f}",
        "of those, by leases": f"{how['covered']:,} of {how.total():,}",
        "a manifest PUT, whose second copy is in the other region": f"{1000 * median(took):.0f} ms",
    }


if __name__ == "__main__":
    main()
