"""Every object of every overlay is one that Kubernetes would take."""

from copy import deepcopy

import pytest

from deploy.manifests.render import files
from deploy.manifests.shape import Manifest
from tests.unit.deploy.manifests.rendered import OVERLAYS, as_map, at, objects, of_kind
from tests.unit.deploy.manifests.schemas import MINORS, problems


def test_rendered_files_are_current() -> None:
    old = [str(path) for path, text in files().items() if path.read_text("utf-8") != text]
    assert not old, "run make manifests"


@pytest.mark.parametrize("minor", MINORS)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_objects_fit_their_schemas(overlay: str, minor: str) -> None:
    assert [text for one in objects(overlay) for text in problems(one, minor)] == []


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("Deployment", ("spec", "replica"), 3),
        ("HorizontalPodAutoscaler", ("spec", "maxReplicas"), "many"),
        ("Cluster", ("spec", "postgresql", "parameterz"), {}),
        ("HTTPRoute", ("spec", "rules"), "all"),
        ("ExternalSecret", ("spec", "target", "named"), "x"),
        ("Certificate", ("spec", "duration"), 90),
        ("Database", ("spec", "name"), "postgres"),
    ],
)
def test_a_mistake_is_found(kind: str, path: tuple[str, ...], value: object) -> None:
    wrong = deepcopy(next(iter(of_kind("production", kind).values())))
    as_map(at(wrong, *path[:-1]))[path[-1]] = value
    assert problems(wrong, MINORS[0])


def test_an_unknown_kind_is_refused() -> None:
    removed: Manifest = {
        "apiVersion": "autoscaling/v2beta2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "x"},
    }
    assert problems(removed, MINORS[-1]) == [
        "autoscaling/v2beta2 HorizontalPodAutoscaler: no schema for this kind"
    ]
