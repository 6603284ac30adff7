"""The overlays as `kubectl apply -k` would send them, and ways to look into them."""

import subprocess
import sysconfig
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

import yaml

from deploy.local.settings import ROOT
from deploy.manifests.shape import NAME, Manifest

OVERLAYS: Final = ("dev", "production")
KUBECTL: Final = Path(sysconfig.get_path("scripts")) / "kubectl"


@cache
def objects(overlay: str) -> tuple[Manifest, ...]:
    """All objects of an overlay."""
    folder = ROOT / "deploy" / "overlays" / overlay
    done = subprocess.run(
        [KUBECTL, "kustomize", folder], check=False, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
    return tuple(one for one in yaml.safe_load_all(done.stdout) if one)


def of_kind(overlay: str, *kinds: str) -> dict[str, Manifest]:
    """Objects of some kinds by name."""
    return {name_of(one): one for one in objects(overlay) if one["kind"] in kinds}


def name_of(one: Manifest) -> str:
    """The name of an object."""
    return str(at(one, "metadata", "name"))


def at(one: object, *path: str) -> object:
    """What lies at a path; None where nothing does."""
    for key in path:
        one = one.get(key) if isinstance(one, dict) else None
    return one


def items(one: object, *path: str) -> list[Manifest]:
    """The list of objects at a path; an empty one where nothing is."""
    found = at(one, *path)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def texts(one: object, *path: str) -> dict[str, str]:
    """The map of texts at a path."""
    found = at(one, *path)
    return {str(key): str(text) for key, text in found.items()} if isinstance(found, dict) else {}


def pods(overlay: str) -> Iterator[tuple[str, Manifest]]:
    """Every pod template with the kind and name of what makes the pods."""
    for one in objects(overlay):
        if one["kind"] in {"Deployment", "StatefulSet", "DaemonSet", "Job"}:
            yield f"{one['kind']}/{name_of(one)}", as_map(at(one, "spec", "template"))
        if one["kind"] == "CronJob":
            template = as_map(at(one, "spec", "jobTemplate", "spec", "template"))
            yield f"CronJob/{name_of(one)}", template


def containers(template: Manifest) -> list[Manifest]:
    """All containers of a pod, those that run first included."""
    return items(template, "spec", "initContainers") + items(template, "spec", "containers")


def as_map(one: object) -> Manifest:
    """The object, which must be one."""
    assert isinstance(one, dict), one
    return one


def selects(selector: object, labels: Mapping[str, str]) -> bool:
    """Whether a label selector means pods with these labels."""
    wanted = texts(selector, "matchLabels")
    if any(labels.get(key) != text for key, text in wanted.items()):
        return False
    for rule in items(selector, "matchExpressions"):
        assert rule["operator"] == "In", rule
        listed = rule["values"]
        assert isinstance(listed, list)
        if labels.get(str(rule["key"])) not in listed:
            return False
    return True


def labels_of(template: Manifest) -> dict[str, str]:
    """The labels of the pods of a template."""
    return texts(template, "metadata", "labels")


def workload_of(template: Manifest) -> str:
    """The name label of a template's pods."""
    return labels_of(template)[NAME]
