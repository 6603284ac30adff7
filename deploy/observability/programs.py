"""Prometheus and promtool for checks: those of this machine, else Debian's package unpacked."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

from deploy.local.settings import ROOT

FOLDER: Final = ROOT / ".build" / "prometheus"
FETCH_TIMEOUT_S: Final = 300.0
ADVICE: Final = "Install Prometheus 2.42 or newer, with promtool, so that they are in PATH"


class MissingError(Exception):
    """Prometheus is not here and cannot be had; says what to install."""


def program(name: str) -> Path:
    """The path of prometheus or promtool; MissingError without them."""
    installed = shutil.which(name)
    unpacked = FOLDER / "usr" / "bin" / name
    if installed is None and not unpacked.exists():
        _fetch()
    return Path(installed or unpacked)


def _fetch() -> None:
    """Download and unpack the package; nothing is installed, so nobody need be root."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    download = ("apt-get", "download", "prometheus")
    try:
        if not _run(*download):
            _run("apt-get", "update")
        if _run(*download):
            package = max(FOLDER.glob("prometheus_*.deb"))
            subprocess.run(["dpkg", "-x", package, FOLDER], check=True, timeout=FETCH_TIMEOUT_S)
            return
    except (OSError, subprocess.SubprocessError) as error:
        raise MissingError(f"{ADVICE}: {error}") from error
    raise MissingError(f"{ADVICE}: apt-get cannot download it")


def _run(*command: str) -> bool:
    done = subprocess.run(
        command, cwd=FOLDER, check=False, capture_output=True, timeout=FETCH_TIMEOUT_S
    )
    return done.returncode == 0
