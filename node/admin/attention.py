"""What needs attention, with what to do: what `atoll doctor` and the page show."""

from collections.abc import Sequence
from typing import Final

import msgspec
from aiohttp import web

from node.admin.answers import answer, document
from node.admin.context import AdminContext
from node.attention.codes import Code, Harm, Severity
from node.attention.findings import Concern, FindingSubject, SubjectKind
from node.http.endpoint import Action, Endpoint, Request


class ConcernSubject(msgspec.Struct):
    """What a finding is about."""

    kind: SubjectKind
    """Of which kind."""

    name: str
    """Its name; empty for the cluster."""


class ShownMeasure(msgspec.Struct):
    """A number behind a finding."""

    name: str
    """What is measured."""

    value: float | str
    """How much of it, or a word."""

    unit: str
    """Of what; empty for a count, or a word."""


class ShownStep(msgspec.Struct):
    """What to do."""

    text: str
    """In words."""

    command: str
    """What to type for it; empty where there is no command."""


class Consequence(msgspec.Struct):
    """A finding that another one explains: it needs no work of its own."""

    code: Code
    """What it is, for programs."""

    severity: Severity
    """How bad it is."""

    hurts: Harm
    """Who is hurt."""

    since: float
    """When the node that is asked saw it first, in seconds since 1970."""

    subject: ConcernSubject
    """What it is about."""

    title: str
    """What is so, in a line."""

    facts: Sequence[ShownMeasure]
    """The numbers behind it."""

    runbook: str
    """Its page, in the sources."""


class ShownConcern(msgspec.Struct):
    """Something that needs attention."""

    code: Code
    """What it is, for programs. Codes stay as they are."""

    severity: Severity
    """How bad it is, with all that it explains."""

    hurts: Harm
    """Who is hurt by it, and by what it explains."""

    since: float
    """When the node that is asked saw it first, in its present run, in seconds since 1970."""

    subject: ConcernSubject
    """What it is about."""

    title: str
    """What is so, in a line, with names and numbers."""

    facts: Sequence[ShownMeasure]
    """The numbers behind it."""

    next: Sequence[ShownStep]
    """What to do, in this order."""

    explains: Sequence[Consequence]
    """What else is so because of it, the worst first."""

    runbook: str
    """Its page, in the sources."""


class AttentionDocument(msgspec.Struct):
    """What needs attention, as the node sees it that is asked."""

    node: str
    """Who is asked."""

    region: str
    """Where that is."""

    time: float
    """When it looked, in seconds since 1970."""

    attention: Sequence[ShownConcern]
    """The worst first; none while there is nothing to say."""


async def attention(context: AdminContext, request: Request) -> web.Response:
    """GET of what needs attention."""
    seen = await context.attention.look()
    facts = seen.facts
    shown = [_shown(each) for each in seen.concerns]
    return answer(AttentionDocument(facts.node, facts.region, round(facts.now, 3), shown))


def _shown(concern: Concern) -> ShownConcern:
    finding = concern.finding
    return ShownConcern(
        finding.code,
        concern.severity,
        concern.harm,
        round(concern.since, 3),
        _subject(finding.subject),
        finding.title,
        _measures(concern),
        [ShownStep(step.text, step.command) for step in finding.next],
        [_consequence(each) for each in concern.explains],
        finding.code.runbook,
    )


def _consequence(concern: Concern) -> Consequence:
    finding = concern.finding
    return Consequence(
        finding.code,
        concern.severity,
        concern.harm,
        round(concern.since, 3),
        _subject(finding.subject),
        finding.title,
        _measures(concern),
        finding.code.runbook,
    )


def _subject(subject: FindingSubject) -> ConcernSubject:
    return ConcernSubject(subject.kind, subject.name)


def _measures(concern: Concern) -> list[ShownMeasure]:
    return [ShownMeasure(each.name, each.value, each.unit) for each in concern.finding.measures]


ENDPOINTS: Final = (
    Endpoint(
        action=Action.ATTENTION,
        methods=("GET",),
        path="/atoll/v1/attention",
        handler=attention,
        doc="Tell what needs attention, the worst first, and what to do.",
        answers=(document(200, "What there is.", AttentionDocument),),
    ),
)
