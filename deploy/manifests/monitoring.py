"""What the Prometheus operator and Grafana's sidecar read: deploy/observability as objects."""

from collections.abc import Iterator
from typing import Final

import yaml

from deploy.local.settings import ROOT
from deploy.manifests.services import TELLING
from deploy.manifests.shape import NAME, Manifest, manifest, selector

API: Final = "monitoring.coreos.com/v1"
FOLDER: Final = ROOT / "deploy" / "observability"
RULES: Final = ("recording", "alerts")
# How alerts and dashboards know our processes, and which.
JOB: Final = "crm"
POD_NAME: Final = "__meta_kubernetes_pod_label_" + NAME.replace(".", "_").replace("/", "_")
# The label by which Grafana's sidecar finds dashboards.
DASHBOARD: Final = {"grafana_dashboard": "1"}


def objects() -> Iterator[Manifest]:
    """Whom Prometheus asks, and what it reckons and alerts."""
    named = [
        {"action": "replace", "targetLabel": "job", "replacement": JOB},
        {"action": "replace", "sourceLabels": [POD_NAME], "targetLabel": "service"},
    ]
    endpoint = {"port": "metrics", "path": "/metrics", "interval": "15s", "relabelings": named}
    told = selector(*TELLING)
    spec = {"selector": told, "podMetricsEndpoints": [endpoint]}
    yield manifest("PodMonitor", JOB, API, spec=spec)
    files = [yaml.safe_load((FOLDER / f"{name}.yaml").read_text("utf-8")) for name in RULES]
    groups = [group for file in files for group in file["groups"]]
    yield manifest("PrometheusRule", JOB, API, spec={"groups": groups})


def component() -> Manifest:
    """The Kustomize component: the objects, and the dashboards in a ConfigMap."""
    dashboards = sorted(path.name for path in (FOLDER / "dashboards").glob("*.json"))
    held = {
        "name": f"{JOB}-dashboards",
        "files": [f"dashboards/{name}" for name in dashboards],
        "options": {"disableNameSuffixHash": True, "labels": DASHBOARD},
    }
    return {
        "apiVersion": "kustomize.config.k8s.io/v1alpha1",
        "kind": "Component",
        "resources": ["monitoring.yaml"],
        "configMapGenerator": [held],
    }
