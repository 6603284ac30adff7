"""One CRM platform in one run folder: start, stop, kill. Several may run side by side."""

import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

from deploy.local import databases, health, ports
from deploy.local.components import GRACE_S, START_TIMEOUT_S, Component, Wiring
from deploy.local.credentials import DEMO_EMAIL, OPERATOR, load_secrets, write_private
from deploy.local.errors import RunnerError
from deploy.local.processes import ProcessTable
from deploy.local.progress import Progress
from deploy.local.settings import (
    BACKUP,
    GATEWAY,
    HOST,
    INHERITED,
    NATS,
    POSTGRES,
    ROOT,
    SERVICES,
    SHARED_BUFFERS,
    default_ports,
    port_variable,
    read_settings,
    service_of,
)

Role = Literal["owner", "runtime", "worker"]
Seed = Callable[["Platform"], None]
MIGRATION_TIMEOUT_S: Final = 300.0
SETTINGS_FILE: Final = "settings.json"


def existing_services() -> tuple[str, ...]:
    """The services of this checkout, the gateway last."""
    names = (*SERVICES, GATEWAY)
    return tuple(name for name in names if (ROOT / "services" / name / "__main__.py").exists())


class Platform:
    """The components of one run folder. Methods may be repeated and raise RunnerError."""

    def __init__(
        self,
        run_dir: Path,
        environment: Mapping[str, str],
        services: Sequence[str] | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._settings = read_settings(run_dir, environment)
        self._run_dir = self._settings.run_dir
        self._run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._secrets = load_secrets(self._run_dir / "secrets.json")
        self._wiring = Wiring(self._settings, self._secrets)
        self._processes = ProcessTable(self._run_dir)
        self._progress = progress or Progress(None)
        self._services = tuple(existing_services() if services is None else services)

    @classmethod
    def for_tests(
        cls, folder: Path, services: Sequence[str] | None = None, replicas: int = 1
    ) -> "Platform":
        """A silent platform on free ports, deaf to the environment's own servers and ports."""
        names = default_ports(replicas)
        free = zip(names, ports.pick(len(names)), strict=True)
        environment = {port_variable(name): str(port) for name, port in free}
        environment |= {"BACKUP_HOURS": "0", "REPLICAS": str(replicas)}
        for name in (*INHERITED, SHARED_BUFFERS, "LOG_LEVEL"):
            if name in os.environ:
                environment[name] = os.environ[name]
        return cls(folder, environment, services)

    @classmethod
    def found(cls, run_dir: Path, progress: Progress | None = None) -> "Platform":
        """The platform that was started in a run folder, whatever its ports; RunnerError if none
        was.
        """
        try:
            told = json.loads((run_dir / SETTINGS_FILE).read_text())
        except (OSError, ValueError) as error:
            raise RunnerError(f"There is no platform in {run_dir}: run make up") from error
        return cls(run_dir, {**told, **os.environ}, progress=progress)

    @property
    def run_dir(self) -> Path:
        """Where everything of this platform lives."""
        return self._run_dir

    def url(self, gateway: str = GATEWAY) -> str:
        """The address of the gateway, or of one of its replicas."""
        return f"http://{HOST}:{self._settings.ports[gateway]}"

    def port(self, name: str) -> int:
        """The port of a component."""
        return self._settings.ports[name]

    def credentials(self) -> dict[str, str]:
        """`url`, `email` and `password` of the first administrator, known before the seed runs."""
        password = self._secrets.demo_password
        return {"url": self.url(), "email": DEMO_EMAIL, "password": password}

    def operator(self) -> dict[str, str]:
        """What operators' commands reach the platform with: `secret`, `nats_url`, `backup_dir`, and
        by service `<name>_target`, `<name>_metrics` (host:port, also of replicas:
        `sales.2_target`) and `<name>_database_url` (worker's role).
        """
        owners = [name for name in self._services if name in SERVICES]
        return {
            "secret": self._secrets.service_secrets[OPERATOR],
            "nats_url": self.nats_url(),
            "backup_dir": self.backup_environment()["BACKUP_DIR"],
            **{
                f"{name}_target": f"{HOST}:{self.port(name)}"
                for service in SERVICES
                for name in self.instances(service)
            },
            **{f"{name}_metrics": target for name, target in self._metrics().items()},
            **{f"{name}_database_url": self.database_url(name, "worker") for name in owners},
        }

    def admin_database_url(self) -> str:
        """A login that may do everything on the database server."""
        return self._wiring.admin_url()

    def database_url(self, service: str, role: Role) -> str:
        """The login of one service in one role."""
        logins = self._wiring.logins(service)
        return {"owner": logins.owner, "runtime": logins.runtime, "worker": logins.worker}[role]

    def nats_url(self) -> str:
        """The broker with its login."""
        return self._wiring.nats_url()

    def service_environment(self, service: str) -> dict[str, str]:
        """What the process of a service sees; tests give it to an app inside their own process."""
        return self._wiring.service_environment(service)

    def backup_environment(self) -> dict[str, str]:
        """What `python -m deploy.backup` reads to reach this platform."""
        return self._wiring.backup_environment()

    def instances(self, service: str) -> tuple[str, ...]:
        """The components that a service runs as: `sales`, `sales.2`, `sales.3`."""
        return self._settings.instances(service)

    def names(self) -> tuple[str, ...]:
        """The components this platform runs itself, in starting order."""
        owned = [name for name in self._services if name in SERVICES]
        embedded = not self._settings.admin_url and any(
            name not in self._settings.owner_urls for name in owned or SERVICES
        )
        servers = [POSTGRES] if embedded else []
        servers += [] if self._settings.nats_url else [NATS]
        replicas = [name for service in self._services for name in self.instances(service)]
        scheduled = self._settings.backup_hours and set(SERVICES) <= set(owned)
        return (*servers, *replicas, *([BACKUP] if scheduled else []))

    def pids(self) -> dict[str, int]:
        """Process ids of what runs now."""
        found = {name: self._processes.find(name) for name in self.names()}
        return {name: process.pid for name, process in found.items() if process is not None}

    def up(self, seed: Seed | None = None) -> None:
        """Start what does not run: servers, databases, migrations, services, gateway; seed once.

        Replicas beyond those asked for end.
        """
        with self._locked():
            surplus = [name for name in self._recorded() if name not in self.names()]
            self._processes.terminate(surplus, signal.SIGTERM, GRACE_S)
            dead = [name for name in self.names() if name not in self.pids()]
            for name in dead:
                self._require_port(name)
            for name in [name for name in dead if name in {POSTGRES, NATS}]:
                self._start(name)
            services = [name for name in dead if service_of(name) in self._services]
            owners = dict.fromkeys(map(service_of, services))
            self._migrate_all([name for name in owners if name != GATEWAY])
            self._start_services(services)
            if BACKUP in dead:
                self._start(BACKUP)
        write_private(self._run_dir / SETTINGS_FILE, self._settings.to_environment())
        write_private(self._run_dir / "credentials.json", self.credentials())
        write_private(self._run_dir / "operator.json", self.operator())
        (self._run_dir / "prometheus.json").write_text(json.dumps(self._targets(), indent=1))
        if seed is not None:
            self.seed_once(seed)

    def down(self) -> list[str]:
        """Stop in order, edges first, databases last; the names of what ran. Data stays."""
        stopped: list[str] = []
        with self._locked():
            started = self._recorded()
            gateways = [name for name in started if service_of(name) == GATEWAY]
            services = [name for name in started if name not in gateways]
            for group in ([BACKUP, *gateways], services, [NATS], [POSTGRES]):
                running = [name for name in group if self._processes.find(name) is not None]
                if not running:
                    continue
                how = self._component(service_of(running[0])).stop_signal
                with self._progress.step(f"stop {', '.join(running)}"):
                    stopped += self._processes.terminate(running, how, GRACE_S)
        return stopped

    def start(self, name: str) -> int:
        """Start one component and wait for it, the first replica of a service after its
        migrations; its pid.
        """
        if name not in self.pids():
            self._require_port(name)
            if name in SERVICES:
                self.migrate(name)
            self._start(name)
        return self.pids()[name]

    def stop(self, name: str) -> None:
        """Ask one component to end, wait, and kill it when it does not."""
        self._processes.terminate([name], self._component(name).stop_signal, GRACE_S)

    def kill(self, name: str) -> int | None:
        """SIGKILL one component at once; the pid it had."""
        return self._processes.kill(name)

    def restart(self, name: str) -> int:
        """Stop and start; the new pid."""
        self.stop(name)
        return self.start(name)

    @contextmanager
    def emptied(self, *, forced: bool) -> Iterator[None]:
        """Servers with every service's roles and database, and no service, for a restore; then all
        start. What runs is stopped if `forced`, else RunnerError.
        """
        running = [one for one in self.pids() if service_of(one) in (*self._services, BACKUP)]
        if running and not forced:
            raise RunnerError(f"{', '.join(running)} run and would be replaced: to go on say --yes")
        self.down()
        for name in [name for name in self.names() if name in {POSTGRES, NATS}]:
            self.start(name)
        for name in [name for name in self._services if name in SERVICES]:
            self.prepare_database(name)
        try:
            yield
            (self._run_dir / "seeded").touch()
        finally:
            self.up()

    def prepare_database(self, service: str) -> None:
        """Make roles, database, schemas and extensions of a service; PostgreSQL must run."""
        logins = self._wiring.logins(service)
        if service in self._settings.owner_urls:
            databases.adopt_database(logins)
        else:
            databases.create_database(self.admin_database_url(), logins)

    def migrate(self, service: str) -> None:
        """Bring one service's database to the newest version."""
        self.prepare_database(service)
        if (ROOT / "services" / service / "migrations").is_dir():
            self._owner_command(service, "migrate")

    def draft_revision(self, service: str, message: str) -> None:
        """Write a revision of what the tables declare and the migrated database lacks."""
        self.prepare_database(service)
        self._owner_command(service, "revision", message)

    def _owner_command(self, service: str, *arguments: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", f"services.{service}", *arguments],
            env=self._wiring.migration_environment(service),
            cwd=ROOT,
            check=False,
            capture_output=True,
            text=True,
            timeout=MIGRATION_TIMEOUT_S,
        )
        if done.returncode != 0:
            output = (done.stdout + done.stderr).strip().splitlines()[-20:]
            raise RunnerError(f"{arguments[0]} of {service} failed:\n" + "\n".join(output))

    def seed_once(self, seed: Seed, *, again: bool = False) -> None:
        """Load demo data unless `<run>/seeded` says that it was done."""
        mark = self._run_dir / "seeded"
        if mark.exists() and not again:
            return
        with self._progress.step("demo data"):
            seed(self)
        mark.touch()

    def log_path(self, name: str) -> Path:
        """Where a component's output goes."""
        return self._processes.log_path(name)

    def _metrics(self) -> dict[str, str]:
        """Where Prometheus reads, by component."""
        names = [name for name in self.names() if service_of(name) in self._services]
        return {name: f"{HOST}:{self.port(f'{name}_metrics')}" for name in names}

    def _recorded(self) -> list[str]:
        """The replicas that were started, also by an `up` that was asked for more of them."""
        return [name for name in self._processes.recorded() if service_of(name) in self._services]

    def _targets(self) -> list[dict[str, object]]:
        """What Prometheus reads of this platform (file_sd_configs)."""
        told = self._metrics()
        if BACKUP in self.names():
            told[BACKUP] = f"{HOST}:{self.port(f'{BACKUP}_metrics')}"
        return [
            {"targets": [one], "labels": {"service": service_of(name)}}
            for name, one in told.items()
        ]

    def _migrate_all(self, services: Sequence[str]) -> None:
        """Two at a time: each is a Python process that mostly imports."""
        if not services:
            return
        with self._progress.step("databases"), ThreadPoolExecutor(max_workers=2) as workers:
            list(workers.map(self.migrate, services))

    def _start_services(self, names: Sequence[str]) -> None:
        """All at once, since they tolerate each other's absence; the gateways after them."""
        components = [self._component(name) for name in names]
        for component in components:
            if service_of(component.name) != GATEWAY:
                self._spawn(component)
        for component in components:
            with self._progress.step(component.title):
                if service_of(component.name) == GATEWAY:
                    self._spawn(component)
                self._wait(component)

    def _start(self, name: str) -> None:
        component = self._component(name)
        with self._progress.step(component.title):
            self._spawn(component)
            self._wait(component)

    def _spawn(self, component: Component) -> None:
        component.prepare()
        self._processes.spawn(
            component.name,
            component.command,
            component.environment,
            component.folder,
            component.login,
        )

    def _wait(self, component: Component) -> None:
        name = component.name

        def alive() -> bool:
            return self._processes.find(name) is not None

        if health.wait_for(component.ready, alive, START_TIMEOUT_S):
            return
        problem = f"is not ready after {START_TIMEOUT_S:.0f} s" if alive() else "ended at once"
        log = self._processes.log_path(name)
        raise RunnerError(f"{name} {problem}; from {log}:\n{self._processes.log_tail(name)}")

    def _component(self, name: str) -> Component:
        return self._wiring.component(name)

    def _require_port(self, name: str) -> None:
        for one in {name, f"{name}_metrics"} & set(self._settings.ports):
            ports.require_free(self._settings.ports[one], port_variable(one))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One up or down at a time per run folder."""
        with (self._run_dir / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                message = f"another up or down is at work in {self._run_dir}: wait for it"
                raise RunnerError(message) from error
            yield
