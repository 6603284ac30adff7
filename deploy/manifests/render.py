"""Every file that the table of services is rendered into."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import yaml

from deploy.local.settings import ROOT
from deploy.manifests import (
    backup,
    broker,
    certificates,
    database,
    edge,
    monitoring,
    network,
    secrets,
)
from deploy.manifests.services import SERVICES
from deploy.manifests.shape import NAMESPACE, Manifest, manifest
from deploy.manifests.workload import migration, workload

FOLDER: Final = ROOT / "deploy"
NOTE: Final = "# Rendered by `make manifests` from deploy/manifests; a change here is lost.\n"
# The Pod Security Standard of a minor that all supported clusters know.
POD_SECURITY: Final = {
    f"pod-security.kubernetes.io/{mode}{suffix}": text
    for mode in ("enforce", "warn", "audit")
    for suffix, text in (("", "restricted"), ("-version", "v1.34"))
}


def files() -> dict[Path, str]:
    """Content by path; what is in these folders besides was written by people."""
    base, production, dev = (
        FOLDER / name for name in ("base", "overlays/production", "overlays/dev")
    )
    parts: dict[str, Iterable[Manifest]] = {
        "namespace": [_namespace()],
        "network": _policies(),
        "volumes": backup.volumes(),
        "toolbox": edge.toolbox(),
        "backup": backup.backup(),
    }
    for service in SERVICES:
        jobs = [migration(service)] if service.has_database else []
        parts[service.name] = [*workload(service), *jobs]
    found = {base / f"{name}.yaml": _text(objects) for name, objects in parts.items()}
    listed: Manifest = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": NAMESPACE,
        "resources": [f"{name}.yaml" for name in parts],
    }
    found[base / "kustomization.yaml"] = _text([listed])
    found[production / "database.yaml"] = _text(database.cluster())
    found[production / "nats.yaml"] = _text(broker.cluster())
    found[production / "nats.conf"] = NOTE + broker.configuration(broker.NODES)
    found[production / "certificates.yaml"] = _text(certificates.objects())
    found[production / "secrets.yaml"] = _text(secrets.external_secrets())
    found[production / "edge.yaml"] = _text(edge.entrance())
    found[monitoring.FOLDER / "monitoring.yaml"] = _text(monitoring.objects())
    found[monitoring.FOLDER / "kustomization.yaml"] = _text([monitoring.component()])
    found[dev / "database.yaml"] = _text(database.server())
    found[dev / "nats.yaml"] = _text(broker.single())
    found[dev / "nats.conf"] = NOTE + broker.configuration(1)
    return found


def as_yaml(objects: Iterable[Mapping[str, object]]) -> str:
    """Objects as a stream of YAML documents."""
    return yaml.dump_all(
        objects, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120, explicit_start=True
    )


class _Plain(yaml.SafeDumper):
    """Writes texts of several lines as such, and repeats what occurs twice."""

    def ignore_aliases(self, _data: object) -> bool:
        """Anchors are for machines."""
        return True


def _text_node(dumper: _Plain, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Plain.add_representer(str, _text_node)


def _text(objects: Iterable[Mapping[str, object]]) -> str:
    return NOTE + as_yaml(objects)


def _namespace() -> Manifest:
    return manifest("Namespace", NAMESPACE, labels=POD_SECURITY)


def _policies() -> list[Manifest]:
    return [*network.policies(), *network.data_policies()]
