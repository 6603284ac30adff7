"""The demo data and the README's tour: every command in it is run as it stands."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.platform import Platform
from deploy.local.seed import seed
from deploy.local.settings import ROOT
from tests.live import Tenant, signed_in

CRM = '#!/bin/sh\nexec "{python}" -m cli.main "$@"\n'


@pytest.fixture(scope="module")
def seeded(whole_platform: Platform) -> Platform:
    """The platform with its demo data."""
    seed(whole_platform)
    return whole_platform


@pytest.fixture
def demo(seeded: Platform, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tenant]:
    """The demo company, as its administrator sees it."""
    account = seeded.credentials()
    monkeypatch.setattr("tests.live.PASSWORD", account["password"])
    made = signed_in(seeded.url(), "demo", "", account["email"])
    yield made
    made.http.close()


def test_demo_data_can_be_loaded_again(seeded: Platform, demo: Tenant) -> None:
    collections = ("departments", "users", "customers", "contacts", "opportunities", "campaigns")
    before = {name: demo.count(name) for name in collections}
    assert min(before.values()) > 0
    seed(seeded)
    assert {name: demo.count(name) for name in collections} == before
    states = {one["state"] for one in demo.list("opportunities")}
    assert states == {"OPEN", "WON", "LOST"}
    assert not list(seeded.run_dir.glob("seed-session*.json"))


def test_the_tour_runs(seeded: Platform, tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert len(blocks) >= 5
    (tmp_path / ".run").symlink_to(seeded.run_dir)
    binaries = tmp_path / ".venv" / "bin"
    binaries.mkdir(parents=True)
    (binaries / "crm").write_text(CRM.format(python=sys.executable))
    (binaries / "crm").chmod(0o700)
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment |= {
        "PYTHONPATH": str(ROOT), "CRM_CONFIG": str(tmp_path / "session.json"), "LANG": "C.UTF-8",
    }  # fmt: skip
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", "\n".join(blocks)],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    for word in ("张三丰贸易有限公司", "Prospecting", "武当山茶业", "88000", "SUCCEEDED"):
        assert word in done.stdout, done.stdout
