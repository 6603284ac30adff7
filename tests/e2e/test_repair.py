"""What operators do on the command line: backups, parked events, read models."""

import asyncio
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import asyncpg
import httpx

from deploy.local.platform import Platform
from deploy.local.settings import ROOT
from tests.e2e.conftest import Crm, ok
from tests.fault.drill import Site
from tests.fault.test_kills import recomputed, report
from tests.live import Tenant, eventually

HOLD = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
BUILT = "SELECT count(*) FROM rebuilt_fact WHERE tenant_id = $1"
SHARED = "SELECT grantee_ids FROM opportunity_fact WHERE id = $1"
FORGET = "UPDATE opportunity_fact SET grantee_ids = NULL WHERE id = $1"
SPOIL = "UPDATE opportunity_fact SET amount = amount + 1 WHERE tenant_id = $1"


def test_backup_is_made_listed_and_verified(crm: Crm) -> None:
    made = ok(crm("backup", "create", "--verify"))
    backup_id = made.splitlines()[-1].split()[0]
    shown = next(one for one in ok(crm("backup", "list")).splitlines() if backup_id in one)
    assert "good at" in shown
    assert "sales 00" in shown
    assert "read sales.dump" in ok(crm("backup", "verify", backup_id))
    refused = crm("backup", "verify", "20200101T000000Z")
    assert (refused.returncode, "has no backup" in refused.stderr) == (1, True)


def test_facts_of_all_tenants_are_what_sales_has(crm: Crm, tenant: Tenant) -> None:
    stages = eventually(lambda: tenant.list("stages", filter="outcome = OPEN"))
    tenant.create(
        "opportunities", name="核对", stage_id=str(stages[0]["id"]),
        amount={"currency_code": "USD", "amount": "12.30"}, expected_close_date="2026-12-01",
    )  # fmt: skip
    eventually(lambda: ", repaired 0, removed 0" in ok(crm("reporting", "rebuild")), timeout_s=30)
    assert ok(crm("reporting", "check")) == ""
    assert ok(crm("reporting", "recompute")) == ""


def test_a_rebuild_knows_who_shares(crm: Crm, whole_platform: Platform, tenant: Tenant) -> None:
    site, grantee = Site(whole_platform), str(tenant.create("departments", name="共享")["id"])
    opportunity = str(tenant.create("opportunities", name="共享商机")["id"])
    shared = tenant.post(f"opportunities/{opportunity}/shares", {"department_id": grantee})
    assert shared.status_code == 200, shared.text

    def told() -> bool:
        found = site.rows("reporting", SHARED, opportunity)
        return [str(one) for row in found for one in row["grantee_ids"] or ()] == [grantee]

    eventually(told)
    site.rows("reporting", FORGET, opportunity)
    ok(crm("reporting", "rebuild"))
    assert told()


def test_a_rebuild_killed_under_writes_is_run_again(
    crm: Crm, whole_platform: Platform, tenant: Tenant
) -> None:
    site, before = Site(whole_platform), tenant.count("opportunities")
    stages = [str(one["id"]) for one in tenant.list("stages", filter="outcome = OPEN")]
    ended = Event()
    with ThreadPoolExecutor() as workers:
        written = workers.submit(write_until, ended, tenant, stages[0])
        try:
            eventually(lambda: tenant.count("opportunities") > before + 4)
            asyncio.run(kill_before_it_takes_over(whole_platform, tenant))
            site.rows("reporting", SPOIL, tenant.id)
            assert site.recomputed() != []
            assert ", repaired 0," not in ok(crm("reporting", "rebuild"))
        finally:
            ended.set()
    assert written.result() + before == tenant.count("opportunities")
    eventually(lambda: report(tenant) == recomputed(tenant), timeout_s=60)
    assert site.recomputed() == []
    assert site.rows("reporting", BUILT, tenant.id)[0]["count"] == 0


def write_until(ended: Event, tenant: Tenant, stage: str) -> int:
    """Create opportunities until told to end; how many."""
    number = 0
    with httpx.Client(base_url=tenant.url, headers=tenant.http.headers, timeout=20) as http:
        while not ended.wait(0.1):
            number += 1
            amount = {"currency_code": "USD", "amount": f"{number}.50"}
            body = {"name": f"商机 {number}", "stage_id": stage, "amount": amount}
            http.post("/v1/opportunities", json=body).raise_for_status()
    return number


async def kill_before_it_takes_over(platform: Platform, tenant: Tenant) -> None:
    """Kill a rebuild (-9) when it has built the tenant's facts; meanwhile another is refused."""
    owner = await asyncpg.connect(platform.database_url("reporting", "owner"))
    try:
        async with owner.transaction():
            await owner.execute(HOLD, f"pipeline_rollup {tenant.id}")
            first = await started(platform)
            while not await owner.fetchval(BUILT, tenant.id):
                assert first.returncode is None
                await asyncio.sleep(0.02)
            first.send_signal(signal.SIGSTOP)  # it is at work as long as we look
            _, told = await (await started(platform)).communicate()
            assert "Another rebuild is at work" in told.decode()
            first.kill()
            await first.communicate()
    finally:
        await owner.close()


async def started(platform: Platform) -> asyncio.subprocess.Process:
    """A rebuild as `crm reporting rebuild` starts it."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.reporting", "rebuild", cwd=ROOT,
        env=platform.service_environment("reporting"), stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


def test_nothing_is_parked_or_what_is_says_why(crm: Crm) -> None:
    assert ok(crm("events", "parked", "sales")) == ""
    assert ok(crm("events", "replay", "sales")) == "sales applied 0\n"
    refused = crm("events", "parked", "gateway")
    assert (refused.returncode, "services are identity" in refused.stderr) == (1, True)


def test_commands_of_operators_need_a_platform(crm: Crm, tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere")
    for command in (("backup", "list"), ("events", "parked"), ("reporting", "check")):
        refused = crm(*command, RUN_DIR=nowhere)
        assert (refused.returncode, "run make up" in refused.stderr) == (1, True)
