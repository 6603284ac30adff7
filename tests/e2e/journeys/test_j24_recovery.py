"""J24, recovery: a backup is taken, data is changed, a restore brings the former state back."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from deploy.local.platform import Platform
from deploy.local.settings import ROOT
from tests.live import Tenant, new_tenant, signed_in


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform of its own: everybody on it is signed out at the end."""
    made = Platform.for_tests(tmp_path_factory.mktemp("recovery"))
    try:
        made.up()
        yield made
    finally:
        made.down()


def crm_backup(platform: Platform, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`crm backup` of whoever runs this platform with make up."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment |= {"RUN_DIR": str(platform.run_dir), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "cli.main", "backup", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def names(tenant: Tenant) -> set[str]:
    return {str(one["name"]) for one in tenant.list("customers")}


@pytest.mark.timeout(200)
def test_former_state_is_back_after_a_restore(platform: Platform) -> None:
    tenant = new_tenant(platform, "recovery")
    kept = tenant.create("customers", name="华信贸易", industry="贸易")
    lost = tenant.create("customers", name="误删公司")
    made = crm_backup(platform, "create", "--verify")
    assert made.returncode == 0, made.stderr

    assert tenant.patch(f"customers/{kept['id']}", {"industry": "错误"}).status_code == 200
    assert tenant.delete(f"customers/{lost['id']}").status_code == 200
    tenant.create("customers", name="后来的公司")
    assert names(tenant) == {"华信贸易", "后来的公司"}

    refused = crm_backup(platform, "restore")
    assert (refused.returncode, "say --yes" in refused.stderr) == (1, True), refused.stderr
    assert names(tenant) == {"华信贸易", "后来的公司"}
    restored = crm_backup(platform, "restore", "--yes")
    assert restored.returncode == 0, restored.stderr
    assert "everybody has to sign in again" in restored.stdout

    assert tenant.get("customers").status_code == 401
    again = signed_in(tenant.url, tenant.slug, tenant.id, tenant.email)
    assert names(again) == {"华信贸易", "误删公司"}
    assert again.get(f"customers/{kept['id']}").json() == kept
    history = again.get(f"customers/{kept['id']}/history").json()
    assert len(history["entries"]) == 1, history
    again.create("customers", name="新公司")
    assert names(again) == {"华信贸易", "误删公司", "新公司"}
    for one in (tenant, again):
        one.http.close()
