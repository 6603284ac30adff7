"""What the runner reads from the environment: ports, and servers that already run."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from deploy.local.errors import RunnerError

ROOT: Final = Path(__file__).resolve().parents[2]
SERVICES: Final = ("identity", "customer", "sales", "marketing", "reporting")
GATEWAY: Final = "gateway"
POSTGRES: Final = "postgres"
NATS: Final = "nats"
BACKUP: Final = "backup"
HOST: Final = "127.0.0.1"

DEFAULT_PORTS: Final[Mapping[str, int]] = {
    POSTGRES: 54320,
    NATS: 42220,
    GATEWAY: 8080,
    "identity": 50051,
    "customer": 50052,
    "sales": 50053,
    "marketing": 50054,
    "reporting": 50055,
    **{f"{name}_metrics": 9101 + at for at, name in enumerate((GATEWAY, *SERVICES, BACKUP))},
}

REPLICAS_MAX: Final = 9
# So far apart are the default ports of the replicas of a service.
REPLICA_STEP: Final = 100

BACKUP_VARIABLES: Final = ("BACKUP_DIR", "BACKUP_KEY", "BACKUP_KEY_FILE", "BACKUP_KEEP")
BACKUP_HOURS_MAX: Final = 24 * 31
# What PostgreSQL keeps of its tables in memory.
SHARED_BUFFERS: Final = "POSTGRES_SHARED_BUFFERS"

# Everything else a service sees is set by the runner.
INHERITED: Final = (
    "PATH", "HOME", "LANG", "TZ", "TMPDIR", "PYTHONPATH", "PYTHONWARNINGS",
    "COVERAGE_PROCESS_START", "RATE_LIMIT_PER_SECOND",
    "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_TRACES_SAMPLER_ARG",
)  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """The environment, checked. `admin_url` and `owner_urls` (by service) name running servers;
    the gateway and each service run as so many `replicas`.

    Every `backup_hours` a backup is made (0: never); `backup` are the variables of deploy.backup.
    """

    run_dir: Path
    ports: Mapping[str, int]
    admin_url: str | None
    owner_urls: Mapping[str, str]
    nats_url: str | None
    replicas: int
    log_level: str
    inherited: Mapping[str, str]
    backup_hours: int
    backup: Mapping[str, str]
    shared_buffers: str

    def to_environment(self) -> dict[str, str]:
        """The variables that tell where the components are, for commands that come later."""
        servers = {"DATABASE_URL": self.admin_url, "NATS_URL": self.nats_url}
        return {
            **{port_variable(name): str(port) for name, port in self.ports.items()},
            **{owner_variable(name): url for name, url in self.owner_urls.items()},
            **{name: url for name, url in servers.items() if url},
            **self.backup,
            "BACKUP_HOURS": str(self.backup_hours),
            "REPLICAS": str(self.replicas),
            SHARED_BUFFERS: self.shared_buffers,
        }

    def instances(self, service: str) -> tuple[str, ...]:
        """The components that a service (or the gateway) runs as."""
        return instances(service, self.replicas)


def instances(service: str, replicas: int) -> tuple[str, ...]:
    """`sales`, `sales.2`, `sales.3`."""
    return (service, *(f"{service}.{number}" for number in range(2, replicas + 1)))


def service_of(name: str) -> str:
    """The service that a component is a replica of; other components are themselves."""
    return name.partition(".")[0]


def default_ports(replicas: int) -> dict[str, int]:
    """The port of each component and of its metrics, unless the environment says otherwise."""
    ports = dict(DEFAULT_PORTS)
    for service in (GATEWAY, *SERVICES):
        for at, name in enumerate(instances(service, replicas)):
            ports[name] = DEFAULT_PORTS[service] + at * REPLICA_STEP
            ports[f"{name}_metrics"] = DEFAULT_PORTS[f"{service}_metrics"] + at * REPLICA_STEP
    return ports


def port_variable(name: str) -> str:
    """The environment variable that moves a component to another port."""
    return f"{name.upper().replace('.', '_')}_PORT"


def owner_variable(service: str) -> str:
    """The variable with the URL of a service's database as its owner reaches it."""
    return f"{service.upper()}_DATABASE_URL"


def read_settings(run_dir: Path, environment: Mapping[str, str]) -> Settings:
    """Settings from environment variables; RunnerError names the one that is wrong."""
    owner_urls = {name: _database_url(owner_variable(name), environment) for name in SERVICES}
    replicas = _number("REPLICAS", environment.get("REPLICAS", "1"), 1, REPLICAS_MAX)
    return Settings(
        run_dir=run_dir.resolve(),
        ports=_ports(environment, default_ports(replicas)),
        admin_url=_database_url("DATABASE_URL", environment) or None,
        owner_urls={name: url for name, url in owner_urls.items() if url},
        nats_url=environment.get("NATS_URL") or None,
        replicas=replicas,
        log_level=environment.get("LOG_LEVEL", "info"),
        inherited={name: environment[name] for name in INHERITED if name in environment},
        backup_hours=_number(
            "BACKUP_HOURS", environment.get("BACKUP_HOURS", "24"), 0, BACKUP_HOURS_MAX
        ),
        backup={name: environment[name] for name in BACKUP_VARIABLES if name in environment},
        shared_buffers=_memory(environment.get(SHARED_BUFFERS, "256MB")),
    )


def _memory(text: str) -> str:
    if re.fullmatch(r"[1-9][0-9]{0,5}[MG]B", text) is None:
        raise RunnerError(f"{SHARED_BUFFERS}={text} must be a size such as 256MB or 2GB")
    return text


def _number(variable: str, text: str, least: int, most: int) -> int:
    if not text.isascii() or not text.isdecimal() or not least <= int(text) <= most:
        raise RunnerError(f"{variable}={text} must be {least} to {most}")
    return int(text)


def _ports(environment: Mapping[str, str], defaults: Mapping[str, int]) -> dict[str, int]:
    ports: dict[str, int] = {}
    for name, default in defaults.items():
        variable = port_variable(name)
        text = environment.get(variable, str(default))
        if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
            raise RunnerError(f"{variable}={text} is not a port number (1 to 65535)")
        port = int(text)
        if port in ports.values():
            other = next(port_variable(taken) for taken, value in ports.items() if value == port)
            raise RunnerError(f"{variable} and {other} both say {port}: give each its own port")
        ports[name] = port
    return ports


def _database_url(variable: str, environment: Mapping[str, str]) -> str:
    url = environment.get(variable, "")
    if not url:
        return ""
    parts = urlsplit(url)
    if parts.scheme not in {"postgresql", "postgres"} or not parts.hostname or not parts.username:
        raise RunnerError(f"{variable} must look like postgresql://user:password@host:port/name")
    return url
