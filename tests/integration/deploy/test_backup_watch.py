"""What the pod beside the nightly backup tells, and that it goes when it is told to."""

import os
import signal
import subprocess
import sys
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path

import httpx

from deploy.backup.manifest import note_verified
from deploy.backup.store import new_id
from deploy.local import ports
from deploy.local.settings import HOST, ROOT, SERVICES, owner_variable
from tests.live import eventually

TOLD = "crm_backup_good_timestamp_seconds "


def test_the_newest_good_backup_is_told_until_the_end(tmp_path: Path) -> None:
    (port,) = ports.pick(1)
    environment = {
        **{owner_variable(name): f"postgresql://{name}@nowhere/{name}" for name in SERVICES},
        "NATS_URL": "nats://nowhere",
        "BLOB_DIR": str(tmp_path),
        "LOG_ROOT_DIR": str(tmp_path),
        "BACKUP_DIR": str(tmp_path),
        "BACKUP_KEY": b64encode(bytes(32)).decode(),
        "METRICS_LISTEN": f"{HOST}:{port}",
        "PYTHONPATH": str(ROOT),
        "PATH": os.environ["PATH"],
    }
    command = [sys.executable, "-m", "deploy.backup", "watch"]
    with subprocess.Popen(command, cwd=ROOT, env=environment) as watching:
        try:
            assert eventually(lambda: told(port), 30.0) == ["0.0"]
            moment = datetime(2026, 11, 22, 1, 30, tzinfo=UTC)
            (tmp_path / new_id(moment)).mkdir()
            assert told(port) == ["0.0"], "nobody has read it through"
            note_verified(tmp_path / new_id(moment))
            assert [float(one) for one in told(port)] == [moment.timestamp()]
        finally:
            watching.send_signal(signal.SIGTERM)
        assert watching.wait(10) == 0


def told(port: int) -> list[str]:
    """The metric's value; nothing before anybody answers."""
    try:
        text = httpx.get(f"http://{HOST}:{port}/metrics", timeout=5).text
    except httpx.TransportError:
        return []
    return [line.removeprefix(TOLD) for line in text.splitlines() if line.startswith(TOLD)]
