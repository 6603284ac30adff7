"""Processes are found again by pid and start time."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from deploy.local.processes import ProcessTable, Record, bound_log, match

SLEEP = (sys.executable, "-c", "import time; print('started', flush=True); time.sleep(60)")
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
STUBBORN = (*SLEEP[:2], DEAF + SLEEP[2])


@pytest.fixture
def table(tmp_path: Path) -> Iterator[ProcessTable]:
    table = ProcessTable(tmp_path)
    yield table
    table.kill("sleep")


def spawn(table: ProcessTable, folder: Path, command: tuple[str, ...] = SLEEP) -> int:
    """Start a process named sleep and wait until it says so; its pid."""
    record = table.spawn("sleep", command, {"PATH": os.environ["PATH"]}, folder)
    while "started" not in table.log_tail("sleep"):
        assert match(record) is not None
    return record.pid


def test_spawned_process_is_found_by_another_table(table: ProcessTable, tmp_path: Path) -> None:
    pid = spawn(table, tmp_path)
    found = ProcessTable(tmp_path).find("sleep")
    assert found is not None
    assert found.pid == pid
    assert os.getsid(pid) == pid


def test_recycled_pid_is_not_ours() -> None:
    here = psutil.Process()
    assert match(Record(here.pid, here.create_time())) is not None
    assert match(Record(here.pid, here.create_time() - 3600)) is None


def test_recycled_pid_is_never_signalled(table: ProcessTable, tmp_path: Path) -> None:
    pid = spawn(table, tmp_path)
    record = tmp_path / "pid" / "sleep.json"
    original = record.read_text()
    record.write_text(json.dumps({"pid": pid, "started": 1.0}))
    assert table.kill("sleep") is None
    assert psutil.pid_exists(pid)
    record.write_text(original)
    assert table.kill("sleep") == pid


def test_terminate_ends_a_process_and_forgets_it(table: ProcessTable, tmp_path: Path) -> None:
    spawn(table, tmp_path)
    assert table.terminate(["sleep", "other"], signal.SIGTERM, grace_s=5) == ["sleep"]
    assert table.find("sleep") is None
    assert table.terminate(["sleep"], signal.SIGTERM, grace_s=5) == []


def test_terminate_kills_who_does_not_listen(table: ProcessTable, tmp_path: Path) -> None:
    spawn(table, tmp_path, STUBBORN)
    assert table.terminate(["sleep"], signal.SIGTERM, grace_s=0.1) == ["sleep"]
    assert table.find("sleep") is None


def test_crashed_child_is_not_running(table: ProcessTable, tmp_path: Path) -> None:
    pid = spawn(table, tmp_path)
    os.kill(pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(pid)], timeout=5)
    assert table.find("sleep") is None


def test_unreadable_record_counts_as_nothing(table: ProcessTable, tmp_path: Path) -> None:
    (tmp_path / "pid").mkdir()
    (tmp_path / "pid" / "sleep.json").write_text("{")
    assert table.find("sleep") is None


def test_long_log_is_moved_aside(tmp_path: Path) -> None:
    log = tmp_path / "sales.log"
    log.write_bytes(b"a" * 10 + b"b" * 10)
    bound_log(log, bytes_max=20)
    assert log.stat().st_size == 20
    bound_log(log, bytes_max=10)
    assert log.read_bytes() == b""
    assert (tmp_path / "sales.log.1").read_bytes() == b"b" * 10
