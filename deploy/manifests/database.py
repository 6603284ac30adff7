"""PostgreSQL: one CloudNativePG cluster with a database and three roles per service, or one
unguarded server for development.
"""

from collections.abc import Iterator
from typing import Final

from deploy.local.databases import database_name
from deploy.local.postgres import OPTIONS
from deploy.manifests.secrets import ROLES, role_secret
from deploy.manifests.services import DATABASE, DATABASE_PORT, OWNERS, connections_max
from deploy.manifests.shape import (
    NAME,
    RELEASE,
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
)

API: Final = "postgresql.cnpg.io/v1"
INSTANCES: Final = 3
# The operator sets these itself, or the image does.
OPERATORS: Final = {
    "listen_addresses", "unix_socket_directories", "shared_buffers", "max_connections", "fsync",
    "full_page_writes", "log_line_prefix", "log_timezone",
}  # fmt: skip
# The plugin that archives the log and makes base backups; the store is the operators' own object.
BACKUP_PLUGIN: Final = "barman-cloud.cloudnative-pg.io"
BACKUP_STORE: Final = "crm-backups"


def cluster() -> Iterator[Manifest]:
    """The cluster, its databases and its backups."""
    yield manifest("Cluster", DATABASE, API, spec=_cluster())
    for service in OWNERS:
        name = database_name(service.name)
        spec = {
            "cluster": {"name": DATABASE},
            "name": name,
            "owner": f"{name}_owner",
            # Deleting the object keeps the data.
            "databaseReclaimPolicy": "retain",
        }
        yield manifest("Database", service.name, API, spec=spec)
    backup = {
        "cluster": {"name": DATABASE},
        "schedule": "0 30 2 * * *",
        "method": "plugin",
        "pluginConfiguration": {"name": BACKUP_PLUGIN},
        "target": "prefer-standby",
        "backupOwnerReference": "self",
        "immediate": True,
    }
    yield manifest("ScheduledBackup", DATABASE, API, spec=backup)


def server() -> Iterator[Manifest]:
    """One server for development under the name that the cluster would have."""
    name = f"{DATABASE}-rw"
    yield account(name)
    port = {"name": "postgres", "port": DATABASE_PORT, "targetPort": "postgres"}
    chosen = {"clusterIP": "None", "selector": selector(name)["matchLabels"], "ports": [port]}
    yield manifest("Service", name, spec=chosen)
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "5Gi"}}}
    yield manifest("PersistentVolumeClaim", name, spec=claim)
    ready: Manifest = {"tcpSocket": {"port": "postgres"}, "periodSeconds": 5}
    postgres = container(
        "postgres",
        f"crm-{DATABASE}:{RELEASE}",
        resources(cpu=200, memory_mib=384, memory_max_mib=1024),
        env=[{"name": "MAX_CONNECTIONS", "value": "200"}],
        ports=[{"name": "postgres", "containerPort": DATABASE_PORT}],
        startupProbe={**ready, "failureThreshold": 60},
        readinessProbe=ready,
        livenessProbe={**ready, "periodSeconds": 20, "failureThreshold": 6},
        lifecycle={"preStop": {"sleep": {"seconds": 1}}},
        volumeMounts=[
            mount("roles", "/etc/postgres/roles"),
            mount("data", "/var/lib/postgres", read_only=False),
        ],
    )
    volumes = [secret_volume("roles", "database-roles"), claim_volume("data", name)]
    # Policies let in what has the label that the cluster's instances have.
    own = labels(name, "database") | {"cnpg.io/cluster": DATABASE}
    yield manifest(
        "Deployment",
        name,
        "apps/v1",
        {NAME: name},
        spec={
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": selector(name),
            "template": {
                "metadata": {"labels": own},
                "spec": pod([postgres], volumes, name, grace_s=30),
            },
        },
    )


def _cluster() -> Manifest:
    names = [
        {
            "name": f"{database_name(service.name)}{suffix}",
            "ensure": "present",
            "login": True,
            "passwordSecret": {"name": role_secret(service.name, role)},
        }
        for service in OWNERS
        for role, suffix in ROLES.items()
    ]
    parameters = {name: text for name, text in OPTIONS.items() if name not in OPERATORS}
    parameters |= {"shared_buffers": "2GB", "max_connections": str(connections_max())}
    catalogue = {"apiGroup": "postgresql.cnpg.io", "kind": "ClusterImageCatalog"}
    return {
        "instances": INSTANCES,
        "imageCatalogRef": {**catalogue, "name": "postgresql", "major": 18},
        "primaryUpdateStrategy": "unsupervised",
        "primaryUpdateMethod": "switchover",
        "enableSuperuserAccess": False,
        # Databases inherit these: naming a template for each would break kustomize's `images`.
        "bootstrap": {
            "initdb": {
                "encoding": "UTF8",
                "locale": "C",
                "localeProvider": "builtin",
                "builtinLocale": "C.UTF-8",
                "dataChecksums": True,
            }
        },
        "certificates": {
            "serverTLSSecret": f"{DATABASE}-tls",
            "serverCASecret": f"{DATABASE}-tls",
        },
        "managed": {"roles": names},
        "postgresql": {
            "parameters": parameters,
            "pg_hba": ["hostnossl all all all reject"],
            # A commit is on a second machine before it is answered.
            "synchronous": {"method": "any", "number": 1, "dataDurability": "required"},
        },
        "plugins": [
            {
                "name": BACKUP_PLUGIN,
                "isWALArchiver": True,
                "parameters": {"barmanObjectName": BACKUP_STORE},
            }
        ],
        "storage": {"size": "100Gi"},
        "walStorage": {"size": "20Gi"},
        "resources": {
            "requests": {"cpu": "2", "memory": "8Gi"},
            "limits": {"cpu": "4", "memory": "8Gi"},
        },
        "affinity": {"podAntiAffinityType": "required", "topologyKey": "kubernetes.io/hostname"},
    }
