"""`atoll alerts`: the rules by which Prometheus calls somebody."""

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from node.cli.options import Json

if TYPE_CHECKING:
    from node.attention.alarms import Alarm

RUNBOOKS: Final = "docs/runbooks/"
"""Where they are in the sources."""


def alerts(
    *,
    runbooks: Annotated[
        str,
        typer.Option("--runbooks", metavar="URL", help="Where the runbooks are, for the links."),
    ] = RUNBOOKS,
    as_json: Json = False,
) -> None:
    """Print alert rules for Prometheus: one for each runbook, and severity that it may have."""
    from node.attention.alarms import alarms

    rules = [rule(each, runbooks) for each in alarms()]
    if as_json:
        typer.echo(json.dumps({"groups": [{"name": "atoll", "rules": rules}]}))
    else:
        typer.echo("".join(_written(rules, [each.patience.why for each in alarms()])), nl=False)


_HEAD: Final = """\
# Alert rules for Atoll: the output of `atoll alerts`, which has --runbooks for the links.
# What is wrong, and how bad that is, say the nodes (`atoll_attention`): nothing is judged here but
# for how long it has to last. docs/monitoring.md tells how to use them.
groups:
  - name: atoll
    rules:
"""


def rule(alarm: "Alarm", runbooks: str = RUNBOOKS) -> dict[str, Any]:
    """An alert, as Prometheus has it."""
    expression, description = _asked(alarm)
    return {
        "alert": alarm.name,
        "expr": expression,
        "for": f"{alarm.patience.seconds // 60}m",
        "labels": {"severity": str(alarm.severity)},
        "annotations": {
            "summary": alarm.text,
            "description": description,
            "runbook_url": f"{runbooks.rstrip('/')}/{alarm.runbook}.md",
        },
    }


def _asked(alarm: "Alarm") -> tuple[str, str]:
    """What holds, and of whom that is told."""
    from node.attention.alarms import NOBODY_SCRAPED, NOT_SCRAPED

    if alarm == NOBODY_SCRAPED:
        return 'absent(up{job="atoll"} == 1)', "Of all targets of the job `atoll`."
    if alarm == NOT_SCRAPED:
        return 'up{job="atoll"} == 0', "{{ $labels.instance }} does not answer."
    labels = f'code="{alarm.code}",severity="{alarm.severity}"'
    # Series of one cluster have the same job; and the same `cluster`, where several are watched.
    asking = (
        f"printf `atoll_attention{{{labels},job=%q,cluster=%q}} > 0` $labels.job $labels.cluster"
    )
    saying = f"{{{{ range {asking} | query | sortByLabel `instance` }}}} {{{{ .Labels.instance }}}}"
    return (
        f"count by (cluster, job, code) (atoll_attention{{{labels}}} > 0)",
        f"Seen by{saying}{{{{ end }}}}: `atoll doctor` there says of what, and what to do.",
    )


def _written(rules: Iterable[dict[str, Any]], reasons: Iterable[str]) -> Iterator[str]:
    """The file."""
    yield _HEAD
    for each, why in zip(rules, reasons, strict=True):
        yield f"      - alert: {each['alert']}\n"
        yield f"        expr: {_quoted(each['expr'])}\n"
        yield f"        for: {each['for']}  # {why}\n"
        for part in ("labels", "annotations"):
            yield f"        {part}:\n"
            for name, value in each[part].items():
                yield f"          {name}: {_quoted(value)}\n"


def _quoted(text: str) -> str:
    """A scalar of YAML in which nothing has a meaning of its own."""
    doubled = text.replace("'", "''")
    return f"'{doubled}'"
