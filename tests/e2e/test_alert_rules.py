"""docs/monitoring/alerts.yml under `promtool`: each alert fires for what causes it, and in time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from node.admin.metrics import Metrics
from node.attention.alarms import NOBODY_SCRAPED, NOT_SCRAPED, Alarm, alarms
from node.attention.facts import Facts
from tests.e2e.prometheus import RULES, promtool
from tests.unit.attention.snapshots import WELL, assessed
from tests.unit.attention.troubled import CAUSES

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

_STEP_S: Final = 60
"""All durations are whole minutes; and each evaluation of all rules takes time."""

_LONGEST_S: Final = max(alarm.patience.seconds for alarm in alarms()) + _STEP_S
_LASTING: Final = f"x{_LONGEST_S // _STEP_S}"
_WHO: Final = ("eu-1:5000", "us-1:5000")


def series(facts: Facts, instance: str) -> Iterator[dict[str, str]]:
    """What `/metrics` of a node that sees *facts* has of that, for ever."""
    metrics = Metrics()
    metrics.watch_attention(lambda: assessed(facts))
    body, _ = metrics.render()
    for family in text_string_to_metric_families(body.decode()):
        if family.name != "atoll_attention":
            continue
        for sample in family.samples:
            labels = {**sample.labels, "job": "atoll", "instance": instance}
            shown = ",".join(f'{name}="{value}"' for name, value in labels.items())
            yield {"series": f"atoll_attention{{{shown}}}", "values": f"{sample.value:g}{_LASTING}"}


def up(instance: str, value: int = 1) -> dict[str, str]:
    return {"series": f'up{{job="atoll",instance="{instance}"}}', "values": f"{value}{_LASTING}"}


def rule_of(alarm: Alarm) -> Any:
    [found] = [
        rule
        for rule in yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
        if (rule["alert"], rule["labels"]["severity"]) == (alarm.name, alarm.severity)
    ]
    return found


def case(alarm: Alarm, given: list[dict[str, str]], labels: dict[str, str], who: str) -> Any:
    """That *alarm* is raised by *given* when it is due, not before, and no other one ever."""
    rule, due_s = rule_of(alarm), alarm.patience.seconds
    expected = {
        "exp_labels": {"severity": str(alarm.severity), **labels},
        "exp_annotations": {**rule["annotations"], "description": who},
    }
    looks = [(due_s, [expected]), (due_s + _STEP_S, [expected])]
    if due_s:
        looks.append((due_s - _STEP_S, []))
    return {
        "interval": f"{_STEP_S}s",
        "input_series": given,
        "alert_rule_test": [
            {"eval_time": f"{at_s}s", "alertname": alarm.name, "exp_alerts": found}
            for at_s, found in looks
        ],
        "promql_expr_test": [only(alarm, due_s + _STEP_S)],
    }


def only(alarm: Alarm, at_s: int) -> Any:
    """Nothing else fires, or is about to."""
    labels = f'alertname="{alarm.name}", severity="{alarm.severity}"'
    return {
        "expr": "count by (alertname, severity) (ALERTS)",
        "eval_time": f"{at_s}s",
        "exp_samples": [{"labels": f"{{{labels}}}", "value": 1}],
    }


def of_findings(alarm: Alarm) -> Any:
    assert alarm.code is not None
    facts = CAUSES[alarm.code, alarm.severity]
    given = [up(_WHO[0]), *series(facts, _WHO[0])]
    told = f"Seen by {_WHO[0]}: `atoll doctor` there says of what, and what to do."
    return case(alarm, given, {"job": "atoll", "code": str(alarm.code)}, told)


def test_the_rules_are_ones():
    assert f"SUCCESS: {len(list(alarms()))} rules found" in promtool("check", "rules", RULES)


def test_each_alert_fires_for_what_causes_it(tmp_path: Path):
    """
    Broken: an alert is never raised, or too early, or with a link to nowhere; or one trouble calls
    people twice.
    """
    eu, us = _WHO
    cases = [of_findings(alarm) for alarm in alarms() if alarm.code is not None]
    well = [line for who in _WHO for line in (up(who), *series(WELL, who))]
    away = [up(eu, 0), up(us), *series(WELL, us)]
    cases += [
        case(NOT_SCRAPED, away, {"job": "atoll", "instance": eu}, f"{eu} does not answer."),
        case(NOBODY_SCRAPED, [], {}, "Of all targets of the job `atoll`."),
        {
            "interval": f"{_STEP_S}s",
            "input_series": well,
            "promql_expr_test": [
                {"expr": "ALERTS", "eval_time": f"{_LONGEST_S}s", "exp_samples": []},
            ],
        },
    ]
    assert len(cases) > 50
    file = tmp_path / "cases.yml"
    file.write_text(
        yaml.safe_dump(
            {
                "rule_files": [str(RULES)],
                "evaluation_interval": f"{_STEP_S}s",
                "tests": [{"name": str(number), **each} for number, each in enumerate(cases)],
            }
        )
    )
    assert "SUCCESS" in promtool("test", "rules", file)


def test_two_clusters_are_told_apart(tmp_path: Path):
    """Broken: an alert of one cluster names nodes of another one."""
    [dead] = [a for a in alarms() if (a.name, a.severity) == ("AtollNodeDead", "warning")]
    assert dead.code is not None
    facts = CAUSES[dead.code, dead.severity]
    given = [line for who in _WHO for line in (up(who), *series(facts, who))]
    for line in given:
        place = "one" if _WHO[0] in line["series"] else "other"
        line["series"] = line["series"].replace("{", f'{{cluster="{place}",', 1)
    told = "Seen by {}: `atoll doctor` there says of what, and what to do."
    expected = [
        {
            "exp_labels": {
                "severity": "warning", "job": "atoll", "code": "node-dead", "cluster": cluster,
            },
            "exp_annotations": {
                **rule_of(dead)["annotations"], "description": told.format(instance),
            },
        }
        for cluster, instance in zip(("one", "other"), _WHO, strict=True)
    ]  # fmt: skip
    test = {
        "interval": f"{_STEP_S}s",
        "input_series": given,
        "alert_rule_test": [
            {"eval_time": f"{_LONGEST_S}s", "alertname": dead.name, "exp_alerts": expected}
        ],
    }
    file = tmp_path / "cases.yml"
    file.write_text(
        yaml.safe_dump(
            {"rule_files": [str(RULES)], "evaluation_interval": f"{_STEP_S}s", "tests": [test]}
        )
    )
    assert "SUCCESS" in promtool("test", "rules", file)
