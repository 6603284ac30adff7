"""Rules for pods that schemas do not know: Pod Security, probes, budgets, what they refer to."""

from typing import Final

import pytest

from deploy.local.settings import ROOT
from deploy.manifests.certificates import hosts
from deploy.manifests.secrets import templates
from deploy.manifests.services import MEASURED_MIB, OWNERS, SERVICES, connections_max
from deploy.manifests.shape import COMPONENT, RELEASE, Manifest
from tests.unit.deploy.manifests.rendered import (
    OVERLAYS,
    as_map,
    at,
    containers,
    items,
    labels_of,
    objects,
    of_kind,
    pods,
    selects,
    texts,
    workload_of,
)

PROBES: Final = ("startupProbe", "readinessProbe", "livenessProbe")
# What CloudNativePG makes itself, and what only the overlay of one machine has.
OTHERS_SECRETS: Final = {"database-roles"}
VOLUMES: Final = {
    "configMap", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected",
    "secret", "csi",
}  # fmt: skip

pytestmark = pytest.mark.parametrize("overlay", OVERLAYS)


def test_pods_are_restricted(overlay: str) -> None:
    namespace = of_kind(overlay, "Namespace")["crm"]
    modes = texts(namespace, "metadata", "labels")
    assert modes["pod-security.kubernetes.io/enforce"] == "restricted"
    for name, template in pods(overlay):
        spec = as_map(template["spec"])
        own = as_map(spec["securityContext"])
        assert own["runAsNonRoot"] is True, name
        assert isinstance(own["runAsUser"], int), name
        assert own["runAsUser"] > 10000, name
        assert at(own, "seccompProfile", "type") == "RuntimeDefault", name
        assert spec["automountServiceAccountToken"] is False, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec), name
        kinds = {key for volume in items(spec, "volumes") for key in volume} - {"name"}
        assert kinds <= VOLUMES, name
        for container in containers(template):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
            assert not any("hostPort" in port for port in items(container, "ports")), name


def test_containers_say_what_they_take(overlay: str) -> None:
    for name, template in pods(overlay):
        for container in containers(template):
            requests = texts(container, "resources", "requests")
            limits = texts(container, "resources", "limits")
            assert set(requests) == {"cpu", "memory"}, name
            assert set(limits) == {"cpu", "memory"}, name
            assert str(container["image"]).endswith(f":{RELEASE}"), name


def test_requests_come_from_what_was_measured(overlay: str) -> None:
    page = (ROOT / "docs/scaling.md").read_text("utf-8")
    assert set(MEASURED_MIB) == {service.name for service in SERVICES}
    for name, measured in MEASURED_MIB.items():
        spec = at(of_kind(overlay, "Deployment")[name], "spec", "template", "spec")
        (server,) = items(spec, "containers")
        memory = texts(server, "resources", "requests")["memory"]
        assert 1.2 * measured <= int(memory.removesuffix("Mi")) <= 2 * measured, name
        assert f"\n| {name} | {measured} MiB |" in page


def test_what_serves_is_probed_and_stops_in_order(overlay: str) -> None:
    for name, template in pods(overlay):
        job = name.startswith(("Job/", "CronJob/"))
        if job or labels_of(template)[COMPONENT] == "operators":
            continue
        (server,) = items(template, "spec", "containers")
        assert set(PROBES) <= set(server), name
        ports = {port["containerPort"] for port in items(server, "ports")}
        ports |= {port["name"] for port in items(server, "ports")}
        for probe in PROBES:
            asked = as_map(server[probe])
            how = as_map(
                next(asked[key] for key in ("grpc", "httpGet", "tcpSocket") if key in asked)
            )
            assert how["port"] in ports, (name, probe)
        grace = at(template, "spec", "terminationGracePeriodSeconds")
        assert isinstance(grace, int)
        pause = at(server, "lifecycle", "preStop", "sleep", "seconds") or 0
        assert isinstance(pause, int)
        assert pause < grace, name
        assert at(server, "lifecycle", "preStop"), name


def test_services_stop_as_the_code_does(overlay: str) -> None:
    for name, template in pods(overlay):
        if labels_of(template)[COMPONENT] == "service":
            assert at(template, "spec", "terminationGracePeriodSeconds") == 45, name
            (server,) = items(template, "spec", "containers")
            assert at(server, "lifecycle", "preStop", "sleep", "seconds") == 5, name


def test_services_have_autoscaler_budget_and_spread(overlay: str) -> None:
    scalers, budgets = (
        of_kind(overlay, "HorizontalPodAutoscaler"),
        of_kind(overlay, "PodDisruptionBudget"),
    )
    deployments = of_kind(overlay, "Deployment")
    assert set(scalers) == {service.name for service in SERVICES}
    for service in SERVICES:
        deployment, scaler = deployments[service.name], scalers[service.name]
        assert "replicas" not in as_map(deployment["spec"]), "the autoscaler decides"
        assert at(deployment, "spec", "strategy", "rollingUpdate") == {
            "maxUnavailable": 0,
            "maxSurge": 1,
        }
        assert at(scaler, "spec", "scaleTargetRef", "name") == service.name
        kinds = [metric["type"] for metric in items(scaler, "spec", "metrics")]
        assert kinds == ["Resource", "Pods"]
        least, kept = (
            at(scaler, "spec", "minReplicas"),
            at(budgets[service.name], "spec", "minAvailable"),
        )
        assert isinstance(least, int)
        assert isinstance(kept, int)
        assert kept < least, "one eviction is always possible"
        keys = {
            one["topologyKey"]
            for one in items(deployment, "spec", "template", "spec", "topologySpreadConstraints")
        }
        assert keys == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}


def test_every_replicated_workload_has_a_budget(overlay: str) -> None:
    budgets = of_kind(overlay, "PodDisruptionBudget").values()
    scaled = set(of_kind(overlay, "HorizontalPodAutoscaler"))
    replicated = [
        labels_of(template)
        for name, template in pods(overlay)
        if name.startswith("StatefulSet/") or name.removeprefix("Deployment/") in scaled
    ]
    for labels in replicated:
        found = [one for one in budgets if selects(at(one, "spec", "selector"), labels)]
        assert len(found) == 1, labels


def test_selectors_find_pods(overlay: str) -> None:
    every = [labels_of(template) for _, template in pods(overlay)]
    every.append({"cnpg.io/cluster": "database"})
    for one in objects(overlay):
        own = {
            "Service": {"matchLabels": at(one, "spec", "selector")},
            "PodDisruptionBudget": at(one, "spec", "selector"),
            "NetworkPolicy": at(one, "spec", "podSelector"),
        }.get(str(one["kind"]))
        if own is not None:
            assert any(selects(own, labels) for labels in every), one
        if one["kind"] in {"Deployment", "StatefulSet"}:
            template = as_map(at(one, "spec", "template"))
            assert selects(at(one, "spec", "selector"), labels_of(template)), one


def test_what_pods_refer_to_exists(overlay: str) -> None:
    secrets = set(templates()) | set(hosts()) | OTHERS_SECRETS
    maps, claims = of_kind(overlay, "ConfigMap"), of_kind(overlay, "PersistentVolumeClaim")
    accounts = of_kind(overlay, "ServiceAccount")
    for name, template in pods(overlay):
        spec = as_map(template["spec"])
        assert spec["serviceAccountName"] in accounts, name
        volumes = {str(volume["name"]): volume for volume in items(spec, "volumes")}
        own = {str(one["metadata"]["name"]) for one in _own_claims(overlay, name)}  # type: ignore[index]  # YAML of any shape
        for volume in volumes.values():
            assert at(volume, "secret", "secretName") in {None, *secrets}, name
            assert at(volume, "configMap", "name") in {None, *maps}, name
            assert at(volume, "persistentVolumeClaim", "claimName") in {None, *claims}, name
        for container in containers(template):
            for source in items(container, "envFrom"):
                assert at(source, "secretRef", "name") in secrets, name
            mounted = {one["name"] for one in items(container, "volumeMounts")}
            assert mounted <= {*volumes, *own}, name


def _own_claims(overlay: str, name: str) -> list[Manifest]:
    sets = of_kind(overlay, "StatefulSet")
    return items(sets.get(name.removeprefix("StatefulSet/")), "spec", "volumeClaimTemplates")


def test_a_backup_is_made_every_night_and_never_two_at_once(overlay: str) -> None:
    spec = as_map(of_kind(overlay, "CronJob")["backup"]["spec"])
    assert spec["concurrencyPolicy"] == "Forbid"
    assert [time.isdecimal() for time in str(spec["schedule"]).split()[:2]] == [True, True]
    templates = {name: template for name, template in pods(overlay) if name.endswith("/backup")}
    making, watching = (as_map(templates[f"{kind}/backup"]) for kind in ("CronJob", "Deployment"))
    (maker,), (watcher,) = (containers(one) for one in (making, watching))
    assert maker["args"] == ["-m", "deploy.backup", "create", "--verify"]
    for same in ("image", "env", "envFrom", "volumeMounts"):
        assert maker[same] == watcher[same], same
    assert at(making, "spec", "volumes") == at(watching, "spec", "volumes")


def test_a_service_sees_its_own_files_alone(overlay: str) -> None:
    for service in OWNERS:
        deployment = of_kind(overlay, "Deployment")[service.name]
        (server,) = items(deployment, "spec", "template", "spec", "containers")
        (held,) = [one for one in items(server, "volumeMounts") if one["name"] == "blobs"]
        assert held["subPath"] == service.name


def test_every_database_is_migrated_before_its_service(overlay: str) -> None:
    jobs = {workload_of(template) for name, template in pods(overlay) if name.startswith("Job/")}
    assert jobs == {f"{service.name}-migrate" for service in OWNERS}
    for service in OWNERS:
        deployment = of_kind(overlay, "Deployment")[service.name]
        (first,) = items(deployment, "spec", "template", "spec", "initContainers")
        assert first["args"] == ["-m", f"services.{service.name}", "migrated"]


def test_connections_suffice(overlay: str) -> None:
    if overlay != "production":
        return
    cluster = of_kind(overlay, "Cluster")["database"]
    allowed = int(str(at(cluster, "spec", "postgresql", "parameters", "max_connections")))
    most = sum(
        (int(str(at(one, "spec", "maxReplicas"))) + 1) * 16
        for name, one in of_kind(overlay, "HorizontalPodAutoscaler").items()
        if name != "gateway"
    )
    assert allowed == connections_max()
    assert most <= 0.8 * allowed


def test_nothing_secret_is_in_git(overlay: str) -> None:
    assert not of_kind(overlay, "Secret")
