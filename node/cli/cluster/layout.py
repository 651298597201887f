"""`atoll layout`: the document by which the cluster goes, and how it is changed."""

import time
from collections.abc import Collection, Sequence
from typing import Any, Final

from node.cli.client import ask, ask_for
from node.cli.errors import CommandError
from node.cli.exchange import Reply
from node.cli.outcome import Outcome
from node.cli.references import parse_url
from node.cli.words import Ask, blobs, insist_on_word, size, table

_LAYOUT: Final = "/atoll/v1/layout"

COUNT_S: Final = 600.0
"""For a node to look at each blob."""

_OPEN_S: Final = 30.0
"""How long a change waits for another one that goes on."""

_AGAIN_S: Final = 0.5

_HEAD: Final = ("NODE", "REGION", "ZONE", "WEIGHT", "ROLE", "COPIES")

Sent = dict[str, object]
"""One change, as the API takes it."""


def show(url: str) -> Outcome:
    """
    The layout that is live.

    Raises:
        CommandError: it could not be had.
    """
    return shown(ask_for(parse_url(url), "GET", _LAYOUT).document)


def history(url: str) -> Outcome:
    """
    All decisions about it, the first one first.

    Raises:
        CommandError: they could not be had.
    """
    found = ask_for(parse_url(url), "GET", f"{_LAYOUT}/history").document
    lines = []
    for entry in found["entries"]:
        asked = f", asked by {entry['who']}" if entry["who"] else ""
        lines.append(f"slot {entry['slot']}: {_told(entry)}, by {entry['author']}{asked}")
        lines += [f"  {change}" for change in entry["changes"]]
    return Outcome("\n".join(lines) or "nothing was decided yet", found)


def plan(url: str, changes: Sequence[Sent]) -> Outcome:
    """
    What *changes* would make, and move. The node keeps it, for `apply`.

    Raises:
        CommandError: it refuses them, or could not be asked.
    """
    planned = _plan(parse_url(url), changes)
    moved = [
        f"  {each['node']} gets {blobs(each['blobs_in'], each['bytes_in'])}, "
        f"gives {blobs(each['blobs_out'], each['bytes_out'])}"
        for each in planned["nodes"]
    ]
    lines = [
        f"version {planned['version']} ({planned['fingerprint'][:12]}) would be:",
        *(f"  {change}" for change in planned["changes"]),
        f"it moves {planned['copies']} copies of {blobs(planned['blobs'], planned['bytes'])} in "
        f"{planned['seconds']:g} s at least; {size(planned['far_bytes'])} go between regions",
        *moved,
    ]
    if (after := planned["fullest_after"]) is not None:
        before = planned["fullest_before"]
        lines.append(f"  the fullest disk: {_full(before)} before, {_full(after)} after")
    if planned["owed"]:
        lines.append(f"  {planned['owed']} of those copies lack already, without a change")
    if planned["surplus"]:
        surplus = f"{planned['surplus']} copies ({size(planned['surplus_bytes'])})"
        lines.append(f"  {surplus} are asked for no more, and stay")
    if planned["unreadable"]:
        lines.append(f"  {planned['unreadable']} blobs are on nobody who is there")
    lines.append(f"to bring it about: atoll layout apply --version {planned['version']}")
    return Outcome("\n".join(lines), planned)


def _full(disk: dict[str, Any]) -> str:
    return f"{disk['node']} at {100 * disk['used_share']:.0f} %"


def apply(
    url: str, version: int, fingerprint: str, *, ask_word: Ask | None, given: Collection[str]
) -> Outcome:
    """
    Bring about what was planned at the node as *version*; *fingerprint*, or how it begins, tells
    several plans apart. Where members are lost by it their names have to be typed.

    Raises:
        CommandError: there is no such plan, or several; or it cannot be brought about.
    """
    base = parse_url(url)
    layout = ask_for(base, "GET", _LAYOUT).document
    plans = [
        each
        for each in layout["plans"]
        if each["version"] == version and each["fingerprint"].startswith(fingerprint)
    ]
    if not plans:
        raise CommandError(
            f"{url} has no plan of version {version} that follows version {layout['version']}, "
            "which is live: plan again (a plan stays with the node that made it)"
        )
    if len(plans) > 1:
        names = ", ".join(each["fingerprint"][:12] for each in plans)
        raise CommandError(f"{url} has several plans of version {version}: give --plan, of {names}")
    [chosen] = plans
    if lost := chosen["lost"]:
        told = f"{', '.join(lost)} would be lost, with whatever nobody else has"
        insist_on_word(lost, told, given, ask_word)
    return shown(_settled(_apply(base, chosen)))


def init(url: str) -> Outcome:
    """
    Found a cluster of the node at *url* alone.

    Raises:
        CommandError: it is in one, or has heard of one.
    """
    return shown(ask_for(parse_url(url), "POST", f"{_LAYOUT}/init").document)


def force(
    url: str, survivors: Collection[str], *, ask_word: Ask | None, given: Collection[str]
) -> Outcome:
    """
    Go on with *survivors* alone; the names of all others have to be typed.

    Raises:
        CommandError: nobody did; or it is no disaster, or a survivor does not answer.
    """
    base = parse_url(url)
    layout = ask_for(base, "GET", _LAYOUT).document
    lost = {member["node"] for member in layout["members"]} - set(survivors)
    if lost:
        told = (
            f"{', '.join(sorted(lost))} would be lost, with whatever nobody else has, and must not "
            "run any more"
        )
        insist_on_word(lost, told, given, ask_word)
    body = {"survivors": sorted(survivors)}
    answer = ask_for(base, "POST", f"{_LAYOUT}/force", body=body, timeout_s=COUNT_S)
    return shown(answer.document)


def change(base: str, *changes: Sent) -> dict[str, Any]:
    """
    Plan *changes* and bring them about; again, where another version comes first. Returns the
    layout.

    Raises:
        CommandError: they are refused, or the node could not be asked.
    """
    until = time.monotonic() + _OPEN_S
    while True:
        done = _apply(base, _plan(base, changes))
        if done.status not in (404, 409) or time.monotonic() >= until:
            return _settled(done)
        time.sleep(_AGAIN_S)


def shown(layout: dict[str, Any]) -> Outcome:
    """The layout, for people and for programs."""
    rows = [
        (
            member["node"],
            member["region"],
            member["zone"] or "-",
            str(member["weight"]),
            ",".join(member["roles"]),
            member["availability"],
        )
        for member in layout["members"]
    ]
    settings = layout["settings"]
    lines = [
        f"version {layout['version']} ({layout['fingerprint'][:12]})",
        table([_HEAD, *rows]),
        f"copies: {settings['copies']}; regions at least: {settings['regions_min']}; "
        f"degraded writes: {settings['degraded_writes']}",
    ]
    lines += [
        f"region {rule['region']} keeps {rule['copies']} copies, weight {rule['weight']}"
        for rule in layout["rules"]
    ]
    lines += [f"witness of region {region}: {node}" for region, node in layout["witnesses"].items()]
    lines += [f"! cannot be met: {each}" for each in layout["unmet"]]
    if (open_change := layout["change"]) is not None:
        phase = "STALLED" if open_change["phase"] == "stalled" else open_change["phase"]
        lines.append(f"the change to this version goes on: {phase}")
        lines += [f"  {hindrance}" for hindrance in open_change["hindrances"]]
    for each in layout["plans"]:
        lines.append(f"planned: version {each['version']} ({each['fingerprint'][:12]})")
        lines += [f"  {change}" for change in each["changes"]]
    return Outcome("\n".join(lines), layout)


def _plan(base: str, changes: Sequence[Sent]) -> dict[str, Any]:
    until = time.monotonic() + _OPEN_S
    while True:
        body = {"changes": list(changes)}
        answer = ask(base, "POST", f"{_LAYOUT}/plan", body=body, timeout_s=COUNT_S)
        if answer.status != 503 or _missing(answer) or time.monotonic() >= until:
            return _settled(answer)
        time.sleep(_AGAIN_S)


def _apply(base: str, planned: dict[str, Any]) -> Reply:
    body = {name: planned[name] for name in ("version", "fingerprint")}
    return ask(base, "POST", f"{_LAYOUT}/apply", body=body, timeout_s=COUNT_S)


def _settled(answer: Reply) -> dict[str, Any]:
    if answer.status >= 400:
        raise CommandError(answer.error())
    document: dict[str, Any] = answer.document
    return document


def _missing(answer: Reply) -> Sequence[str]:
    """The voters that do not answer, where that is why it was refused."""
    try:
        return list(answer.document["errors"][0]["detail"]["missing"])
    except (KeyError, IndexError, TypeError):
        return []


def _told(entry: dict[str, Any]) -> str:
    version = f"version {entry['version']}"
    match entry["step"]:
        case "begin":
            return f"{version} begins"
        case "forsake":
            return f"{version} goes on without who is lost"
        case _:
            return f"{version} is live alone"
