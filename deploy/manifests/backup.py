"""Backups: the volumes of all files, a daily job, and a pod that tells of it and restores."""

from collections.abc import Iterator
from typing import Final

from deploy.manifests.services import (
    BACKUP,
    BACKUP_JOB,
    METRICS_PORT,
    TOOLBOX,
    VOLUMES,
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
    labels,
    manifest,
    mount,
    pod,
    resources,
    secret_volume,
    selector,
    variables,
)

# An hour before the database's own base backup (database.py).
SCHEDULE: Final = "30 1 * * *"
KEEP: Final = 14
CREATE: Final = ["-m", "deploy.backup", "create", "--verify"]
WATCH: Final = ["-m", "deploy.backup", "watch"]


def volumes() -> Iterator[Manifest]:
    """One volume for each kind of files; several pods have it at once."""
    for variable, gib in VOLUMES.items():
        claim = {
            "accessModes": ["ReadWriteMany"],
            "resources": {"requests": {"storage": f"{gib}Gi"}},
        }
        yield manifest("PersistentVolumeClaim", volume(variable), spec=claim)


def backup() -> Iterator[Manifest]:
    """Who makes a backup every night, and who says how old the newest one is; there is one at
    work only. A restore runs in the latter: `kubectl exec deploy/backup -- ...`.
    """
    yield account(BACKUP)
    own = labels(BACKUP, BACKUP)
    yield manifest(
        "CronJob",
        BACKUP,
        "batch/v1",
        own,
        spec={
            "schedule": SCHEDULE,
            "timeZone": "Etc/UTC",
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": 3600,
            "successfulJobsHistoryLimit": 3,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {
                "spec": {
                    "backoffLimit": 3,
                    "activeDeadlineSeconds": 6 * 3600,
                    "template": {
                        "metadata": {"labels": labels(BACKUP_JOB, BACKUP)},
                        "spec": _pod(CREATE, "Never"),
                    },
                }
            },
        },
    )
    told = {"httpGet": {"path": "/metrics", "port": "metrics"}, "timeoutSeconds": 5}
    probes = {
        "ports": [{"name": "metrics", "containerPort": METRICS_PORT}],
        "startupProbe": {**told, "periodSeconds": 2, "failureThreshold": 30},
        "readinessProbe": {**told, "periodSeconds": 10},
        "livenessProbe": {**told, "periodSeconds": 30, "failureThreshold": 4},
        "lifecycle": {"preStop": {"sleep": {"seconds": 1}}},
    }
    port = {"name": "metrics", "port": METRICS_PORT, "targetPort": "metrics"}
    chosen = {"clusterIP": "None", "selector": selector(BACKUP)["matchLabels"], "ports": [port]}
    yield manifest("Service", BACKUP, spec=chosen)
    yield manifest(
        "Deployment",
        BACKUP,
        "apps/v1",
        own,
        spec={
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": selector(BACKUP),
            "template": {"metadata": {"labels": own}, "spec": _pod(WATCH, "Always", **probes)},
        },
    )


def environment() -> dict[str, str]:
    """The variables that are no secret."""
    return {
        "BACKUP_KEEP": str(KEEP),
        "HOME": "/tmp",  # noqa: S108  # the pod's own
        "METRICS_LISTEN": f"0.0.0.0:{METRICS_PORT}",
        "TLS_DIR": TLS_DIR,
        **{variable: folder(variable) for variable in VOLUMES},
    }


def _pod(arguments: list[str], restart: str, **rest: object) -> Manifest:
    one = container(
        "main",
        f"crm-{TOOLBOX}:{RELEASE}",
        resources(cpu=100, memory_mib=128, memory_max_mib=512),
        args=arguments,
        env=variables(environment()),
        envFrom=[{"secretRef": {"name": BACKUP}}],
        volumeMounts=[
            mount("tls", TLS_DIR),
            *(mount(volume(each), folder(each), read_only=False) for each in VOLUMES),
        ],
        **rest,
    )
    held = [
        secret_volume("tls", f"{BACKUP}-tls"),
        *(claim_volume(volume(each), volume(each)) for each in VOLUMES),
    ]
    return pod([one], held, BACKUP, grace_s=30, restartPolicy=restart)
