"""Background processes that outlive the runner, are found again and never mistaken for others."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

# The start time of a process is derived from the clock, which may be corrected by about a second.
START_TOLERANCE_S: Final = 2.0
KILL_S: Final = 10.0
LOG_BYTES_MAX: Final = 16 * 1024 * 1024


@dataclass(frozen=True)
class Record:
    """A process as it was started: a recycled pid has another start time."""

    pid: int
    started: float


@dataclass(frozen=True)
class Login:
    """Run as this user; only root can ask for it."""

    uid: int
    gid: int


class ProcessTable:
    """The processes of one run folder: records in `<run>/pid`, output in `<run>/log`."""

    def __init__(self, run_dir: Path) -> None:
        self._records = run_dir / "pid"
        self._logs = run_dir / "log"
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def spawn(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        login: Login | None = None,
    ) -> Record:
        """Start `command` in a session of its own, so that it survives this terminal."""
        self._records.mkdir(parents=True, exist_ok=True)
        log = self.log_path(name)
        log.parent.mkdir(parents=True, exist_ok=True)
        bound_log(log)
        with log.open("ab") as output:
            child = subprocess.Popen(
                command,
                env=dict(environment),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=login.uid if login else None,
                group=login.gid if login else None,
                extra_groups=[] if login else None,
            )
        self._children[name] = child
        record = Record(child.pid, psutil.Process(child.pid).create_time())
        path = self._record_path(name)
        scratch = path.with_suffix(".new")
        scratch.write_text(json.dumps({"pid": record.pid, "started": record.started}))
        scratch.replace(path)
        return record

    def find(self, name: str) -> psutil.Process | None:
        """The running process that was started under this name, or None."""
        child = self._children.get(name)
        if child is not None and child.poll() is not None:
            del self._children[name]
        try:
            stored = json.loads(self._record_path(name).read_text())
        except (FileNotFoundError, ValueError):
            return None
        return match(Record(int(stored["pid"]), float(stored["started"])))

    def terminate(self, names: Sequence[str], how: signal.Signals, grace_s: float) -> list[str]:
        """Signal the named processes together; whoever is left after `grace_s` seconds is killed.

        Returns the names that ran.
        """
        running = {name: process for name in names if (process := self.find(name)) is not None}
        for process in running.values():
            _signal(process, how)
        stubborn = wait_until_gone(list(running.values()), grace_s)
        for process in stubborn:
            _kill_tree(process)
        for name in names:
            self._forget(name)
        return list(running)

    def kill(self, name: str) -> int | None:
        """SIGKILL the process and its children now; the pid it had, None when it did not run."""
        process = self.find(name)
        if process is not None:
            _kill_tree(process)
        self._forget(name)
        return process.pid if process is not None else None

    def recorded(self) -> list[str]:
        """The names of all that was started and not stopped from here."""
        return sorted(path.stem for path in self._records.glob("*.json"))

    def log_path(self, name: str) -> Path:
        """Where the output of a process goes."""
        return self._logs / f"{name}.log"

    def log_tail(self, name: str, lines: int = 15) -> str:
        """The last lines of the output, for an error message."""
        try:
            text = self.log_path(name).read_text(errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    def _record_path(self, name: str) -> Path:
        return self._records / f"{name}.json"

    def _forget(self, name: str) -> None:
        self._record_path(name).unlink(missing_ok=True)
        child = self._children.get(name)
        if child is not None and child.poll() is not None:
            del self._children[name]


def match(record: Record) -> psutil.Process | None:
    """The process with this pid if it is the recorded one and not a zombie."""
    try:
        process = psutil.Process(record.pid)
        same = abs(process.create_time() - record.started) <= START_TOLERANCE_S
        return process if same and _runs(process) else None
    except psutil.Error:
        return None


def bound_log(log: Path, bytes_max: int = LOG_BYTES_MAX) -> None:
    """Move a long log aside, keeping its end; writers append, so cutting is safe."""
    if not log.exists() or log.stat().st_size <= bytes_max:
        return
    with log.open("rb") as source:
        source.seek(-bytes_max, os.SEEK_END)
        log.with_suffix(".log.1").write_bytes(source.read())
    os.truncate(log, 0)


def wait_until_gone(processes: Sequence[psutil.Process], timeout_s: float) -> list[psutil.Process]:
    """Those still running after `timeout_s`; a zombie is gone, though not yet collected."""
    deadline = time.monotonic() + timeout_s
    left = list(processes)
    while left := [process for process in left if _runs(process)]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)
    return left


def _runs(process: psutil.Process) -> bool:
    """Whether it runs; a zombie with threads does, since these still hold its sockets and files."""
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return process.num_threads() > 1
        return process.is_running()
    except psutil.NoSuchProcess:
        return False


def _signal(process: psutil.Process, how: signal.Signals) -> None:
    try:
        process.send_signal(how)
    except psutil.NoSuchProcess:
        return


def _kill_tree(process: psutil.Process) -> None:
    """Kill the process, then what it started: PostgreSQL's backends lead groups of their own."""
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for member in family:
        _signal(member, signal.SIGKILL)
    wait_until_gone(family, KILL_S)
