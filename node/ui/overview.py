"""The first page: how it is, and what needs attention."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from node.attention.codes import Harm, Severity
from node.attention.findings import Concern
from node.attention.service import Assessment
from node.http.endpoint import Action, Request
from node.ui.context import UiContext
from node.ui.page import Sheet, page
from node.ui.patience import in_time
from node.ui.pull import registry_name
from node.ui.recent import recent_values
from node.ui.regions import values as region_values
from node.ui.tabs import HOME

REFRESH_S: Final = 5

_KINDS: Final[Mapping[Severity, str]] = {
    Severity.CRITICAL: "bad",
    Severity.WARNING: "warn",
    Severity.NOTICE: "move",
}

_HURT: Final[Mapping[Harm, str]] = {
    Harm.REQUESTS: "clients feel it",
    Harm.REDUNDANCY: "no client feels it yet",
    Harm.HYGIENE: "nobody is hurt",
}

_SUMMARY: Final[Mapping[Harm, str]] = {
    Harm.REQUESTS: "Some requests are refused, or slower than they should be.",
    Harm.REDUNDANCY: "No request is refused for it. The next failure would be felt.",
    Harm.HYGIENE: "No request is refused for it, and nothing is at stake.",
}


class HowItIs(NamedTuple):
    """How it is, in a sentence."""

    kind: str
    title: str
    text: str


class Shown(NamedTuple):
    """One thing that needs attention, as the list has it."""

    kind: str
    word: str
    hurts: str
    code: str
    title: str
    since: float
    measures: Sequence[Any]
    so: Sequence[str]
    steps: Sequence[Any]
    runbook: str


class CopiedCommand(NamedTuple):
    """A command, and what is said of it to who cannot see it."""

    text: str
    label: str


async def overview(context: UiContext, request: Request) -> Sheet:
    """The page. Who may not look at the cluster is told nothing of it."""
    values: dict[str, Any] = {"verdict": None, "concerns": (), "first": (), "regions": None}
    terminal = ""
    if request.principal.rights.may(Action.ATTENTION):
        seen, terminal = context.attention.see(), "atoll doctor"
        values["verdict"] = verdict_of(seen)
        values["concerns"] = [shown(each) for each in seen.concerns]
        desk = context.desk.cluster
        values |= region_values(desk.regions(), desk.series())
        # Who may look at the cluster may look at what is in it.
        stored = await in_time(context.registry.listing.repositories("", 1))
        if stored is not None and not stored.items and stored.next_after is None:
            values["first"] = first_steps(
                registry_name(context, request.http), is_open=context.is_open
            )
    values |= await recent_values(context, request.principal.access)
    title = "Overview" if values["verdict"] is None else values["verdict"].title
    return Sheet(template="overview.html", title=title, values=values, terminal=terminal)


def verdict_of(seen: Assessment) -> HowItIs:
    """How the cluster is, by what needs attention."""
    members, pressing = seen.facts.members, seen.pressing
    alive = sum(each.state == "alive" for each in members)
    regions = _many(len({each.region for each in members}), "region")
    where = f"{alive} of {_many(len(members), 'node')} answer, in {regions}."
    if not pressing:
        return HowItIs("ok", "Everything works", where)
    worst = min((each.harm for each in pressing), key=list(Harm).index)
    critical = any(each.severity is Severity.CRITICAL for each in pressing)
    things = f"{_many(len(pressing), 'thing')} {'needs' if len(pressing) == 1 else 'need'} you"
    title = f"Requests are refused: {things}" if critical else f"Serving: {things}"
    return HowItIs("bad" if critical else "warn", title, f"{where} {_SUMMARY[worst]}")


def shown(concern: Concern) -> Shown:
    """A concern as the list has it."""
    finding = concern.finding
    return Shown(
        _KINDS[concern.severity],
        concern.severity.value.capitalize(),
        _HURT[concern.harm],
        finding.code.value,
        finding.title,
        concern.since,
        finding.measures,
        [each.finding.title for each in concern.explains],
        finding.next,
        finding.code.runbook,
    )


def first_steps(registry: str, *, is_open: bool) -> list[CopiedCommand]:
    """The commands by which the first image comes in; nobody logs in where it *is_open*."""
    image = f"{registry}/team-a/alpine:3"
    login = CopiedCommand(f"docker login {registry}", "Copy log-in command")
    return [
        *([] if is_open else [login]),
        CopiedCommand(f"docker tag alpine {image}", "Copy tag command"),
        CopiedCommand(f"docker push {image}", "Copy push command"),
    ]


def _many(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


ENDPOINTS: Final = (
    page(
        Action.PAGE_OVERVIEW,
        HOME,
        overview,
        "Show how the cluster is, and what needs attention.",
        route="/atoll/v1/attention",
        tab=HOME,
        refresh_s=REFRESH_S,
        errors=(),
    ),
)
