"""What operators do on the command line: backups, parked events, read models."""

from pathlib import Path

from tests.e2e.conftest import Crm, ok
from tests.live import Tenant, eventually


def test_backup_is_made_listed_and_verified(crm: Crm) -> None:
    made = ok(crm("backup", "create", "--verify"))
    backup_id = made.splitlines()[-1].split()[0]
    shown = next(one for one in ok(crm("backup", "list")).splitlines() if backup_id in one)
    assert "good at" in shown
    assert "sales 000" in shown
    assert "read sales.dump" in ok(crm("backup", "verify", backup_id))
    refused = crm("backup", "verify", "20200101T000000Z")
    assert (refused.returncode, "has no backup" in refused.stderr) == (1, True)


def test_facts_of_all_tenants_are_what_sales_has(crm: Crm, tenant: Tenant) -> None:
    stages = eventually(lambda: tenant.list("stages", filter="outcome = OPEN"))
    tenant.create(
        "opportunities", name="核对", stage_id=str(stages[0]["id"]),
        amount={"currency_code": "CNY", "amount": "12.30"}, expected_close_date="2026-12-01",
    )  # fmt: skip
    eventually(lambda: ", repaired 0, removed 0" in ok(crm("reporting", "rebuild")), timeout_s=30)
    assert ok(crm("reporting", "check")) == ""
    assert ok(crm("reporting", "recompute")) == ""


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
