"""Pieces that all manifests are made of."""

import tomllib
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from deploy.local.settings import ROOT

Manifest: TypeAlias = dict[str, object]

NAMESPACE: Final = "crm"
RELEASE: Final = str(
    tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
)
# The user of all images (deploy/docker/Dockerfile).
USER: Final = 10001
NAME: Final = "app.kubernetes.io/name"
COMPONENT: Final = "app.kubernetes.io/component"
TLS_DIR: Final = "/etc/crm/tls"


def manifest(
    kind: str, name: str, api: str = "v1", labels: Mapping[str, str] | None = None, **rest: object
) -> Manifest:
    """An object with our labels; `rest` is what stands beside its metadata."""
    own = labels or {NAME: name}
    metadata = {"name": name, "labels": {**own, "app.kubernetes.io/part-of": "crm"}}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **rest}


def labels(name: str, component: str) -> dict[str, str]:
    """The labels of a workload's pods."""
    return {NAME: name, COMPONENT: component}


def selector(*names: str) -> Manifest:
    """Pods of these workloads."""
    if len(names) == 1:
        return {"matchLabels": {NAME: names[0]}}
    return {"matchExpressions": [{"key": NAME, "operator": "In", "values": sorted(names)}]}


def pod(
    containers: Sequence[Mapping[str, object]],
    volumes: Sequence[Mapping[str, object]],
    account: str,
    grace_s: int,
    **rest: object,
) -> Manifest:
    """A pod as the Pod Security Standard `restricted` wants it."""
    return {
        "serviceAccountName": account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": grace_s,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **rest,
        "containers": list(containers),
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "2Gi"}}, *volumes],
    }


def container(name: str, image: str, resources: Manifest, **rest: object) -> Manifest:
    """A container without privileges whose root file system is read-only."""
    mounts = rest.pop("volumeMounts", [])
    assert isinstance(mounts, list)
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        **rest,
        "resources": resources,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}, *mounts],  # noqa: S108  # the pod's own
    }


def resources(cpu: int, memory_mib: int, memory_max_mib: int, cpu_max: int = 2000) -> Manifest:
    """Requests and limits; CPU in thousandths."""
    return {
        "requests": {"cpu": f"{cpu}m", "memory": f"{memory_mib}Mi"},
        "limits": {"cpu": f"{cpu_max}m", "memory": f"{memory_max_mib}Mi"},
    }


def variables(values: Mapping[str, str]) -> list[Manifest]:
    """Environment variables in order of their names."""
    return [{"name": name, "value": values[name]} for name in sorted(values)]


def secret_volume(name: str, secret: str) -> Mapping[str, object]:
    """A Secret as files."""
    return {"name": name, "secret": {"secretName": secret}}


def claim_volume(name: str, claim: str) -> Mapping[str, object]:
    """A volume of our own."""
    return {"name": name, "persistentVolumeClaim": {"claimName": claim}}


def mount(name: str, path: str, *, read_only: bool = True) -> Manifest:
    """A volume at a path."""
    return {"name": name, "mountPath": path} | ({"readOnly": True} if read_only else {})


def spread(name: str) -> list[Manifest]:
    """Replicas over zones and hosts, as far as there are some."""
    return [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": selector(name),
        }
        for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
    ]


def account(name: str) -> Manifest:
    """A ServiceAccount that no pod gets a token of."""
    return manifest("ServiceAccount", name, automountServiceAccountToken=False)


def disruption_budget(name: str, **allowed: int) -> Manifest:
    """A PodDisruptionBudget; a pod that is broken anyway is no reason to keep a node."""
    spec = {**allowed, "unhealthyPodEvictionPolicy": "AlwaysAllow", "selector": selector(name)}
    return manifest("PodDisruptionBudget", name, "policy/v1", spec=spec)
