"""What runs in a cluster, as one table: every object of a service follows from its entry here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from chassis.db.pool import CONNECTIONS_MAX
from chassis.settings import TARGETS
from deploy.manifests.shape import RELEASE

GRPC_PORT: Final = 50051
HEALTH_PORT: Final = 50052
HTTP_PORT: Final = 8080
METRICS_PORT: Final = 9090
DATABASE_PORT: Final = 5432
NATS_PORT: Final = 4222

GATEWAY: Final = "gateway"
TOOLBOX: Final = "toolbox"
BACKUP: Final = "backup"
BACKUP_JOB: Final = f"{BACKUP}-create"
DATABASE: Final = "database"
NATS: Final = "nats"
# Variables that name a folder; what is in the first one has a folder for each service.
BLOBS: Final = "BLOB_DIR"
LOG_ROOTS: Final = "LOG_ROOT_DIR"
BACKUPS: Final = "BACKUP_DIR"
# Their volumes, by GiB.
VOLUMES: Final = {BLOBS: 250, LOG_ROOTS: 5, BACKUPS: 250}
# What a workbook may take while it is read, beside the service itself (chassis/workbook/limits.py).
WORKBOOK_MIB: Final = 768


@dataclass(frozen=True)
class Service:
    """One entry. Memory in MiB, as measured under load with room to spare; CPU in thousandths.

    `calls` are the services that it is a client of; `settings` are variables of its own, `secrets`
    those of them that come from its Secret, `folders` those that name a folder on a volume.
    """

    name: str
    calls: tuple[str, ...] = TARGETS
    memory_mib: int = 192
    memory_max_mib: int = 256 + WORKBOOK_MIB
    cpu: int = 500
    replicas_max: int = 6
    settings: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = (BLOBS,)
    mails: bool = False

    @property
    def image(self) -> str:
        """The image, whose registry and digest the operators' own overlay sets."""
        return f"crm-{self.name}:{RELEASE}"

    @property
    def has_database(self) -> bool:
        """Whether it owns a database."""
        return self.name != GATEWAY

    @property
    def arguments(self) -> list[str]:
        """What the interpreter in the image is told."""
        return ["-m", f"services.{self.name}"]


# Measured under load by `make bench-scaling` (docs/scaling.md, where CPU stands, too), in MiB.
MEASURED_MIB: Final = {
    "identity": 156, "customer": 130, "sales": 136, "marketing": 130, "reporting": 125,
    GATEWAY: 106,
}  # fmt: skip
SERVICES: Final = (
    Service(
        "identity",
        memory_mib=256,  # hashes of passwords being checked
        settings={
            "LOG_KEPT_DAYS": "400",
            "MAIL_FROM": "crm@crm.example.com",
            "PUBLIC_URL": "https://crm.example.com",
            "SIGN_IN_FAILURES_PER_ADDRESS": "100",
        },
        secrets={
            "LOG_KEYS": "{{ .identity_log_keys }}",
            "SEALING_KEYS": "{{ .identity_sealing_keys }}",
            "SIGNING_KEYS": "{{ .identity_signing_keys }}",
            "SMTP_URL": "{{ .identity_smtp_url }}",
        },
        folders=(BLOBS, LOG_ROOTS),
        mails=True,
    ),
    Service("customer"),
    Service("sales"),
    Service("marketing"),
    Service("reporting", memory_max_mib=512),
    Service(
        GATEWAY,
        memory_max_mib=512,
        replicas_max=12,
        settings={"PUBLIC_URL": "https://crm.example.com", "RATE_LIMIT_PER_SECOND": "5000"},
        folders=(),
    ),
)
# Who tells metrics.
TELLING: Final = (*(service.name for service in SERVICES), BACKUP)
OWNERS: Final = tuple(service for service in SERVICES if service.has_database)


def callers(name: str) -> list[str]:
    """Who calls a service; operators reach identity from the toolbox."""
    found = [service.name for service in SERVICES if name in service.calls]
    return [*found, TOOLBOX] if name == "identity" else found


def volume(variable: str) -> str:
    """The name of the volume, and of its claim, that a variable's folder is on."""
    return variable.removesuffix("_DIR").lower().replace("_", "-") + "s"


def folder(variable: str) -> str:
    """Where that folder is in every pod that has it."""
    return f"/var/lib/crm/{volume(variable)}"


def connections_max() -> int:
    """What PostgreSQL must let in: every pool full at every maximum during an update, at 80 %."""
    replicas = sum(service.replicas_max + 1 for service in OWNERS)
    return -(-replicas * 2 * CONNECTIONS_MAX * 10 // 8 // 100) * 100
