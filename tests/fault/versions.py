"""A version of the platform as processes of its own, beside another one."""

import io
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deploy.local.health import grpc_is_serving, http_is_healthy, wait_for
from deploy.local.platform import Platform
from deploy.local.ports import pick
from deploy.local.settings import GATEWAY, HOST, ROOT, SERVICES

PREVIOUS = ROOT / "deploy" / "previous-version"
EVERY = (*SERVICES, GATEWAY)
START_S, STOP_S, MIGRATION_S = 60.0, 40.0, 60.0


def previous_tree(folder: Path) -> Path:
    """The files of the version that `deploy/previous-version` names, with its generated code."""
    commit = PREVIOUS.read_text().strip()
    made = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=False)
    if made.returncode != 0:
        why = made.stderr.decode(errors="replace").strip()
        pytest.fail(f"{commit} of {PREVIOUS.name} is not here (git fetch --unshallow): {why}")
    with tarfile.open(fileobj=io.BytesIO(made.stdout)) as files:
        files.extractall(folder, filter="data")
    subprocess.run([sys.executable, "proto/generate.py"], cwd=folder, check=True)
    return folder


class Version:
    """The code of one tree, run with the environment of a platform on ports of its own."""

    def __init__(self, tree: Path, platform: Platform) -> None:
        self._tree = tree
        self._platform = platform
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        free = pick(2 * len(EVERY))
        self.ports = dict(zip(EVERY, free, strict=False))
        self._metrics = dict(zip(EVERY, free[len(EVERY) :], strict=True))

    @property
    def url(self) -> str:
        """Its own gateway."""
        return f"http://{HOST}:{self.ports[GATEWAY]}"

    def migrate(self) -> None:
        """Run the migrations of all services, two at a time."""
        with ThreadPoolExecutor(max_workers=2) as workers:
            list(workers.map(self._migrate, SERVICES))

    def start(self, names: Sequence[str]) -> None:
        """Start these and wait until they serve."""
        for name in names:
            with self.log(name).open("ab") as log:
                self._running[name] = subprocess.Popen(
                    [sys.executable, "-m", f"services.{name}"],
                    cwd=self._tree, env=self._environment(name), stdout=log, stderr=log,
                )  # fmt: skip
        for name in names:
            self._wait(name, self._running[name])

    def stop(self, name: str) -> int:
        """Ask it to end as an orchestrator does, and wait; its exit code."""
        process = self._running.pop(name)
        process.terminate()
        return process.wait(STOP_S)

    def kill(self) -> None:
        """End what still runs."""
        for process in self._running.values():
            process.kill()
            process.wait(STOP_S)

    def log(self, name: str) -> Path:
        """What a process has said."""
        return self._platform.run_dir / f"{name}-{self.ports[name]}.log"

    def _wait(self, name: str, process: subprocess.Popen[bytes]) -> None:
        ready, port = http_is_healthy if name == GATEWAY else grpc_is_serving, self.ports[name]
        serves = wait_for(lambda: ready(port), lambda: process.poll() is None, START_S)
        assert serves, self.log(name).read_text()[-2000:]

    def _migrate(self, service: str) -> None:
        owner = self._platform.database_url(service, "owner")
        done = subprocess.run(
            [sys.executable, "-m", f"services.{service}", "migrate"],
            cwd=self._tree, env=self._environment(service) | {"MIGRATION_DATABASE_URL": owner},
            capture_output=True, text=True, timeout=MIGRATION_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]

    def _environment(self, name: str) -> dict[str, str]:
        listen = f"{HOST}:{self.ports[name]}"
        given = self._platform.service_environment(name)
        Path(given.get("BLOB_DIR", self._platform.run_dir)).mkdir(parents=True, exist_ok=True)
        own = {"GRPC_LISTEN": listen} if name != GATEWAY else {"HTTP_LISTEN": listen}
        metrics = f"{HOST}:{self._metrics[name]}"
        return given | own | {"METRICS_LISTEN": metrics, "PYTHONPATH": str(self._tree)}
