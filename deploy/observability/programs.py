"""Prometheus and promtool for checks: those of this machine, else Debian's package unpacked."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

from deploy.local.settings import ROOT

FOLDER: Final = ROOT / ".build" / "prometheus"
FETCH_TIMEOUT_S: Final = 300.0


class MissingError(Exception):
    """Prometheus is not here and cannot be had."""


def program(name: str) -> Path:
    """The path of prometheus or promtool; MissingError says what to install."""
    installed = shutil.which(name)
    if installed:
        return Path(installed)
    unpacked = FOLDER / "usr" / "bin" / name
    if not unpacked.exists():
        _fetch()
    return unpacked


def _fetch() -> None:
    """Download and unpack the package; nothing is installed, so nobody need be root."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    download = ["apt-get", "download", "prometheus"]
    try:
        if _run(download):
            _run(["apt-get", "update"])
            problem = _run(download)
        else:
            problem = ""
        packages = sorted(FOLDER.glob("prometheus_*.deb"))
        if problem or not packages:
            raise MissingError(_advice(problem))
        problem = _run(["dpkg", "-x", packages[-1].name, "."])
    except FileNotFoundError as error:
        raise MissingError(_advice(f"there is no {error.filename}")) from error
    if problem:
        raise MissingError(_advice(problem))


def _run(command: list[str]) -> str:
    """What the command complains of when it fails, else ""."""
    done = subprocess.run(
        command, cwd=FOLDER, check=False, capture_output=True, text=True, timeout=FETCH_TIMEOUT_S
    )
    return (done.stderr.strip() or f"exit code {done.returncode}") if done.returncode else ""


def _advice(problem: str) -> str:
    return f"Prometheus cannot be had: install prometheus 2.42 or newer, so that it is in PATH ({problem})"
