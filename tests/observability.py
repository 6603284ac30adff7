"""Rules, alerts and dashboards as tests read them, and what they may find empty."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from deploy.observability.dashboards import dashboards

FOLDER: Final = Path(__file__).parents[1] / "deploy" / "observability"
METRIC: Final = re.compile(r"\b(?:crm_\w+|process_\w+|container_\w+|kube_\w+|up)\b(?=[\[{)\s]|$)")
_THRESHOLD: Final = re.compile(r"\s*(?:>=?|<=?|==)\s*[\d.]+(?:\s*\*\s*[\d.]+)?")

# The one place that says which queries may find nothing on a healthy installation, by what they
# contain. promtool runs them over made-up series instead (alerts_test.yaml).
RIGHTLY_EMPTY: Final[Mapping[str, str]] = {
    "absent(": "there is something",
    "container_memory_working_set_bytes": "told by the kubelet of a cluster",
    "kube_pod_container_resource_limits": "told by kube-state-metrics of a cluster",
}


class Rule(msgspec.Struct):
    """A recording rule or an alert."""

    expr: str
    record: str = ""
    alert: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class _Group(msgspec.Struct):
    rules: list[Rule]


class _Rules(msgspec.Struct):
    groups: list[_Group]


def rules(name: str) -> list[Rule]:
    """The rules of recording.yaml or alerts.yaml."""
    read = msgspec.yaml.decode((FOLDER / name).read_bytes(), type=_Rules)
    return [rule for group in read.groups for rule in group.rules]


def panel_queries() -> list[str]:
    """What the dashboards ask, of all services."""
    found = [query for dashboard in dashboards() for query in dashboard.queries()]
    return [query.replace("$service", ".+") for query in found]


def queries() -> list[str]:
    """Everything that must find data: dashboards, recording rules, and each alternative of each
    alert without its thresholds.
    """
    alerts = [
        part
        for alert in rules("alerts.yaml")
        for part in re.split(r"\s+or\s+", _THRESHOLD.sub("", alert.expr))
    ]
    return [*panel_queries(), *(rule.expr for rule in rules("recording.yaml")), *alerts]


def metrics(query: str) -> set[str]:
    """The metrics that a query names, those of recording rules aside."""
    return set(METRIC.findall(query))


def may_be_empty(query: str) -> bool:
    """Whether it is rightly empty on a healthy installation."""
    return any(part in query for part in RIGHTLY_EMPTY)
