"""The alarms: one for whatever a node may say is worse than a notice, each with its runbook."""

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from typer.testing import CliRunner

from node.attention.alarms import Alarm, alarms
from node.attention.codes import GRADES, Code, Severity
from node.attention.facts import Facts
from node.cli import app
from tests.unit.attention.snapshots import assessed
from tests.unit.attention.test_any_snapshot import SNAPSHOTS
from tests.unit.attention.troubled import CAUSES

ROOT = Path(__file__).parents[3]
ALARMS = list(alarms())
JUDGED = [alarm for alarm in ALARMS if alarm.code is not None]
FILE = ROOT / "docs" / "monitoring" / "alerts.yml"


def told(facts: Facts) -> set[tuple[Code, Severity]]:
    """What `atoll_attention` has then, but for notices."""
    return {(each.finding.code, each.severity) for each in assessed(facts).pressing}


@settings(suppress_health_check=[HealthCheck.too_slow])  # of a busy machine
@given(SNAPSHOTS)
def test_nothing_that_is_wrong_has_no_alarm(facts: Facts):
    """Broken: what `atoll doctor` shows as critical calls nobody."""
    assert told(facts) <= {(alarm.code, alarm.severity) for alarm in JUDGED}


@pytest.mark.parametrize("alarm", JUDGED, ids=[f"{a.code}-{a.severity}" for a in JUDGED])
def test_each_alarm_has_facts_that_cause_it(alarm: Alarm):
    """Broken: a rule waits for what no node ever says."""
    assert alarm.code is not None
    assert (alarm.code, alarm.severity) in told(CAUSES[alarm.code, alarm.severity])


def test_what_has_no_alarm_is_known_to_somebody():
    silent = set(Code) - {alarm.code for alarm in JUDGED}
    silent -= {Code.LOGINS_REFUSED}  # It is told of under `voters-lost`, always.
    assert {GRADES[code].severity for code in silent} == {Severity.NOTICE}


def test_what_clients_feel_is_told_soon():
    critical = [alarm for alarm in JUDGED if alarm.severity is Severity.CRITICAL]
    late = {str(alarm.code) for alarm in critical if alarm.patience.seconds > 60}
    assert late == {"no-layout"}, "a cluster that has not begun: nobody had anything of it yet"


@pytest.mark.parametrize("alarm", ALARMS, ids=[f"{a.name}-{a.severity}" for a in ALARMS])
def test_each_leads_to_a_runbook(alarm: Alarm):
    page = ROOT / "docs" / "runbooks" / f"{alarm.runbook}.md"
    assert page.read_text().startswith(f"# {alarm.runbook}\n")
    assert alarm.patience.why
    assert alarm.text


def test_the_file_is_current():
    """Broken: people copy rules that the node has no more."""
    text = FILE.read_text()
    assert CliRunner().invoke(app, ["alerts"]).stdout == text, (
        "run: atoll alerts > docs/monitoring/alerts.yml"
    )


def test_the_file_is_what_programs_get():
    """Broken: what is written by hand is not the YAML that was meant."""
    done = CliRunner().invoke(app, ["alerts", "--json"])
    assert yaml.safe_load(FILE.read_text()) == yaml.safe_load(done.stdout)


def test_the_links_lead_where_the_runbooks_are():
    done = CliRunner().invoke(app, ["alerts", "--runbooks", "https://wiki.example/r"])
    links = re.findall(r"runbook_url: '(.+)'", done.stdout)
    assert f"https://wiki.example/r/{Code.NODE_DEAD}.md" in links
    assert all(link.startswith("https://wiki.example/r/") for link in links)
