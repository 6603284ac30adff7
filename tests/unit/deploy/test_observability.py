"""Rules, dashboards and runbooks fit together, and name only what processes tell."""

import json
import re
from pathlib import Path

import pytest
from prometheus_client import REGISTRY, CollectorRegistry

from chassis.events.metrics import ConsumerMetrics, RelayMetrics
from chassis.telemetry.metrics import PARKED
from cli.doctor import checks, event_checks
from deploy.backup.watch import NEWEST
from deploy.local.settings import GATEWAY, ROOT, SERVICES
from deploy.observability import programs
from deploy.observability.dashboards import FOLDER as JSON_FOLDER
from deploy.observability.dashboards import as_json, dashboards
from tests.observability import (
    FOLDER,
    RIGHTLY_EMPTY,
    may_be_empty,
    metrics,
    panel_queries,
    queries,
    rules,
)

ALERTS = {rule.alert: rule for rule in rules("alerts.yaml")}
PAGES = ROOT / "docs" / "operations" / "runbooks"
HEADINGS = ("## What it means", "## What users notice", "## How to look", "## What to do")
ENDINGS = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}


def exported() -> set[str]:
    """Names of all samples that processes tell."""
    events = CollectorRegistry()
    RelayMetrics(events), ConsumerMetrics(events)
    families = [
        *PARKED.collect(),
        *REGISTRY.collect(),
        *events.collect(),
    ]
    return {
        f"{one.name}{ending}" for one in families if one.type in ENDINGS
        for ending in ENDINGS[one.type]
    }  # fmt: skip


def test_queries_name_only_what_is_exported() -> None:
    asked = set().union(*map(metrics, queries())) - {"up"} - RIGHTLY_EMPTY.keys()
    assert {name for name in asked if name.startswith("crm_")}
    assert not asked - exported()
    assert {one.name for one in NEWEST.collect()} <= exported()
    assert "crm_job_failures_total" in exported()


def test_the_page_names_only_what_is_exported() -> None:
    text = (PAGES.parent / "observability.md").read_text()
    named = set(re.findall(r"`(crm_\w+)", text))
    assert len(named) > 15
    assert {one for one in named if not any(name.startswith(one) for name in exported())} == set()


def test_recorded_series_are_used_and_exist() -> None:
    recorded = {rule.record for rule in rules("recording.yaml")}
    used = set(re.findall(r"crm:[\w:]+", " ".join(queries())))
    assert used == recorded


def test_dashboards_are_as_the_table_says() -> None:
    written = {path.stem: path.read_text() for path in JSON_FOLDER.glob("*.json")}
    table = {one.name: as_json(one) for one in dashboards()}
    assert written == table, "run make dashboards"
    for one in dashboards():
        body = json.loads(table[one.name])
        assert body["title"] == one.title
        assert [panel["title"] for panel in body["panels"]] == [p.title for p in one.panels]


def test_every_alert_has_its_page_and_every_page_its_alert() -> None:
    assert {path.stem for path in PAGES.glob("*.md")} == set(ALERTS)
    for name, alert in ALERTS.items():
        assert alert.annotations["runbook_url"] == f"docs/operations/runbooks/{name}.md"
        assert alert.annotations["summary"]
        assert alert.labels["severity"] in {"critical", "warning"}


@pytest.mark.parametrize("name", sorted(ALERTS))
def test_pages_say_what_to_do(name: str) -> None:
    text = (PAGES / f"{name}.md").read_text()
    assert text.startswith(f"# {name}\n")
    places = [text.index(heading) for heading in HEADINGS]
    assert places == sorted(places)
    assert "```sh" in text


def test_the_doctor_and_the_dashboards_point_to_pages_that_exist() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "cli" / "doctor").glob("*.py"))
    named = set(re.findall(r'runbook\("(\w+)"\)', sources))
    assert named
    assert named <= set(ALERTS)


def test_the_doctor_has_the_thresholds_of_the_alerts() -> None:
    limits = {
        "EventsUnpublished": event_checks.UNPUBLISHED_S_MAX,
        "ConsumerFallingBehind": event_checks.PENDING_MAX,
        "ConsumerLate": event_checks.DELAY_S_MAX,
    }
    for name, limit in limits.items():
        assert f" > {limit}" in ALERTS[name].expr
    hours = checks.BACKUP_AGE_MAX.total_seconds() / 3600
    assert f" > {hours:.0f} * 3600" in ALERTS["BackupTooOld"].expr
    late = f"> {checks.JOB_LATE_S} + {checks.JOB_TURNS_MAX} * "
    assert late in ALERTS["JobOverdue"].expr
    assert f" < {checks.CERTIFICATE_LEFT_MIN.days} * 86400" in ALERTS["CertificateEnding"].expr


def test_alerts_know_how_many_services_there_are() -> None:
    assert f"< {len((*SERVICES, GATEWAY))} " in ALERTS["TargetsMissing"].expr


def test_promtool_tests_every_alert_and_every_query_that_may_be_empty() -> None:
    text = (FOLDER / "alerts_test.yaml").read_text()
    assert set(re.findall(r"alertname: (\w+)", text)) == set(ALERTS)
    (order,) = re.findall(r"group_eval_order: \[(.*)\]", text)
    files = "".join((FOLDER / f"{name}.yaml").read_text() for name in ("recording", "alerts"))
    assert order.split(", ") == re.findall(r"^  - name: ([\w-]+)", files, re.MULTILINE)
    tested = {line.replace("sales", ".+") for line in re.findall(r"expr: (.*)", text)}
    assert {query for query in panel_queries() if may_be_empty(query)} == tested


def test_without_prometheus_it_is_said_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(programs, "FOLDER", tmp_path / "prometheus")
    with pytest.raises(programs.MissingError, match="Install Prometheus"):
        programs.program("promtool")
