"""`atoll work`: what goes on that takes long, with bars."""

import time
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from node.cli.client import ask_for
from node.cli.exits import DONE, FAILED
from node.cli.outcome import Outcome
from node.cli.references import parse_url
from node.cli.words import age, bar, size

_LOOK_S: Final = 2.0
"""Time between two looks of `--watch`."""


class WorkSeen(NamedTuple):
    """One look, and what the command exits with."""

    outcome: Outcome
    status: int
    is_over: bool
    """Nothing goes on."""


def look(url: str) -> WorkSeen:
    """
    What goes on, as the node at *url* sees it.

    Raises:
        CommandError: it does not say.
    """
    found = ask_for(parse_url(url), "GET", "/atoll/v1/work").document
    stalled = any(each["stalled"] for each in found["work"])
    outcome = Outcome("\n".join(lines(found)), found)
    return WorkSeen(outcome, FAILED if stalled else DONE, not found["work"])


def watch(url: str, show: Callable[[Outcome], None]) -> int:
    """
    Look again and again, until nothing goes on or somebody interrupts; returns what the last look
    was.

    Raises:
        CommandError: the node does not say.
    """
    status = DONE
    try:
        while True:
            seen = look(url)
            status = seen.status
            show(seen.outcome)
            if seen.is_over:
                return status
            time.sleep(_LOOK_S)
    except KeyboardInterrupt:
        return status


def lines(found: dict[str, Any]) -> Iterator[str]:
    """Each piece of work, for people."""
    for work in found["work"]:
        yield from _about(work, found["time"])
    if not found["work"]:
        yield "nothing goes on that takes long"
    if found["counted"] is None:
        yield "copies of blobs are not counted yet: repair and drains do not show"
    else:
        counted = age(found["time"] - found["counted"])
        yield f"as {found['node']} ({found['region']}) sees it; copies counted {counted} ago"


def _about(work: dict[str, Any], now: float) -> Iterator[str]:
    stalled = work["stalled"]
    state = f": STALLED for {age(now - stalled['since'])}" if stalled else ""
    yield f"{work['title']} (for {age(now - work['since'])}){state}"
    if work["total"]:
        share = work["done"] / work["total"]
        yield f"  {', '.join([bar(share), *_figures(work)])}"
    if work["told"]:
        yield f"  {work['told']}"
    if stalled:
        yield f"  {stalled['why']}"
        for step in stalled["next"]:
            yield f"  - {step['text']}"
            if step["command"]:
                yield f"      {step['command']}"


def _figures(work: dict[str, Any]) -> Iterator[str]:
    yield f"{work['done']:,} of {work['total']:,} {work['unit']}"
    if work["total_bytes"] is not None:
        yield f"{size(work['done_bytes'])} of {size(work['total_bytes'])}"
    if work["bytes_per_s"] is not None:
        yield f"{size(int(work['bytes_per_s']))}/s"
    elif work["rate"] is not None:
        yield f"{work['rate']:g} {work['unit']}/s"
    if work["eta_s"] is not None:
        yield f"{age(work['eta_s'])} left"
