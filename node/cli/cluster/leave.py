"""`atoll leave`: take a node out of its cluster for good."""

import time
from collections.abc import Collection
from typing import Any, Final
from urllib.parse import urlencode

from node.cli.client import ask, ask_for
from node.cli.cluster.layout import COUNT_S
from node.cli.cluster.members import PATIENCE_S, until_safe
from node.cli.errors import CommandError
from node.cli.outcome import Outcome
from node.cli.references import parse_url
from node.cli.words import Ask, Tell, insist_on_word

_POLL_S: Final = 0.2

_CLUSTER: Final = "/atoll/v1/cluster"


def leave(
    url: str,
    drain_s: float | None,
    timeout_s: float,
    *,
    tell: Tell,
    patience_s: float = PATIENCE_S,
    lost: bool = False,
    ask_word: Ask | None = None,
    given: Collection[str] = (),
) -> Outcome:
    """
    Have others get the copies of the node at *url*, ask it to leave, and return once its peers
    count it no more.

    It serves for *drain_s* seconds more; None leaves that to the node. One that is *lost* goes with
    what only it has: its name has to be typed.

    Raises:
        CommandError: it could not be asked, it does not go, or *timeout_s* after that a peer still
            counts it.
    """
    base = parse_url(url)
    cluster = ask_for(base, "GET", _CLUSTER).document
    node = cluster["node"]
    query = {} if drain_s is None else {"drain_s": f"{drain_s:.3f}"}
    if lost:
        told = f"{node} would go with whatever only it has"
        insist_on_word([node], told, given, ask_word)
        query["lost"] = "true"
    else:
        until_safe(base, node, patience_s=patience_s, tell=tell)
    waiting = [member for member in cluster["members"] if member["connected"]]
    answer = ask_for(base, "POST", f"/atoll/v1/leave?{urlencode(query)}", timeout_s=COUNT_S)
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


def _counts(peer: dict[str, Any], node: str) -> bool:
    """Whether *peer* counts *node* as a member, or cannot be asked."""
    try:
        answer = ask(parse_url(peer["http"]), "GET", _CLUSTER, timeout_s=5.0)
        return answer.status != 200 or any(m["node"] == node for m in answer.document["members"])
    except CommandError:
        return True
