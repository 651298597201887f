"""`atoll node`: members one by one."""

import time
from collections.abc import Collection, Sequence
from typing import Any, Final
from urllib.parse import quote

from node.cli.client import ask, ask_for
from node.cli.cluster.layout import COUNT_S, Sent, change
from node.cli.errors import CommandError
from node.cli.outcome import Outcome
from node.cli.references import parse_url
from node.cli.words import Ask, Tell, blobs, insist_on_word

PATIENCE_S: Final = 120.0
"""How long draining goes on while no blob more gets its copies: a large one takes its time."""

_LOOK_S: Final = 1.0


def add(url: str, node: str, zone: str | None, weight: int | None) -> Outcome:
    """
    Make a node a member that is there, and has joined.

    Raises:
        CommandError: it is not there, is a member, or could not be added.
    """
    asked: Sent = {"change": "add", "node": node, "zone": zone, "weight": weight}
    layout = change(parse_url(url), asked)
    return _done(f"{node} is a member", node, layout["version"])


def remove(url: str, node: str, *, patience_s: float, tell: Tell) -> Outcome:
    """
    Have others get the copies of a member, and take it out of the layout.

    Raises:
        CommandError: the layout cannot do without it; or its copies are not made, and it is as it
            was.
    """
    base = parse_url(url)
    until_safe(base, node, patience_s=patience_s, tell=tell)
    ask_for(base, "DELETE", _path(node), timeout_s=COUNT_S)
    return _removed([node])


def remove_lost(
    url: str, nodes: Sequence[str], *, ask_word: Ask | None, given: Collection[str]
) -> Outcome:
    """
    Take members out that are gone for good, all by one change: where most of a region are, none
    could go before the others. Their names have to be typed.

    Raises:
        CommandError: nobody did; or one is not dead.
    """
    base = parse_url(url)
    insist_on_word(nodes, "; ".join(_what_is_lost(base, node) for node in nodes), given, ask_word)
    if len(nodes) == 1:
        ask_for(base, "DELETE", f"{_path(nodes[0])}?lost=true", timeout_s=COUNT_S)
        return _removed(nodes)
    change(base, *({"change": "remove", "node": node, "lost": True} for node in nodes))
    return _removed(nodes)


def _removed(nodes: Sequence[str]) -> Outcome:
    if len(nodes) == 1:
        return Outcome(f"{nodes[0]} is removed", {"node": nodes[0], "removed": True})
    return Outcome(f"{', '.join(nodes)} are removed", {"nodes": list(nodes), "removed": True})


def replace(url: str, node: str, by: str, *, patience_s: float, tell: Tell) -> Outcome:
    """
    Have another node take the place of a member: it is added, and the member drains and goes.

    Raises:
        CommandError: one of that cannot be done. What was done before stays.
    """
    if node == by:
        raise CommandError(
            f"{node} keeps its name: give --lost if its earlier disk is gone for good"
        )
    base = parse_url(url)
    layout = ask_for(base, "GET", "/atoll/v1/layout").document
    if by not in {member["node"] for member in layout["members"]}:
        add(url, by, None, None)
        tell(f"{by} is a member")
    remove(url, node, patience_s=patience_s, tell=tell)
    return Outcome(f"{by} is in the place of {node}", {"node": node, "by": by})


def replace_lost(
    url: str, node: str, by: str, *, ask_word: Ask | None, given: Collection[str]
) -> Outcome:
    """
    Have another node, or the same one with another disk, take the place of a member that is gone
    for good. Its name has to be typed.

    Raises:
        CommandError: nobody did; or it is not dead.
    """
    base = parse_url(url)
    insist_on_word([node], _what_is_lost(base, node), given, ask_word)
    change(base, {"change": "replace", "node": node, "by": by, "lost": True})
    return Outcome(f"{by} is in the place of {node}", {"node": node, "by": by})


def become(url: str, node: str, word: str) -> Outcome:
    """
    Pause, drain or resume a member, by the *word* of the API.

    Raises:
        CommandError: it is no member, or the layout cannot do without its copies.
    """
    done = ask_for(parse_url(url), "POST", f"{_path(node)}/{word}").document
    return Outcome(f"{node} is {done['availability']}", done)


def safe_to_remove(url: str, node: str) -> tuple[bool, Outcome]:
    """
    Whether a member may go, and why not.

    Raises:
        CommandError: that cannot be told.
    """
    found = _stakes(parse_url(url), node)
    text = f"{node} may go" if found["safe"] else found["why"]
    return found["safe"], Outcome(text, found)


def safe_to_stop(url: str, node: str) -> tuple[bool, Outcome]:
    """
    Whether a member may be stopped for a while, and what speaks against it.

    Raises:
        CommandError: that cannot be told.
    """
    path = f"{_path(node)}/safe-to-stop"
    found = ask_for(parse_url(url), "GET", path, timeout_s=COUNT_S).document
    text = f"{node} may be stopped for a while"
    if not found["there"]:
        text = f"{node} does not serve now; it can be missed"
    if not found["safe"]:
        lines = [f"{node} should not be stopped now:" if found["there"] else f"{node} is missed:"]
        text = "\n".join([*lines, *(f"  {each['text']}" for each in found["hindrances"])])
    return found["safe"], Outcome(text, found)


def until_safe(base: str, node: str, *, patience_s: float, tell: Tell) -> None:
    """
    Have a member drain, and return once it may go. Tells what it waits for.

    Raises:
        CommandError: it may not drain; or STALLED: nothing has come of it for *patience_s*. Then it
            is as it was.
    """
    found = _stakes(base, node)
    drains = not found["draining"]
    if drains:
        ask_for(base, "POST", f"{_path(node)}/drain")
        found = _stakes(base, node)
    least, until, told = None, time.monotonic() + patience_s, ""
    while not found["safe"]:
        left = (len(found["unheard"]), found["blobs_last"] + found["blobs_short"])
        if least is None or left < least:
            least, until = left, time.monotonic() + patience_s
        if time.monotonic() >= until:
            _give_up(base, node, found, patience_s, drains=drains)
        if (waits := _waits_for(found)) != told:
            tell(waits)
            told = waits
        time.sleep(_LOOK_S)
        found = _stakes(base, node)


def _give_up(
    base: str, node: str, found: dict[str, Any], patience_s: float, *, drains: bool
) -> None:
    """Have it be as it was, and say why."""
    why = [found["why"], *ask_for(base, "GET", "/atoll/v1/status").document["attention"]]
    if drains:
        ask_for(base, "POST", f"{_path(node)}/resume")
    raise CommandError(
        f"STALLED: nothing has come of it for {patience_s:g} s, and {node} stays as it was: "
        + "; ".join(why)
    )


def _waits_for(found: dict[str, Any]) -> str:
    node, count = found["node"], found["blobs_last"] + found["blobs_short"]
    if count:
        size = found["bytes_last"] + found["bytes_short"]
        return f"{node} drains: {blobs(count, size)} left to be copied"
    return f"{node} drains: region {', '.join(found['unheard'])} has to hear of it"


def _what_is_lost(base: str, node: str) -> str:
    """What would be lost with a member, in words."""
    answer = ask(base, "GET", f"{_path(node)}/safe-to-remove", timeout_s=COUNT_S)
    if answer.status == 404:
        raise CommandError(answer.error())
    if answer.status != 200:
        return f"what would be lost with {node} cannot be told ({answer.error()})"
    found = answer.document
    if not found["blobs_last"]:
        return f"{node} would be lost; no blob is there alone"
    last = blobs(found["blobs_last"], found["bytes_last"])
    return f"{node} would be lost, and with it {last} that nobody else has who is there"


def _stakes(base: str, node: str) -> dict[str, Any]:
    found: dict[str, Any] = ask_for(
        base, "GET", f"{_path(node)}/safe-to-remove", timeout_s=COUNT_S
    ).document
    return found


def _done(text: str, node: str, version: int) -> Outcome:
    return Outcome(f"{text} by version {version} of the layout", {"node": node, "version": version})


def _path(node: str) -> str:
    return f"/atoll/v1/members/{quote(node, safe='')}"
