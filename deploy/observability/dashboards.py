"""Grafana dashboards from the table of panels in dashboards.yaml."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

HERE: Final = Path(__file__).parent
FOLDER: Final = HERE / "dashboards"
WIDTH: Final = 12
HEIGHT: Final = 8
SOURCE: Final = {"type": "prometheus", "uid": "${source}"}
SERVICES: Final = {
    "name": "service",
    "label": "Service",
    "type": "query",
    "datasource": SOURCE,
    "query": 'label_values(up{job="crm"}, service)',
    "refresh": 2,
    "sort": 1,
    "multi": True,
    "includeAll": True,
    "allValue": ".+",
}


@dataclass(frozen=True)
class Panel:
    """A graph of queries by their legends; `unit` as Grafana names it."""

    title: str
    text: str
    unit: str
    queries: Mapping[str, str]


@dataclass(frozen=True)
class Dashboard:
    """A page of panels, two in a row."""

    name: str
    title: str
    panels: Sequence[Panel]

    def queries(self) -> list[str]:
        """What all its panels ask."""
        return [query for panel in self.panels for query in panel.queries.values()]


def dashboards() -> list[Dashboard]:
    """All of the table."""
    return msgspec.yaml.decode((HERE / "dashboards.yaml").read_bytes(), type=list[Dashboard])


def as_json(dashboard: Dashboard) -> str:
    """The dashboard as Grafana imports it."""
    source = {"name": "source", "label": "Source", "type": "datasource", "query": "prometheus"}
    chosen = [SERVICES] if any("$service" in query for query in dashboard.queries()) else []
    body = {
        "uid": f"crm-{dashboard.name}",
        "title": dashboard.title,
        "tags": ["crm"],
        "schemaVersion": 39,
        "time": {"from": "now-3h", "to": "now"},
        "refresh": "30s",
        "timezone": "browser",
        "templating": {"list": [source, *chosen]},
        "panels": [_panel(at, panel) for at, panel in enumerate(dashboard.panels)],
    }
    return json.dumps(body, indent=1) + "\n"


def write() -> None:
    """Write all of them into their folder."""
    for dashboard in dashboards():
        (FOLDER / f"{dashboard.name}.json").write_text(as_json(dashboard))


def _panel(at: int, panel: Panel) -> dict[str, object]:
    row, column = divmod(at, 2)
    return {
        "id": at + 1,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.text,
        "datasource": SOURCE,
        "gridPos": {"x": column * WIDTH, "y": row * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + number), "expr": query, "legendFormat": legend}
            for number, (legend, query) in enumerate(panel.queries.items())
        ],
    }
