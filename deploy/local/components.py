"""What a platform consists of: how each component is started, asked for readiness and stopped."""

import json
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.local import broker, databases, health, postgres
from deploy.local.credentials import Secrets
from deploy.local.processes import Login
from deploy.local.settings import (
    BACKUP,
    GATEWAY,
    HOST,
    NATS,
    POSTGRES,
    ROOT,
    SERVICES,
    Settings,
    owner_variable,
    service_of,
)

START_TIMEOUT_S: Final = 60.0
GRACE_S: Final = 20.0


@dataclass(frozen=True)
class Component:
    """One process. `prepare` runs before each start; `ready` is polled after it."""

    name: str
    title: str
    port: int
    command: tuple[str, ...]
    environment: Mapping[str, str]
    prepare: Callable[[], None]
    ready: Callable[[], bool]
    folder: Path = ROOT
    login: Login | None = None
    stop_signal: signal.Signals = signal.SIGTERM


class Wiring:
    """Turns settings and secrets into URLs, environments and components. Starts nothing."""

    def __init__(self, settings: Settings, secrets: Secrets) -> None:
        self._settings = settings
        self._secrets = secrets

    def admin_url(self) -> str:
        """A login that may make roles and databases; the embedded server's superuser by default."""
        settings = self._settings
        if settings.admin_url is not None:
            return settings.admin_url
        password = self._secrets.postgres_password
        return databases.local_url(
            postgres.SUPERUSER, password, settings.ports[POSTGRES], postgres.SUPERUSER
        )

    def logins(self, service: str) -> databases.Logins:
        """The three database URLs of a service, on the embedded server or the one given."""
        given = self._settings.owner_urls.get(service)
        name = databases.database_name(service)
        server = given or self.admin_url()
        database = name if given is None else given.partition("?")[0].rpartition("/")[2]

        def url(user: str, role: str) -> str:
            password = self._secrets.database_passwords[f"{service}.{role}"]
            return databases.with_login(server, user, password, database)

        return databases.Logins(
            owner=given or url(f"{name}_owner", "owner"),
            runtime=url(name, "runtime"),
            worker=url(f"{name}_worker", "worker"),
        )

    def nats_url(self) -> str:
        """The broker with the login of the platform."""
        if self._settings.nats_url is not None:
            return self._settings.nats_url
        port = self._settings.ports[NATS]
        return f"nats://{broker.USER}:{self._secrets.nats_password}@{HOST}:{port}"

    def service_environment(self, name: str) -> dict[str, str]:
        """Exactly the variables that the process of a service, or a replica of it, may read."""
        ports, service = self._settings.ports, service_of(name)
        environment = {
            **self._settings.inherited,
            "GRPC_ENABLE_FORK_SUPPORT": "0",
            "LOG_LEVEL": self._settings.log_level,
            "NATS_URL": self.nats_url(),
            "SERVICE_SECRET": self._secrets.service_secrets[service],
            "METRICS_LISTEN": f"{HOST}:{ports[f'{name}_metrics']}",
            **{f"{one.upper()}_TARGET": self._target(one) for one in SERVICES},
        }
        if service == GATEWAY:
            return environment | {"HTTP_LISTEN": f"{HOST}:{ports[name]}"}
        logins = self.logins(service)
        environment |= {
            "GRPC_LISTEN": f"{HOST}:{ports[name]}",
            "DATABASE_URL": logins.runtime,
            "WORKER_DATABASE_URL": logins.worker,
            "BLOB_DIR": str(self._settings.run_dir / "blobs" / service),
        }
        if service == "identity":
            environment["SERVICE_SECRETS"] = json.dumps(dict(self._secrets.service_secrets))
            environment["SIGNING_KEYS"] = json.dumps(list(self._secrets.signing_keys))
            environment["LOG_KEYS"] = json.dumps(list(self._secrets.log_keys))
            environment["LOG_ROOT_DIR"] = str(self._settings.run_dir / "log-roots")
            environment["SEALING_KEYS"] = json.dumps(list(self._secrets.sealing_keys))
            environment["PUBLIC_URL"] = f"http://{HOST}:{ports[GATEWAY]}"
            environment["MAIL_DIR"] = str(self._settings.run_dir / "mail")
            # Everybody on this machine has the same address.
            environment["SIGN_IN_FAILURES_PER_ADDRESS"] = "100000"
        return environment

    def _target(self, service: str) -> str:
        """Where the replicas of a service are."""
        ports = self._settings.ports
        return ",".join(f"{HOST}:{ports[name]}" for name in self._settings.instances(service))

    def migration_environment(self, service: str) -> dict[str, str]:
        """The same with the owner's login, for `python -m services.<name> migrate`."""
        owner = self.logins(service).owner
        return self.service_environment(service) | {"MIGRATION_DATABASE_URL": owner}

    def backup_environment(self) -> dict[str, str]:
        """What `python -m deploy.backup` reads; what the environment says itself goes first."""
        run_dir = self._settings.run_dir
        return {
            **{owner_variable(name): self.logins(name).owner for name in SERVICES},
            "NATS_URL": self.nats_url(),
            "BLOB_DIR": str(run_dir / "blobs"),
            "LOG_ROOT_DIR": str(run_dir / "log-roots"),
            "BACKUP_DIR": str(run_dir / "backups"),
            "BACKUP_KEY": self._secrets.backup_key,
        } | dict(self._settings.backup)

    def component(self, name: str) -> Component:
        """The component of this name; KeyError for an unknown one."""
        if name == POSTGRES:
            return self._postgres()
        if name == NATS:
            return self._nats()
        if name == BACKUP:
            return self._backup()
        return self._service(name)

    def _postgres(self) -> Component:
        data = self._settings.run_dir / "postgres"
        port = self._settings.ports[POSTGRES]
        return Component(
            name=POSTGRES,
            title=f"PostgreSQL 18 on port {port}",
            port=port,
            command=postgres.serve_command(
                data, port, self._settings.shared_buffers, self._settings.replicas
            ),
            environment=self._settings.inherited,
            prepare=lambda: postgres.initialise(data, self._secrets.postgres_password),
            ready=lambda: postgres.is_ready(port),
            folder=Path("/"),
            login=postgres.disguise().login,
            stop_signal=signal.SIGINT,  # "fast": SIGTERM would wait for every client to leave
        )

    def _nats(self) -> Component:
        run_dir, port = self._settings.run_dir, self._settings.ports[NATS]
        path, password = run_dir / "nats.conf", self._secrets.nats_password
        return Component(
            name=NATS,
            title=f"NATS JetStream on port {port}",
            port=port,
            command=broker.serve_command(path),
            environment=self._settings.inherited,
            prepare=lambda: broker.write_configuration(path, run_dir / "nats", port, password),
            ready=lambda: broker.is_ready(port),
            folder=Path("/"),
        )

    def _backup(self) -> Component:
        every = self._settings.backup_hours
        port = self._settings.ports[f"{BACKUP}_metrics"]
        return Component(
            name=BACKUP,
            title=f"backups every {every} hours",
            port=port,
            command=(sys.executable, "-m", "deploy.backup", "schedule", f"--every={every}"),
            environment={
                **self._settings.inherited,
                **self.backup_environment(),
                "METRICS_LISTEN": f"{HOST}:{port}",
            },
            prepare=lambda: None,
            ready=lambda: True,
        )

    def _service(self, name: str) -> Component:
        port, service = self._settings.ports[name], service_of(name)
        is_ready = health.http_is_healthy if service == GATEWAY else health.grpc_is_serving
        blobs = self._settings.run_dir / "blobs" / service
        return Component(
            name=name,
            title=f"{name} on port {port}",
            port=port,
            command=(sys.executable, "-m", f"services.{service}"),
            environment=self.service_environment(name),
            prepare=lambda: blobs.mkdir(parents=True, exist_ok=True),
            ready=lambda: is_ready(port),
        )
