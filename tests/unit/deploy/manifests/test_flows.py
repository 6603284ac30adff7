"""Network policies let through exactly what the code has clients for, and nothing else."""

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import pytest

from chassis.events.streams import EDGE, stream_name
from chassis.settings import TARGETS
from deploy.manifests.broker import users_file
from deploy.manifests.network import EDGE as EDGE_NAMESPACE
from deploy.manifests.network import MAIL_PORTS, NAMESPACE_NAME, TRACES_PORT
from deploy.manifests.services import (
    BACKUP,
    BACKUP_JOB,
    DATABASE,
    DATABASE_PORT,
    GATEWAY,
    GRPC_PORT,
    HTTP_PORT,
    METRICS_PORT,
    NATS,
    NATS_PORT,
    OWNERS,
    SERVICES,
    TOOLBOX,
)
from deploy.manifests.shape import Manifest
from tests.unit.deploy.manifests.rendered import (
    OVERLAYS,
    at,
    items,
    labels_of,
    name_of,
    objects,
    of_kind,
    pods,
    selects,
    workload_of,
)

Edge = tuple[str, str, int]
ANYWHERE: Final = "0.0.0.0/0"
# What CloudNativePG gives its instances.
INSTANCE: Final = {"cnpg.io/cluster": DATABASE, "app.kubernetes.io/name": DATABASE}


def declared() -> set[Edge]:
    """The arrows of the data flow: sender, receiver, port."""
    arrows = {(one.name, callee, GRPC_PORT) for one in SERVICES for callee in one.calls}
    arrows |= {(one.name, NATS, NATS_PORT) for one in SERVICES}
    arrows |= {(one.name, DATABASE, DATABASE_PORT) for one in OWNERS}
    arrows |= {(f"{one.name}-migrate", DATABASE, DATABASE_PORT) for one in OWNERS}
    arrows |= {(TOOLBOX, "identity", GRPC_PORT), (TOOLBOX, GATEWAY, HTTP_PORT)}
    arrows |= {(TOOLBOX, one, METRICS_PORT) for one in (BACKUP, *(each.name for each in SERVICES))}
    arrows |= {(one, DATABASE, DATABASE_PORT) for one in (BACKUP, BACKUP_JOB)}
    arrows |= {(one, NATS, NATS_PORT) for one in (BACKUP, TOOLBOX)}
    return arrows


def workloads(overlay: str) -> dict[str, dict[str, str]]:
    """The labels of pods by workload; the database has the name that production gives it."""
    found = {workload_of(template): labels_of(template) for _, template in pods(overlay)}
    found.pop(f"{DATABASE}-rw", None)
    return {**found, DATABASE: INSTANCE}


def allowed(overlay: str, direction: str, peers: str) -> set[Edge]:
    """What the policies let go out of, or come into, each workload."""
    names, found = workloads(overlay), set[Edge]()
    for policy in of_kind(overlay, "NetworkPolicy").values():
        own = [name for name, labels in names.items() if _subject(policy, labels)]
        for rule in items(policy, "spec", direction):
            others = [
                name
                for peer in items(rule, peers)
                for name, labels in names.items()
                if "podSelector" in peer and selects(peer["podSelector"], labels)
            ]
            ports = [int(str(port["port"])) for port in items(rule, "ports")]
            pairs = [(one, other) for one in own for other in others]
            found |= {
                (a, b, port) if direction == "egress" else (b, a, port)
                for a, b in pairs
                for port in ports
            }
    return found


def _subject(policy: Manifest, labels: dict[str, str]) -> bool:
    return selects(at(policy, "spec", "podSelector"), labels)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_flows_are_the_declared_ones_both_ways(overlay: str) -> None:
    among_themselves = {(NATS, NATS, 6222), (DATABASE, DATABASE, 5432), (DATABASE, DATABASE, 8000)}
    out = allowed(overlay, "egress", "to") - among_themselves
    back = allowed(overlay, "ingress", "from") - among_themselves
    # The broker's own nodes may use its client port, the way operators look at it.
    assert out == declared()
    assert back - {(NATS, NATS, NATS_PORT)} == declared()


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_nobody_outside_is_met_but_whom_a_workload_needs(overlay: str) -> None:
    services = {one.name for one in SERVICES}
    metrics = {(one, "ingress", "monitoring", METRICS_PORT) for one in (*services, BACKUP)}
    traces = {(one, "egress", "monitoring", TRACES_PORT) for one in services}
    names = {("", "egress", "kube-system", 53)}
    users = {(GATEWAY, "ingress", EDGE_NAMESPACE, HTTP_PORT)}
    mail = {("identity", "egress", ANYWHERE, port) for port in MAIL_PORTS}
    operator = {(DATABASE, "ingress", "cnpg-system", port) for port in (DATABASE_PORT, 8000)}
    archive = {(DATABASE, "egress", ANYWHERE, port) for port in (443, 6443)}
    expected = metrics | traces | names | users | mail | operator | archive
    assert outside(overlay) == expected


def outside(overlay: str) -> set[tuple[str, str, str, int]]:
    """Workload, direction, namespace or addresses, and port of each peer that is none of ours."""
    return {
        (own, direction, met, int(str(port["port"])))
        for policy in of_kind(overlay, "NetworkPolicy").values()
        for own in [_own(policy)]
        for direction, peers in (("ingress", "from"), ("egress", "to"))
        for rule in items(policy, "spec", direction)
        for peer in items(rule, peers)
        for port in items(rule, "ports")
        if (met := _met(peer))
    }


def _own(policy: Manifest) -> str:
    """The workload that a policy is about; "" for all."""
    labels = at(policy, "spec", "podSelector", "matchLabels")
    name = at(policy, "spec", "podSelector", "matchLabels", "app.kubernetes.io/name")
    return str(name or (DATABASE if labels else ""))


def _met(peer: Manifest) -> str:
    """The namespace or the addresses of a peer; "" for pods of ours."""
    assert len(peer) == 1, "one kind of selector tells whom it means"
    where = at(peer, "namespaceSelector", "matchLabels", NAMESPACE_NAME)
    return "" if "podSelector" in peer else str(where or at(peer, "ipBlock", "cidr"))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_everything_else_is_denied(overlay: str) -> None:
    deny = of_kind(overlay, "NetworkPolicy")["default-deny"]
    assert deny["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for one in of_kind(overlay, "NetworkPolicy").values():
        for rule in (*items(one, "spec", "ingress"), *items(one, "spec", "egress")):
            assert rule.get("ports"), name_of(one)
            assert rule.get("from") or rule.get("to"), name_of(one)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_ports_of_policies_are_ports_of_containers(overlay: str) -> None:
    ports = {
        workload_of(template): {
            port["containerPort"]
            for container in items(template, "spec", "containers")
            for port in items(container, "ports")
        }
        for _, template in pods(overlay)
    }
    for _, receiver, port in declared():
        if receiver in ports:
            assert port in ports[receiver], receiver


def test_a_call_is_declared_where_the_code_has_a_client() -> None:
    assert [one.name for one in SERVICES] == [*TARGETS, GATEWAY]
    for service in SERVICES:
        # Each service asks all others whether they refer to what it purges (chassis/purge.py).
        assert service.calls == TARGETS


def test_the_broker_knows_each_service_and_guards_its_stream() -> None:
    users = dict(_users())
    assert users.pop(TOOLBOX) == ["$JS.API.STREAM.LIST", "$JS.API.CONSUMER.LIST.*"]
    of_services = list(map(stream_name, TARGETS))
    deleted = {one for one in users.pop(BACKUP) if ".DELETE." in one or ".PURGE." in one}
    assert deleted == {
        *(f"$JS.API.STREAM.DELETE.{one}" for one in (EDGE, *of_services)),
        *(f"$JS.API.STREAM.MSG.DELETE.{one}" for one in of_services),
        f"$JS.API.STREAM.PURGE.{EDGE}",
    }
    assert set(users) == {service.name for service in SERVICES}
    for name, subjects in users.items():
        written = [subject for subject in subjects if subject.startswith("crm.")]
        assert written == ([] if name == GATEWAY else [f"crm.*.{name}.>"])
        made = {one.rsplit(".", 1)[1] for one in subjects if ".STREAM.CREATE." in one}
        assert made == (set() if name == GATEWAY else {f"CRM_{name.upper()}", "EDGE"})
        assert not any(verb in one for one in subjects for verb in ("DELETE", "PURGE"))


def _users() -> Iterator[tuple[str, list[str]]]:
    lines = users_file().splitlines()
    for line, following in pairwise(lines):
        if "permissions" in line:
            name = line.split("user: ")[1].split(",")[0]
            yield name, json.loads(following.strip().removeprefix("publish: "))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_ways_in_lead_to_services(overlay: str) -> None:
    services = of_kind(overlay, "Service")
    for one in objects(overlay):
        for rule in items(one, "spec", "rules") if one["kind"] == "HTTPRoute" else []:
            for backend in items(rule, "backendRefs"):
                ports = [
                    port["port"] for port in items(services[str(backend["name"])], "spec", "ports")
                ]
                assert backend["port"] in ports
    for name, service in services.items():
        if name in {each.name for each in OWNERS}:
            assert at(service, "spec", "clusterIP") == "None", "clients balance among replicas"
