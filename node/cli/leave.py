"""`atoll leave` and `atoll remove`: take a node out of its cluster for good."""

import time
from typing import Any, Final
from urllib.parse import quote

from node.cli.client import ask, ask_for
from node.cli.errors import CommandError
from node.cli.references import parse_url

_POLL_S: Final = 0.2

_CLUSTER: Final = "/atoll/v1/cluster"


def leave(url: str, drain_s: float | None, timeout_s: float) -> str:
    """
    Ask the node at *url* to leave, and return once its peers count it no more; one line about it.

    It serves for *drain_s* seconds more; None leaves that to the node.

    Raises:
        CommandError: it could not be asked, or *timeout_s* after draining a peer still counts it.
    """
    base = parse_url(url)
    cluster = ask_for(base, "GET", _CLUSTER).document
    node = cluster["node"]
    waiting = [member for member in cluster["members"] if member["connected"]]
    query = "" if drain_s is None else f"?drain_s={drain_s:.3f}"
    answer = ask_for(base, "POST", f"/atoll/v1/leave{query}")
    if not waiting:
        return f"{node} is leaving; nobody was connected who could take note of it"
    until = time.monotonic() + answer.document["drain_s"] + timeout_s
    while waiting := [peer for peer in waiting if _counts(peer, node)]:
        if time.monotonic() >= until:
            names = ", ".join(sorted(peer["node"] for peer in waiting))
            raise CommandError(f"{node} was asked to leave, but is still a member for {names}")
        time.sleep(_POLL_S)
    return f"{node} has left"


def remove(node: str, url: str) -> None:
    """
    Have the node at *url* count the dead member *node* out; it tells the others.

    Raises:
        CommandError: it could not be asked, or there is no dead member of that name.
    """
    ask_for(parse_url(url), "DELETE", f"/atoll/v1/members/{quote(node, safe='')}")


def _counts(peer: dict[str, Any], node: str) -> bool:
    """Whether *peer* counts *node* as a member, or cannot be asked."""
    try:
        answer = ask(parse_url(peer["http"]), "GET", _CLUSTER, timeout_s=5.0)
        return answer.status != 200 or any(m["node"] == node for m in answer.document["members"])
    except CommandError:
        return True
