"""`atoll leave` and `atoll remove`: take a node out of its cluster for good."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

from node.cli.client import Reply, ask, ask_for
from node.cli.errors import CommandError
from node.cli.outcome import Outcome
from node.cli.references import parse_url

_POLL_S: Final = 0.2

_COUNT_S: Final = 600.0
"""For the node to count what only it has; it looks at each blob that it holds."""

_AT_STAKE: Final = 409

_CLUSTER: Final = "/atoll/v1/cluster"


Confirm = Callable[[str], bool]
"""Asks whoever types the command a question; returns whether the answer was yes."""


def leave(
    url: str,
    drain_s: float | None,
    timeout_s: float,
    *,
    confirm: Confirm | None,
    yes: bool = False,
    force: bool = False,
) -> Outcome:
    """
    Ask the node at *url* to leave, and return once its peers count it no more.

    It serves for *drain_s* seconds more; None leaves that to the node. Where blobs would have fewer
    than `copies` copies it goes when *yes* says so, or *confirm*; None: there is nobody to ask.
    Where they would have none left that is there, by *force* alone.

    Raises:
        CommandError: it could not be asked, it does not go, or *timeout_s* after draining a peer
            still counts it.
    """
    base = parse_url(url)
    cluster = ask_for(base, "GET", _CLUSTER).document
    node = cluster["node"]
    waiting = [member for member in cluster["members"] if member["connected"]]
    query = {} if drain_s is None else {"drain_s": f"{drain_s:.3f}"}
    if force:
        query["force"] = "true"
    if yes:
        query["fewer_copies"] = "true"
    answer = _ask(base, query)
    if answer.status == _AT_STAKE:
        told = answer.error()
        if _stakes(answer).get("blobs_last", 0):
            raise CommandError(
                f"{told}; nothing was done. Bring back the members that have copies, push the "
                "images elsewhere, or give --force to lose those blobs with the node"
            )
        _ask_back(f"{told} until the others have made new ones", confirm)
        answer = _ask(base, {**query, "fewer_copies": "true"})
    if answer.status >= 400:
        raise CommandError(answer.error())
    if not waiting:
        told = f"{node} is leaving; nobody was connected who could take note of it"
        return Outcome(told, {"node": node, "noted_by": []})
    noted_by = [peer["node"] for peer in waiting]
    until = time.monotonic() + answer.document["drain_s"] + timeout_s
    while waiting := [peer for peer in waiting if _counts(peer, node)]:
        if time.monotonic() >= until:
            names = ", ".join(sorted(peer["node"] for peer in waiting))
            raise CommandError(f"{node} was asked to leave, but is still a member for {names}")
        time.sleep(_POLL_S)
    return Outcome(f"{node} has left", {"node": node, "noted_by": noted_by})


def remove(node: str, url: str, *, confirm: Confirm | None, yes: bool = False) -> Outcome:
    """
    Have the node at *url* count the dead member *node* out; it tells the others.

    Where nobody who is there has some of its blobs, it does so when *yes* says so, or *confirm*.

    Raises:
        CommandError: it could not be asked, there is no dead member of that name, or nobody said
            yes.
    """
    base, path = parse_url(url), f"/atoll/v1/members/{quote(node, safe='')}"
    answer = ask(base, "DELETE", path + ("?force=true" if yes else ""), timeout_s=_COUNT_S)
    if answer.status == _AT_STAKE and "blobs_last" in _stakes(answer):
        _ask_back(f"{answer.error()}, unless it comes back with its disk", confirm)
        answer = ask(base, "DELETE", f"{path}?force=true")
    if answer.status >= 400:
        raise CommandError(answer.error())
    return Outcome(f"{node} is removed", {"node": node, "removed": True})


def _ask(base: str, query: Mapping[str, str]) -> Reply:
    return ask(base, "POST", f"/atoll/v1/leave?{urlencode(query)}", timeout_s=_COUNT_S)


def _ask_back(told: str, confirm: Confirm | None) -> None:
    if confirm is None:
        raise CommandError(f"{told}; nothing was done: give --yes to do it all the same")
    if not confirm(f"{told}. Do it all the same?"):
        raise CommandError("nothing was done")


def _stakes(answer: Reply) -> Mapping[str, int]:
    """What the refusal says is at stake; nothing where it is another refusal."""
    try:
        detail = answer.document["errors"][0]["detail"]
    except (KeyError, IndexError, TypeError):
        return {}
    return detail if isinstance(detail, dict) else {}


def _counts(peer: dict[str, Any], node: str) -> bool:
    """Whether *peer* counts *node* as a member, or cannot be asked."""
    try:
        answer = ask(parse_url(peer["http"]), "GET", _CLUSTER, timeout_s=5.0)
        return answer.status != 200 or any(m["node"] == node for m in answer.document["members"])
    except CommandError:
        return True
