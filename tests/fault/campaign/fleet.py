"""The real processes of a platform, started so that they can be killed, paused, cut off or changed.

A supervisor restarts a process without migrating anew, so the services are started here.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from deploy.local import health
from deploy.local.platform import Platform
from deploy.local.settings import GATEWAY, HOST, NATS, POSTGRES, ROOT, SERVICES
from tests.fault.campaign.proxy import Proxies

READY_S = 60.0
GRACE_S = 20.0
WRAPPER = "tests.fault.campaign.wrapped"
# Who is behind a proxy, and what that stands in front of.
CUT = {"sales": (POSTGRES, NATS), GATEWAY: ("customer",)}


class Fleet:
    """Servers by the platform's means, services as children of this process."""

    def __init__(self, platform: Platform, folder: Path) -> None:
        self.platform = platform
        self.folder = folder
        self.names = [*SERVICES, GATEWAY]
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        routes = {
            f"{name}-{to}": platform.port(to) for name, others in CUT.items() for to in others
        }
        self.proxies = Proxies(routes, folder)

    def up(self) -> None:
        """Servers, migrations, services."""
        self.proxies.start()
        for name in (POSTGRES, NATS):
            self.platform.start(name)
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

    @contextmanager
    def paused(self, name: str) -> Iterator[bool]:
        """SIGSTOP the process and what it has started, then SIGCONT; whether it stands still."""
        root = psutil.Process(self.pid(name))
        family = [root, *root.children(recursive=True)]
        for one in family:
            one.send_signal(signal.SIGSTOP)
        time.sleep(0.1)
        try:
            yield root.status() == psutil.STATUS_STOPPED
        finally:
            for one in family:
                one.send_signal(signal.SIGCONT)

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
        return health.http_is_healthy(port) if name == GATEWAY else health.grpc_is_serving(port)

    def _spawn(self, name: str, wrapping: str) -> None:
        module = [WRAPPER, wrapping, name] if wrapping else [f"services.{name}"]
        with self.platform.log_path(name).open("ab") as log:
            self._children[name] = subprocess.Popen(
                [sys.executable, "-m", *module], env=self._environment(name), cwd=ROOT,
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
        """As the platform has it, with the ports of the proxies."""
        environment = {
            **self.platform.service_environment(name),
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        }
        for other in CUT.get(name, ()):
            real, cut = self.platform.port(other), self.proxies.ports[f"{name}-{other}"]
            for key, value in environment.items():
                if not key.endswith("_LISTEN"):
                    environment[key] = value.replace(f"{HOST}:{real}", f"{HOST}:{cut}")
        return environment


def _wait(child: subprocess.Popen[bytes]) -> None:
    """Wait for an orderly end, and kill what does not come to one."""
    try:
        child.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
