"""The crm command as people run it: a process of its own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.local.platform import Platform
from deploy.local.settings import ROOT
from tests.live import PASSWORD, Tenant

Crm = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def crm(whole_platform: Platform, tmp_path: Path) -> Crm:
    """Runs `crm` in an empty folder with a configuration of its own."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment |= {
        "PYTHONPATH": str(ROOT), "CRM_CONFIG": str(tmp_path / "session.json"),
        "RUN_DIR": str(whole_platform.run_dir), "LANG": "C.UTF-8",
    }  # fmt: skip

    def run(*arguments: str, stdin: str = "", **extra: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "cli.main", *arguments],
            env=environment | extra,
            cwd=tmp_path,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    return run


@pytest.fixture
def signed_in(crm: Crm, tenant: Tenant) -> Crm:
    """The same, signed in as the tenant's administrator."""
    done = crm(
        "login", "--url", tenant.url, "--email", tenant.email, "--tenant", tenant.slug,
        CRM_PASSWORD=PASSWORD,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return crm


def ok(done: subprocess.CompletedProcess[str]) -> str:
    """Standard output of a command that went well."""
    assert done.returncode == 0, done.stderr
    return done.stdout
