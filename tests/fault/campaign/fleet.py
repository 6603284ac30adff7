"""The real processes of a platform, started so that they can be killed, paused, cut off or changed.

A supervisor restarts a process without migrating anew, so the services are started here.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from deploy.local import health
from deploy.local.platform import Platform
from deploy.local.settings import GATEWAY, HOST, NATS, POSTGRES, ROOT, SERVICES
from tests.fault.campaign.cable import Cable
from tests.fault.campaign.proxy import Proxies

READY_S = 60.0
GRACE_S = 20.0
WRAPPER = "tests.fault.campaign.wrapped"
# Whose conversations with whom are cut and narrowed: on the cable of CABLED, or by a proxy.
CABLED = "sales"
CUT = {CABLED: (POSTGRES, NATS), GATEWAY: (CABLED,)}
# Those that come late, which takes a proxy.
LATE = {"customer": (POSTGRES,)}


class Fleet:
    """Servers by the platform's means, services as children of this process."""

    def __init__(self, platform: Platform, folder: Path) -> None:
        self.platform = platform
        self.folder = folder
        self.names = [*SERVICES, GATEWAY]
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        cut, late = self._routes(CUT), self._routes(LATE)
        self.cable = Cable(CABLED, cut)
        self._cabled = self.cable.lay()
        self.proxies = Proxies(late if self._cabled else cut | late, folder)

    @property
    def network(self) -> str:
        """What the conversations that are cut go over: a "namespace" or a "proxy"."""
        return "namespace" if self._cabled else "proxy"

    def order(self, route: str, what: str = "") -> None:
        """Disturb a conversation (see Cable and Proxies), or no more."""
        self._line(route).order(route, what)

    def moved(self, route: str) -> int:
        """How much was held or lost so far."""
        return self._line(route).moved(route)

    def up(self) -> None:
        """Servers, migrations, services."""
        self.proxies.start()
        for name in (POSTGRES, NATS):
            self.platform.start(name)
        if self._cabled:
            self._let_in(self.cable.address)
        for name in SERVICES:
            self.platform.migrate(name)
        self.start(self.names)

    def down(self) -> None:
        """Stop everything."""
        for child in self._children.values():
            child.send_signal(signal.SIGCONT)
            child.terminate()
        for child in self._children.values():
            _wait(child)
        self.platform.down()
        self.proxies.stop()
        self.cable.remove()

    def pid(self, name: str) -> int | None:
        """The process, if it runs."""
        if name in {POSTGRES, NATS}:
            return self.platform.pids().get(name)
        child = self._children.get(name)
        return child.pid if child is not None and child.poll() is None else None

    def kill(self, name: str) -> bool:
        """SIGKILL; True as the witness that a running process is gone."""
        if name in {POSTGRES, NATS}:
            return self.platform.kill(name) is not None and self.pid(name) is None
        child = self._children.get(name)
        if child is None or child.poll() is not None:
            return False
        child.kill()
        return child.wait() == -signal.SIGKILL

    def signal(self, name: str, which: signal.Signals) -> None:
        """Tell a service something."""
        self._children[name].send_signal(which)

    @contextmanager
    def paused(self, name: str) -> Iterator[bool]:
        """SIGSTOP the process and what it has started, then SIGCONT; whether it stands still."""
        root = psutil.Process(self.pid(name))
        family = [root, *root.children(recursive=True)]
        try:
            _tell(family, signal.SIGSTOP)
            time.sleep(0.1)
            yield root.status() == psutil.STATUS_STOPPED
        finally:
            _tell(family, signal.SIGCONT)

    def start(self, names: Iterable[str], wrapping: str = "") -> None:
        """Start those that do not run and wait for them; `wrapping` says how a service is changed
        before it runs.
        """
        started = [name for name in names if self.pid(name) is None]
        for name in started:
            if name in {POSTGRES, NATS}:
                self.platform.start(name)
            else:
                self._spawn(name, wrapping)
        for name in started:
            self._wait(name)

    def restart(self, name: str, wrapping: str = "") -> None:
        """Stop a service in good order and start it changed, or as it is."""
        child = self._children[name]
        child.terminate()
        _wait(child)
        self.start([name], wrapping)

    def ended(self, name: str, within_s: float) -> int | None:
        """The exit code of a service once it has ended by itself; None if it does not."""
        try:
            return self._children[name].wait(within_s)
        except subprocess.TimeoutExpired:
            return None

    def healthy(self, name: str) -> bool:
        """Whether a service answers."""
        port = self.platform.port(name)
        if name == GATEWAY:
            return health.http_is_healthy(port)
        host = self.cable.address if self._cabled and name == CABLED else HOST
        return health.grpc_is_serving(port, host)

    def _let_in(self, address: str) -> None:
        """PostgreSQL takes connections from there, too."""
        with (self.platform.run_dir / "postgres" / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {address}/32 scram-sha-256\n")
        os.kill(self.platform.pids()[POSTGRES], signal.SIGHUP)

    def _spawn(self, name: str, wrapping: str) -> None:
        module = [WRAPPER, wrapping, name] if wrapping else [f"services.{name}"]
        command = [sys.executable, "-m", *module]
        if self._cabled and name == CABLED:
            command = self.cable.inside(command)
        with self.platform.log_path(name).open("ab") as log:
            self._children[name] = subprocess.Popen(
                command, env=self._environment(name), cwd=ROOT,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip

    def _wait(self, name: str) -> None:
        deadline = time.monotonic() + READY_S
        while name not in {POSTGRES, NATS} and not self.healthy(name):
            if self.pid(name) is None or time.monotonic() > deadline:
                log = self.platform.log_path(name).read_text(errors="replace")
                raise RuntimeError(f"{name} does not come up:\n{log[-2000:]}")
            time.sleep(0.05)

    def _environment(self, name: str) -> dict[str, str]:
        """As the platform has it, with the ports of the proxies and the address on the cable."""
        environment = {
            **self.platform.service_environment(name),
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        }
        for other in (*CUT.get(name, ()), *LATE.get(name, ())):
            real, proxy = self.platform.port(other), self.proxies.ports.get(f"{name}-{other}")
            for key, value in environment.items() if proxy else ():
                if not key.endswith("_LISTEN"):
                    environment[key] = value.replace(f"{HOST}:{real}", f"{HOST}:{proxy}")
        for moved in (CABLED, f"{CABLED}_metrics") if self._cabled else ():
            place = f":{self.platform.port(moved)}"
            for key, value in environment.items():
                environment[key] = value.replace(f"{HOST}{place}", f"{self.cable.address}{place}")
        return environment

    def _line(self, route: str) -> Cable | Proxies:
        return self.proxies if route in self.proxies.ports else self.cable

    def _routes(self, pairs: Mapping[str, Sequence[str]]) -> dict[str, int]:
        """Ports by the names of conversations."""
        return {
            f"{name}-{to}": self.platform.port(to) for name, others in pairs.items()
            for to in others
        }  # fmt: skip


def _tell(family: Iterable[psutil.Process], which: signal.Signals) -> None:
    """Signal all that are still there: a connection's process may end at any moment."""
    for one in family:
        with suppress(psutil.NoSuchProcess):
            one.send_signal(which)


def _wait(child: subprocess.Popen[bytes]) -> None:
    """Wait for an orderly end, and kill what does not come to one."""
    try:
        child.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
