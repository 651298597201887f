"""`atoll status`: how the cluster is, and what somebody should look at."""

import time
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Any, Final, NamedTuple

from node.cli.client import ask
from node.cli.errors import CommandError
from node.cli.outcome import Outcome
from node.cli.references import parse_url
from node.cli.words import blobs, size, table

_LOOK_S: Final = 2.0
"""Time between two looks of `--watch`."""

_HEAD: Final = (
    "NODE", "REGION", "ZONE", "WEIGHT", "ROLE", "COPIES", "STATE", "ATOLL", "LAG", "DISK FREE",
    "BLOBS", "CLOCK",
)  # fmt: skip


_OPEN: Final = "OPEN: whoever reaches a node may do anything (auth = open)"


class Health(IntEnum):
    """What `atoll status` exits with."""

    WELL = 0
    ATTENTION = 1
    UNKNOWN = 2
    """Nobody answers, or who answers knows of no layout."""


class Seen(NamedTuple):
    """One look."""

    health: Health
    outcome: Outcome


def look(url: str) -> Seen:
    """What the node at *url* says of the cluster."""
    try:
        answer = ask(parse_url(url), "GET", "/atoll/v1/status")
        if answer.status != 200:
            raise CommandError(answer.error())
    except CommandError as exc:
        return Seen(Health.UNKNOWN, Outcome(f"cannot be told: {exc}", {"error": str(exc)}))
    state = answer.document
    if state["layout"] is None:
        health = Health.UNKNOWN
    else:
        health = Health.ATTENTION if state["attention"] else Health.WELL
    return Seen(health, Outcome(_text(state), state))


def watch(url: str, show: Callable[[Outcome], None]) -> Health:
    """Look again and again, until interrupted; returns what the last look was."""
    health = Health.UNKNOWN
    try:
        while True:
            health, outcome = look(url)
            show(outcome)
            time.sleep(_LOOK_S)
    except KeyboardInterrupt:
        return health


def _text(state: dict[str, Any]) -> str:
    version = "no layout" if state["layout"] is None else f"version {state['layout']} of the layout"
    lines = [
        f"{version}, as {state['node']} ({state['region']}) sees it",
        *([_OPEN] if state["auth"] == "open" else []),
        table([_HEAD, *map(_row, state["members"])]),
    ]
    if (change := state["change"]) is not None:
        lines += _about_change(change)
    if (copies := state["copies"]) is not None:
        lines.append(f"copies: {_about_copies(copies)}")
    if state["conflicts"] is not None:
        lines.append(f"conflicts: {state['conflicts'] or 'none'}")
    lines += [f"! {line}" for line in state["attention"]] or ["all is well"]
    return "\n".join(lines)


def _row(member: dict[str, Any]) -> Sequence[str]:
    free, clock = member["disk_free_bytes"], member["clock_ahead_ms"]
    return (
        member["node"],
        member["region"],
        member["zone"] or "-",
        _known(member["weight"]),
        ",".join(member["roles"]) or "-",
        _known(member["availability"]),
        member["state"],
        _known(member["version"]),
        _known(member["lag_events"]),
        "-" if free is None else f"{size(free)} of {size(member['disk_bytes'])}",
        "-" if member["blobs"] is None else f"{member['blobs']} ({size(member['blob_bytes'])})",
        "-" if clock is None else f"{clock:+.0f} ms",
    )


def _known(value: object) -> str:
    return "-" if value is None else str(value)


def _about_change(change: dict[str, Any]) -> list[str]:
    phase = "STALLED" if change["phase"] == "stalled" else change["phase"]
    wait = f", {change['wait_s']:.0f} s more" if change["wait_s"] else ""
    return [
        f"the change to version {change['version']} goes on: {phase}{wait}",
        *(f"  {hindrance}" for hindrance in change["hindrances"]),
    ]


def _about_copies(copies: dict[str, Any]) -> str:
    told = [blobs(copies["blobs"], copies["bytes"])]
    if copies["short"]:
        told.append(f"{blobs(copies['short'], copies['short_bytes'])} have too few")
    if copies["gone"]:
        told.append(f"{blobs(copies['gone'], copies['gone_bytes'])} are on nobody who is there")
    return ", ".join(told) if len(told) > 1 else f"{told[0]}, all have theirs"
