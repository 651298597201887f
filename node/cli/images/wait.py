"""`atoll wait`: until a push is in other regions."""

import time
from contextlib import nullcontext
from typing import Any, Final
from urllib.parse import urlencode

from rich.console import Console

from node.cli.client import ask
from node.cli.errors import CommandError
from node.cli.exchange import Reply
from node.cli.outcome import Outcome
from node.cli.references import parse_reference, parse_url

_SLICE_S: Final = 2.0
"""How long one request waits: after it the progress shows what is still missing."""


def wait(what: str, url: str | None, regions: str | None, timeout_s: float) -> Outcome:
    """
    Return once the event is everywhere it should be. Shows who lacks it meanwhile, on a terminal.

    Raises:
        CommandError: it is not there in time, or cannot be asked for.
    """
    base, event = _event(what, url)
    until = time.monotonic() + timeout_s
    console = Console(stderr=True, highlight=False)
    # A status line that is drawn again and again is nothing for a pipe.
    status = console.status(f"waiting for {event}") if console.is_terminal else None
    with status or nullcontext():
        while True:
            left = max(0.0, until - time.monotonic())
            answer = _ask(base, event, regions, min(_SLICE_S, left))
            if answer.status == 200:
                break
            if left == 0.0:
                raise CommandError(
                    f"after {timeout_s:g} s {what} (event {event}) is not known to be on "
                    f"{_missing(answer)}"
                )
            if status is not None:
                status.update(f"waiting for {event}: {_missing(answer)}")
    nodes = [f"{node['node']} ({node['region']})" for node in answer.document["nodes"]]
    return Outcome(f"{event} is on {', '.join(sorted(nodes))}", answer.document)


def _event(what: str, url: str | None) -> tuple[str, str]:
    """The node to ask, and the event that *what* stands for; an event has no colon and no @."""
    if url is not None and not {":", "@"} & {*what}:
        return parse_url(url), what
    reference = parse_reference(what, url)
    path = f"/v2/{reference.repository}/manifests/{reference.name}"
    answer = ask(reference.url, "HEAD", path)
    if answer.status == 404:
        raise CommandError(f"{reference.url} has no {reference.image}")
    event = answer.headers.get("atoll-event")
    if answer.status != 200 or event is None:
        raise CommandError(f"{reference.url} does not tell the event of {what} ({answer.status})")
    return reference.url, event


def _ask(base: str, event: str, regions: str | None, timeout_s: float) -> Reply:
    query = {"event": event, "timeout_s": f"{timeout_s:.3f}"}
    if regions is not None:
        query["regions"] = regions
    path = f"/atoll/v1/wait?{urlencode(query)}"
    answer = ask(base, "GET", path, timeout_s=timeout_s + 30)
    if answer.status == 200 or _is_time_out(answer):
        return answer
    raise CommandError(answer.error())


def _is_time_out(answer: Reply) -> bool:
    return answer.status == 503 and bool(_details(answer))


def _missing(answer: Reply) -> str:
    nodes = [node for detail in _details(answer) for node in detail["missing"]]
    return ", ".join(f"{node['node']} ({node['region']})" for node in nodes)


def _details(answer: Reply) -> list[dict[str, Any]]:
    try:
        details = [entry.get("detail") for entry in answer.document["errors"]]
    except (KeyError, TypeError):
        return []
    return [detail for detail in details if isinstance(detail, dict) and "missing" in detail]
