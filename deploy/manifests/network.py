"""Who may talk to whom: nothing at all, and then exactly the arrows of the data flow."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

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
    TELLING,
    TOOLBOX,
    Service,
    callers,
)
from deploy.manifests.shape import Manifest, manifest, selector

# The name that a namespace has for policies.
NAMESPACE_NAME: Final = "kubernetes.io/metadata.name"
# Where the ingress controller runs; the operators' own overlay may name another.
EDGE: Final = "crm-edge"
# Where metrics are read from and spans go to (OTLP over gRPC).
MONITORING: Final = "monitoring"
TRACES_PORT: Final = 4317
CLUSTER: Final = "cnpg.io/cluster"
MAIL_PORTS: Final = (465, 587)


def policies() -> Iterator[Manifest]:
    """Default deny, name resolution for all, and one policy for each workload."""
    deny: Manifest = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    yield _policy("default-deny", deny)
    dns = [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
    resolver = {"namespaceSelector": {"matchLabels": {NAMESPACE_NAME: "kube-system"}}}
    yield _policy(
        "name-resolution",
        {
            "podSelector": {},
            "policyTypes": ["Egress"],
            "egress": [{"to": [resolver], "ports": dns}],
        },
    )
    for service in SERVICES:
        yield _policy(service.name, _service(service))
    for service in OWNERS:
        yield _policy(
            f"{service.name}-migrate", _rules(f"{service.name}-migrate", [], [_database()])
        )
    toolbox = [_to("identity", port=GRPC_PORT), _to(GATEWAY, port=HTTP_PORT)]
    toolbox += [_to(*sorted(TELLING), port=METRICS_PORT), _to(NATS, port=NATS_PORT)]
    yield _policy(TOOLBOX, _rules(TOOLBOX, [], toolbox))
    yield _policy(BACKUP_JOB, _rules(BACKUP_JOB, [], [_database()]))
    # A restore deletes streams.
    restore = [_database(), _to(NATS, port=NATS_PORT)]
    yield _policy(BACKUP, _rules(BACKUP, [_metrics()], restore))


def data_policies() -> Iterator[Manifest]:
    """The broker and the database: who uses them, and how their own nodes find each other."""
    users = sorted([NATS, BACKUP, TOOLBOX, *(service.name for service in SERVICES)])
    routes = 6222
    admitted = [_from(*users, port=NATS_PORT), _from(NATS, port=routes)]
    yield _policy(NATS, _rules(NATS, admitted, [_to(NATS, port=routes)]))
    instances: Manifest = {"matchLabels": {CLUSTER: DATABASE}}
    jobs = [f"{service.name}-migrate" for service in OWNERS]
    owners = [service.name for service in OWNERS]
    clients = _from(*owners, *jobs, BACKUP, BACKUP_JOB, port=DATABASE_PORT)
    operator = {"namespaceSelector": {"matchLabels": {NAMESPACE_NAME: "cnpg-system"}}}
    peers = _ports([{"podSelector": instances}], DATABASE_PORT, 8000)
    # Instances ask the API server for their role, and archive to an object store outside.
    outside = _ports([{"ipBlock": {"cidr": "0.0.0.0/0"}}], 443, 6443)
    yield _policy(
        DATABASE,
        {
            "podSelector": instances,
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [clients, _as_from(peers), _as_from(_ports([operator], 8000, 5432))],
            "egress": [_as_to(peers), _as_to(outside)],
        },
    )


def _service(service: Service) -> Manifest:
    if service.name == GATEWAY:
        edge = {"namespaceSelector": {"matchLabels": {NAMESPACE_NAME: EDGE}}}
        tools = {"podSelector": selector(TOOLBOX)}
        admitted = [_as_from(_ports([edge, tools], HTTP_PORT))]
    else:
        admitted = [_from(*callers(service.name), port=GRPC_PORT)]
    admitted.append(_metrics())
    reached = [_to(*service.calls, port=GRPC_PORT), _to(NATS, port=NATS_PORT)]
    reached += [_database()] if service.has_database else []
    reached.append(_as_to(_ports([_monitoring()], TRACES_PORT)))
    if service.mails:
        reached.append(_as_to(_ports([{"ipBlock": {"cidr": "0.0.0.0/0"}}], *MAIL_PORTS)))
    return _rules(service.name, admitted, reached)


def _rules(
    name: str, admitted: Sequence[Mapping[str, object]], reached: Sequence[Mapping[str, object]]
) -> Manifest:
    return {
        "podSelector": selector(name),
        "policyTypes": ["Ingress", "Egress"],
        **({"ingress": list(admitted)} if admitted else {}),
        "egress": list(reached),
    }


def _monitoring() -> Manifest:
    return {"namespaceSelector": {"matchLabels": {NAMESPACE_NAME: MONITORING}}}


def _metrics() -> Manifest:
    return _as_from(_ports([_monitoring(), {"podSelector": selector(TOOLBOX)}], METRICS_PORT))


def _database() -> Manifest:
    return _as_to(_ports([{"podSelector": {"matchLabels": {CLUSTER: DATABASE}}}], DATABASE_PORT))


def _from(*names: str, port: int) -> Manifest:
    return _as_from(_ports([{"podSelector": selector(*names)}], port))


def _to(*names: str, port: int) -> Manifest:
    return _as_to(_ports([{"podSelector": selector(*names)}], port))


def _ports(
    peers: Sequence[Mapping[str, object]], *ports: int
) -> tuple[Sequence[Mapping[str, object]], list[Manifest]]:
    return peers, [{"protocol": "TCP", "port": port} for port in ports]


def _as_from(rule: tuple[Sequence[Mapping[str, object]], list[Manifest]]) -> Manifest:
    return {"from": list(rule[0]), "ports": rule[1]}


def _as_to(rule: tuple[Sequence[Mapping[str, object]], list[Manifest]]) -> Manifest:
    return {"to": list(rule[0]), "ports": rule[1]}


def _policy(name: str, spec: Mapping[str, object]) -> Manifest:
    return manifest("NetworkPolicy", name, "networking.k8s.io/v1", spec=dict(spec))
