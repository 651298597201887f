"""`atoll leave`: take a node out of its cluster for good."""

from collections.abc import Collection
from typing import Final
from urllib.parse import urlencode

from node.cli.client import ask_for
from node.cli.cluster.layout import COUNT_S
from node.cli.cluster.members import PATIENCE_S, until_safe
from node.cli.errors import CommandError
from node.cli.outcome import Outcome
from node.cli.references import parse_url
from node.cli.words import Ask, Tell, insist_on_word
from node.lifetime.departure import DRAIN_DEFAULT_S, FAREWELL_MAX_S

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

    It tells so itself, as the last that it does: the admin API of the others need not be in reach.

    It serves for *drain_s* seconds more; None leaves that to the node. One that is *lost* goes with
    what only it has: its name has to be typed.

    Raises:
        CommandError: it could not be asked, it has not left *timeout_s* after it served for the
            last time, or a peer has not said that it counts it no more.
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
    waiting = {member["node"] for member in cluster["members"] if member["connected"]}
    query["wait_s"] = f"{min(timeout_s, FAREWELL_MAX_S) if waiting else 0.0:.3f}"
    patience_s = COUNT_S + (DRAIN_DEFAULT_S if drain_s is None else drain_s) + timeout_s
    path = f"/atoll/v1/leave?{urlencode(query)}"
    farewell = ask_for(base, "POST", path, timeout_s=patience_s).document
    if not waiting:
        told = f"{node} is leaving; nobody was connected who could take note of it"
        return Outcome(told, {"node": node, "noted_by": []})
    if farewell["state"] == "draining":
        raise CommandError(f"{node} was asked to leave, and has not left yet")
    if farewell["state"] == "failed":
        raise CommandError(f"{node} stops, and is still a member: {farewell['why']}")
    noted_by = farewell["noted_by"]
    if silent := ", ".join(sorted(waiting.difference(noted_by))):
        raise CommandError(
            f"{node} has left, and {silent} did not say that it is no member any more: wait until "
            "`atoll status` there does"
        )
    return Outcome(f"{node} has left", {"node": node, "noted_by": noted_by})
