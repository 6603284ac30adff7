"""The overlay that operators copy: nothing of an installation is left for them to find out."""

import re
from typing import Final

import pytest
import yaml

from deploy.manifests.database import BACKUP_STORE
from deploy.manifests.edge import CERTIFICATE, HOST
from deploy.manifests.secrets import STORE
from deploy.manifests.shape import Manifest
from deploy.manifests.workload import IN_FLIGHT, REQUESTS
from tests.unit.deploy.manifests.rendered import (
    as_map,
    at,
    containers,
    items,
    name_of,
    objects,
    of_kind,
    pods,
)
from tests.unit.deploy.manifests.schemas import MINORS, problems

EXAMPLE: Final = "example"
ADDRESS: Final = "crm.company.example"
Kinds = dict[tuple[object, str], Manifest]


def by_kind(overlay: str) -> Kinds:
    return {(one["kind"], name_of(one)): one for one in objects(overlay)}


@pytest.mark.parametrize("minor", MINORS)
def test_objects_fit_their_schemas(minor: str) -> None:
    assert [text for one in objects(EXAMPLE) for text in problems(one, minor)] == []


def test_it_is_production_and_what_production_refers_to() -> None:
    example, production = by_kind(EXAMPLE), by_kind("production")
    assert set(production) < set(example)
    assert set(example) - set(production) == {
        ("ClusterSecretStore", STORE),
        ("ClusterImageCatalog", "postgresql"),
        ("ObjectStore", BACKUP_STORE),
        ("ExternalSecret", BACKUP_STORE),
        ("GatewayClass", "crm"),
        ("ClusterIssuer", "public"),
        ("NetworkPolicy", "acme-answer"),
        ("ConfigMap", "crm-adapter"),
    }
    cluster, gateway = production["Cluster", "database"], production["Gateway", "crm"]
    assert at(cluster, "spec", "imageCatalogRef", "name") == "postgresql"
    assert at(gateway, "spec", "gatewayClassName") == "crm"
    issuer = at(production["Certificate", CERTIFICATE], "spec", "issuerRef")
    assert issuer == {"name": "public", "kind": "ClusterIssuer", "group": "cert-manager.io"}
    keys = as_map(at(example["ObjectStore", BACKUP_STORE], "spec", "configuration"))
    named = [as_map(one) for one in as_map(keys["s3Credentials"]).values()]
    made = items(example["ExternalSecret", BACKUP_STORE], "spec", "data")
    assert {one["key"] for one in named} == {one["secretKey"] for one in made}
    assert {one["name"] for one in named} == {BACKUP_STORE}


def test_every_image_comes_from_the_registry() -> None:
    for name, template in pods(EXAMPLE):
        for container in containers(template):
            assert str(container["image"]).startswith("registry.example/crm-"), name


def test_the_address_is_the_same_everywhere() -> None:
    assert HOST not in yaml.safe_dump_all(objects(EXAMPLE))
    example = by_kind(EXAMPLE)
    assert at(example["Certificate", CERTIFICATE], "spec", "dnsNames") == [ADDRESS]
    (secure,) = [
        one
        for one in items(example["Gateway", "crm"], "spec", "listeners")
        if one["name"] == "https"
    ]
    assert secure["hostname"] == ADDRESS
    for route in of_kind(EXAMPLE, "HTTPRoute").values():
        assert at(route, "spec", "hostnames") == [ADDRESS]
    for name in ("identity", "gateway"):
        spec = at(example["Deployment", name], "spec", "template", "spec")
        (main,) = items(spec, "containers")
        told = {str(one["name"]): one.get("value") for one in items(main, "env")}
        assert told["PUBLIC_URL"] == f"https://{ADDRESS}"
        assert told.get("MAIL_FROM") in {None, f"crm@{ADDRESS}"}


def test_the_adapter_serves_what_the_autoscalers_ask_for() -> None:
    file = at(by_kind(EXAMPLE)["ConfigMap", "crm-adapter"], "data", "config.yaml")
    (rule,) = yaml.safe_load(str(file))["rules"]
    found = re.search(r'__name__=~"([^"]+)"', rule["seriesQuery"])
    assert found is not None
    asked = {
        str(at(metric, "pods", "metric", "name"))
        for scaler in of_kind(EXAMPLE, "HorizontalPodAutoscaler").values()
        for metric in items(scaler, "spec", "metrics")
        if metric["type"] == "Pods"
    }
    assert asked == {IN_FLIGHT, REQUESTS}
    assert all(re.fullmatch(found[1], name) for name in asked)
    assert {"namespace", "pod"} == set(rule["resources"]["overrides"])
    for part in ("<<.Series>>", "<<.LabelMatchers>>", "<<.GroupBy>>"):
        assert part in rule["metricsQuery"]
