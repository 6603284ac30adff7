"""The drill: load, back up while writing goes on, destroy everything, restore, go on writing."""

import os
import shutil
import subprocess
import time
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deploy.backup.manifest import Manifest, read_manifest, verified
from deploy.backup.parts import part_path
from deploy.backup.store import backups, find
from deploy.local.platform import Platform
from deploy.local.settings import ROOT, SERVICES
from tests.fault.drill import Site, Writers, backup, backup_command
from tests.fault.test_kills import recomputed, report
from tests.live import Tenant, as_dict, eventually, new_tenant, signed_in

BEFORE_S, AFTER_S = 3.0, 2.0
SETTLED_S = 60.0
OPEN = "outcome = OPEN"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A platform that this drill alone destroys."""
    platform = Platform.for_tests(tmp_path_factory.mktemp("drill"))
    try:
        platform.up()
        yield Site(platform)
    finally:
        platform.down()


@pytest.mark.timeout(400)
def test_everything_is_back_as_it_was_at_one_moment(site: Site, figures: list[str]) -> None:
    platform, tenant = site.platform, new_tenant(site.platform, "drill")
    stages = eventually(lambda: [str(one["id"]) for one in tenant.list("stages", filter=OPEN)])
    exported = export(tenant)
    schemas = {service: site.schema(service) for service in SERVICES}
    writers = Writers(tenant, stages)
    time.sleep(BEFORE_S)
    asked, began = datetime.now(UTC), time.monotonic()
    made = backup(platform, "create", "--verify")
    took_s = time.monotonic() - began
    assert made.returncode == 0, made.stderr
    time.sleep(AFTER_S)
    writers.stop()
    assert writers.problems == []
    folder = find(platform.run_dir / "backups", "latest")
    manifest = read_manifest(folder)
    rate = len(writers.writes) / (BEFORE_S + took_s + AFTER_S)
    looks = made.stdout.partition("(")[2].partition(")")[0]
    figures.append(
        f"backup of {manifest.bytes / 1024:.0f} KiB made and read in {took_s:.1f} s while"
        f" {rate:.0f} records a second came, {looks} for a common moment"
    )
    refusals(platform, folder)
    happened = site.changes()

    destroy(platform)
    began = time.monotonic()
    with platform.emptied(forced=False):
        restored = backup(platform, "restore", manifest.id)
        assert restored.returncode == 0, restored.stderr
        of_one_moment(site, writers, happened, (asked, manifest))
        assert {service: site.schema(service) for service in SERVICES} == schemas
    figures.append(f"restored and started in {time.monotonic() - began:.1f} s")

    assert tenant.get("customers").status_code == 401, "a session survived"
    again = signed_in(tenant.url, tenant.slug, tenant.id, tenant.email)
    assert again.get(exported[0]).text == exported[1]
    converged(site, again)
    with_new_writes(site, again, stages)
    scheduled(platform)
    for one in (tenant, again):
        one.http.close()


def scheduled(platform: Platform) -> None:
    """The schedule makes and verifies one when it is due, and then waits."""
    store = platform.run_dir / "backups"
    before = backups(store)
    command, environment = backup_command(platform, "schedule", "--first=0", "--every=0.001")
    with subprocess.Popen(
        command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as running:
        try:
            newest = eventually(lambda: set(backups(store)) - set(before), timeout_s=60)
            known = eventually(lambda: verified(next(iter(newest))), timeout_s=60)
            assert known is not None
            assert known.problem == ""
            assert running.poll() is None
        finally:
            running.kill()


def export(tenant: Tenant) -> tuple[str, str]:
    """A file that the platform keeps outside its databases: its path and text."""
    tenant.create("customers", name="出口公司")
    started = tenant.post("customers:export", {"format": "CSV"})
    assert started.status_code == 200, started.text
    path = f"operations/{as_dict(started)['name']}"
    eventually(lambda: as_dict(tenant.get(path))["done"], timeout_s=30)
    file = tenant.get(f"{path}/result")
    assert "出口公司" in file.text
    return f"{path}/result", file.text


def refusals(platform: Platform, folder: Path) -> None:
    """A backup that cannot be trusted, or a platform that runs, is refused; nothing is touched."""
    running = platform.pids()
    other = {"BACKUP_KEY": b64encode(os.urandom(32)).decode()}
    wrong = backup(platform, "restore", folder.name, "--yes", **other)
    assert (wrong.returncode, "was sealed with key" in wrong.stderr) == (1, True), wrong.stderr
    for name in ("sales.dump", "identity.dump", "blobs.tar"):
        part = part_path(folder, name)
        whole = part.read_bytes()
        part.write_bytes(damaged(name, whole))
        refused = backup(platform, "restore", folder.name, "--yes")
        assert (refused.returncode, name in refused.stderr) == (1, True), refused.stderr
        part.write_bytes(whole)
    shown = backup(platform, "list").stdout
    assert "bytes, not" in shown
    busy = backup(platform, "restore", folder.name, "--yes")
    assert (busy.returncode, "stop the gateway and all services" in busy.stderr) == (1, True)
    assert "good at" in backup(platform, "list").stdout
    assert platform.pids() == running


def damaged(name: str, whole: bytes) -> bytes:
    """A part that lacks its last byte, has another one, or lacks its half."""
    changed = whole[:-40] + bytes([whole[-40] ^ 1]) + whole[-39:]
    return {"sales.dump": whole[:-1], "identity.dump": changed}.get(name, whole[: len(whole) // 2])


def destroy(platform: Platform) -> None:
    """Databases, streams, files and signed roots are gone; secrets and backups lie elsewhere."""
    platform.down()
    for name in ("postgres", "nats", "blobs", "log-roots"):
        shutil.rmtree(platform.run_dir / name)


def of_one_moment(
    site: Site, writers: Writers, happened: dict[str, tuple[str, str, int]],
    point: tuple[datetime, Manifest],
) -> None:  # fmt: skip
    """Nobody knows more than its source, nothing acknowledged before is missing, nothing begun
    after is there, and each record's versions have no hole.
    """
    asked, manifest = point
    changes = site.changes()
    assert changes.items() <= happened.items()
    assert len(changes) < len(happened)
    assert site.heard() <= changes.keys()
    versions: dict[tuple[str, str], set[int]] = {}
    for resource, record, version in changes.values():
        versions.setdefault((resource, record), set()).add(version)
    assert [one for one in versions.values() if one != set(range(1, len(one) + 1))] == []
    there = {record for _resource, record, _version in changes.values()}
    assert {one.id for one in writers.writes if one.ended < asked} <= there
    assert not {one.id for one in writers.writes if one.began > manifest.time} & there
    customers = {str(row["id"]) for row in site.rows("customer", "SELECT id FROM customer")}
    deals = site.rows("sales", "SELECT customer_id FROM opportunity")
    assert {str(row["customer_id"]) for row in deals} <= customers
    assert deals


def converged(site: Site, tenant: Tenant) -> None:
    """Streams are rebuilt, replicas and read models equal their owners and a recomputation."""
    eventually(lambda: site.differences() == [], timeout_s=SETTLED_S, every_s=0.5)
    assert report(tenant) == recomputed(tenant)
    verified = as_dict(tenant.post("logEntries:verify", {}))
    assert verified["intact"], verified


def with_new_writes(site: Site, tenant: Tenant, stages: list[str]) -> None:
    """Writing goes on, and what is written arrives once everywhere."""
    before = site.changes()
    writers = Writers(tenant, stages)
    time.sleep(1.0)
    writers.stop()
    assert writers.problems == []
    assert len(site.changes()) > len(before)
    converged(site, tenant)
    parked = [row for name in SERVICES for row in site.rows(name, "SELECT event_id FROM parked")]
    assert parked == []
