"""One service in the cluster: Deployment, Service, autoscaler, disruption budget, migration Job."""

from collections.abc import Iterator
from typing import Final

from deploy.manifests.services import (
    BLOBS,
    GATEWAY,
    GRPC_PORT,
    HEALTH_PORT,
    HTTP_PORT,
    METRICS_PORT,
    Service,
    folder,
    volume,
)
from deploy.manifests.shape import (
    RELEASE,
    TLS_DIR,
    Manifest,
    account,
    claim_volume,
    container,
    disruption_budget,
    labels,
    manifest,
    mount,
    pod,
    resources,
    secret_volume,
    selector,
    spread,
    variables,
)

# preStop 5 s, calls under way 20 s, the rest of the stop 10 s, and slack (app.py gives up at 35 s).
GRACE_S: Final = 45
PRE_STOP_S: Final = 5
# Calls and requests that a process answers at this moment (chassis/telemetry/metrics.py).
IN_FLIGHT: Final = "crm_rpc_running"
REQUESTS: Final = "crm_http_running"
IN_FLIGHT_MAX: Final = 20
CPU_PERCENT: Final = 70

# As the usual configuration of Prometheus finds pods.
SCRAPED: Final = {"prometheus.io/scrape": "true", "prometheus.io/port": str(METRICS_PORT)}


def workload(service: Service) -> Iterator[Manifest]:
    """All objects of a service but its migration."""
    name = service.name
    yield account(name)
    yield _deployment(service)
    port = ("http", HTTP_PORT) if name == GATEWAY else ("grpc", GRPC_PORT)
    # Without an address of its own the name leads to every replica, and clients choose among them.
    headless = {} if name == GATEWAY else {"clusterIP": "None"}
    ports = [{"name": port[0], "port": port[1], "targetPort": port[0], "appProtocol": port[0]}]
    if name == GATEWAY:  # an address lets through only what is named
        ports.append({"name": "metrics", "port": METRICS_PORT, "targetPort": "metrics"})
    spec = {**headless, "selector": selector(name)["matchLabels"], "ports": ports}
    yield manifest("Service", name, spec=spec)
    yield _autoscaler(service)
    yield disruption_budget(name, minAvailable=1)


def environment(service: Service) -> dict[str, str]:
    """The variables that are no secret."""
    values = {
        "GRPC_ENABLE_FORK_SUPPORT": "0",
        "LOG_LEVEL": "info",
        "METRICS_LISTEN": f"0.0.0.0:{METRICS_PORT}",
        # The address of a collector is the operators'.
        "OTEL_EXPORTER_OTLP_ENDPOINT": "",
        "TLS_DIR": TLS_DIR,
        **{f"{name.upper()}_TARGET": f"{name}:{GRPC_PORT}" for name in service.calls},
        **service.settings,
        **{variable: folder(variable) for variable in service.folders},
    }
    if service.name == GATEWAY:
        return values | {"HTTP_LISTEN": f"0.0.0.0:{HTTP_PORT}"}
    return values | {
        "GRPC_LISTEN": f"0.0.0.0:{GRPC_PORT}",
        "HEALTH_LISTEN": f"0.0.0.0:{HEALTH_PORT}",
        "STREAM_REPLICAS": "3",
    }


def migration(service: Service) -> Manifest:
    """The Job that brings the database to this release; whoever comes second waits for its lock."""
    name = f"{service.name}-migrate"
    job = container(
        "main",
        service.image,
        resources(cpu=100, memory_mib=128, memory_max_mib=512),
        args=[*service.arguments, "migrate"],
        envFrom=[{"secretRef": {"name": f"{service.name}-migration"}}],
        volumeMounts=[mount("tls", TLS_DIR)],
    )
    volumes = [secret_volume("tls", f"{service.name}-tls")]
    spec = pod([job], volumes, service.name, grace_s=30, restartPolicy="OnFailure")
    return manifest(
        "Job",
        f"{name}-{RELEASE.replace('.', '-')}",
        "batch/v1",
        labels(name, "migration"),
        spec={
            "backoffLimit": 20,
            "activeDeadlineSeconds": 3600,
            "ttlSecondsAfterFinished": 604800,
            "template": {"metadata": {"labels": labels(name, "migration")}, "spec": spec},
        },
    )


def _deployment(service: Service) -> Manifest:
    volumes = [
        secret_volume("tls", f"{service.name}-tls"),
        *(claim_volume(volume(one), volume(one)) for one in service.folders),
    ]
    first = {"initContainers": [_wait_for_migration(service)]} if service.has_database else {}
    spec = pod(
        [_process(service)],
        volumes,
        service.name,
        grace_s=GRACE_S,
        topologySpreadConstraints=spread(service.name),
        **first,
    )
    own = labels(service.name, "service")
    return manifest(
        "Deployment",
        service.name,
        "apps/v1",
        own,
        spec={
            "revisionHistoryLimit": 5,
            "minReadySeconds": 5,
            # Pods of a new version wait for their migration first.
            "progressDeadlineSeconds": 3600,
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
            },
            "selector": selector(service.name),
            "template": {"metadata": {"labels": own, "annotations": SCRAPED}, "spec": spec},
        },
    )


def _process(service: Service) -> Manifest:
    port = ("http", HTTP_PORT) if service.name == GATEWAY else ("grpc", GRPC_PORT)
    ports: list[Manifest] = [{"name": port[0], "containerPort": port[1]}]
    ports.append({"name": "metrics", "containerPort": METRICS_PORT})
    if service.has_database:
        ports.append({"name": "health", "containerPort": HEALTH_PORT})
    return container(
        "main",
        service.image,
        resources(service.cpu, service.memory_mib, service.memory_max_mib),
        args=service.arguments,
        env=variables(environment(service)),
        envFrom=[{"secretRef": {"name": service.name}}],
        ports=ports,
        **_probes(service),
        lifecycle={"preStop": {"sleep": {"seconds": PRE_STOP_S}}},
        volumeMounts=[
            mount("tls", TLS_DIR),
            *(_folder_mount(service, one) for one in service.folders),
        ],
    )


def _probes(service: Service) -> dict[str, Manifest]:
    """Ready is who takes calls, alive is whose event loop turns; neither asks about others."""

    def ask(path: str, health: str) -> Manifest:
        if service.name == GATEWAY:
            return {"httpGet": {"path": path, "port": "http"}}
        return {"grpc": {"port": HEALTH_PORT, **({"service": health} if health else {})}}

    ready, alive = ask("/readyz", ""), ask("/healthz", "liveness")
    return {
        "startupProbe": {**ready, "periodSeconds": 2, "failureThreshold": 60, "timeoutSeconds": 2},
        "readinessProbe": {**ready, "periodSeconds": 5, "failureThreshold": 2, "timeoutSeconds": 2},
        "livenessProbe": {**alive, "periodSeconds": 10, "failureThreshold": 6, "timeoutSeconds": 5},
    }


def _wait_for_migration(service: Service) -> Manifest:
    return container(
        "migrated",
        service.image,
        resources(cpu=50, memory_mib=96, memory_max_mib=256),
        args=[*service.arguments, "migrated"],
        envFrom=[{"secretRef": {"name": service.name}}],
        volumeMounts=[mount("tls", TLS_DIR)],
    )


def _autoscaler(service: Service) -> Manifest:
    """By CPU, and by calls under way: those that wait for the database use no CPU."""
    metrics = [
        {
            "type": "Resource",
            "resource": {
                "name": "cpu",
                "target": {"type": "Utilization", "averageUtilization": CPU_PERCENT},
            },
        },
        {
            "type": "Pods",
            "pods": {
                "metric": {"name": REQUESTS if service.name == GATEWAY else IN_FLIGHT},
                "target": {"type": "AverageValue", "averageValue": str(IN_FLIGHT_MAX)},
            },
        },
    ]
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": service.name}
    spec = {
        "scaleTargetRef": target,
        "minReplicas": 2,
        "maxReplicas": service.replicas_max,
        "metrics": metrics,
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 300}},
    }
    return manifest("HorizontalPodAutoscaler", service.name, "autoscaling/v2", spec=spec)


def _folder_mount(service: Service, variable: str) -> Manifest:
    """A folder of files: a service sees its own part of what all of them have."""
    part = {"subPath": service.name} if variable == BLOBS else {}
    return mount(volume(variable), folder(variable), read_only=False) | part
