"""`atoll doctor`: what needs attention, why it is so, and what to do."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from node.cli.client import ask_for
from node.cli.exits import CRITICAL, DONE, FAILED
from node.cli.outcome import Outcome
from node.cli.references import parse_url
from node.cli.words import age, size

_STATUS: Final[Mapping[str, int]] = {"critical": CRITICAL, "warning": FAILED, "notice": DONE}

_COUNT_S: Final = 120.0
"""How long the node may look at its blobs."""


class Diagnosis(NamedTuple):
    """What was found, and what the command exits with."""

    outcome: Outcome
    status: int


def diagnose(url: str) -> Diagnosis:
    """
    What the node at *url* says needs attention.

    Raises:
        CommandError: it does not say.
    """
    found = ask_for(parse_url(url), "GET", "/atoll/v1/attention", timeout_s=_COUNT_S).document
    concerns = found["attention"]
    status = max((_STATUS[each["severity"]] for each in concerns), default=DONE)
    return Diagnosis(Outcome("\n".join(_lines(found)), found), status)


def _lines(found: dict[str, Any]) -> Iterator[str]:
    for concern in found["attention"]:
        yield from _about(concern, found["time"])
        yield ""
    yield f"{_counted(found['attention'])}, as {found['node']} ({found['region']}) sees it"


def _about(concern: dict[str, Any], now: float) -> Iterator[str]:
    severity, title = concern["severity"].upper(), concern["title"]
    yield f"{severity} {title} (for {age(now - concern['since'])})"
    for each in concern["explains"]:
        yield f"  so: {each['title']}"
    if concern["facts"]:
        yield f"  {', '.join(map(_measure, concern['facts']))}"
    for step in concern["next"]:
        yield f"  - {step['text']}"
        if step["command"]:
            yield f"      {step['command']}"
    yield f"  {concern['runbook']}"


def _measure(fact: dict[str, Any]) -> str:
    value, unit = fact["value"], fact["unit"]
    if unit == "bytes":
        return f"{fact['name']}: {size(int(value))}"
    number = f"{value:g}" if isinstance(value, float) else str(value)
    return f"{fact['name']}: {number} {unit}".rstrip()


def _counted(concerns: list[dict[str, Any]]) -> str:
    severities = [concern["severity"] for concern in concerns]
    told = [f"{count} {name}" for name in _STATUS if (count := severities.count(name))]
    return ", ".join(told) if told else "nothing needs attention"
