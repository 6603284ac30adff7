"""The crm command as people run it: a process of its own."""

import csv
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import httpx

from deploy.local.settings import ROOT
from tests.e2e.conftest import Crm, ok
from tests.live import Tenant


def failed(done: subprocess.CompletedProcess[str]) -> str:
    """Standard error of a command that did not; words, no traceback."""
    assert done.returncode == 1, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("error: ")
    return done.stderr


def test_sign_in_and_out(signed_in: Crm, tenant: Tenant, tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / "session.json").stat().st_mode) == 0o600
    assert json.loads(ok(signed_in("whoami")))["email"] == tenant.email
    assert "Signed out" in ok(signed_in("logout"))
    assert "not signed in" in failed(signed_in("whoami"))
    assert "were not signed in" in ok(signed_in("logout"))


def test_session_is_refreshed_by_itself(signed_in: Crm, tmp_path: Path) -> None:
    path = tmp_path / "session.json"
    stored = json.loads(path.read_text())
    path.write_text(json.dumps({**stored, "expire_time": 0}))
    ok(signed_in("whoami"))
    renewed = json.loads(path.read_text())
    assert renewed["refresh_token"] != stored["refresh_token"]
    path.write_text(json.dumps({**renewed, "access_token": "crm_at_unknown"}))
    ok(signed_in("whoami"))


def test_an_ended_session_is_told(signed_in: Crm, tmp_path: Path) -> None:
    path = tmp_path / "session.json"
    stored = json.loads(path.read_text())
    path.write_text(json.dumps({**stored, "refresh_token": "crm_rt_x", "expire_time": 0}))
    assert "run crm login" in failed(signed_in("whoami"))


def test_problems_are_told_in_words(signed_in: Crm, tenant: Tenant) -> None:
    text = failed(signed_in("create", "customers", "nickname=x"))
    assert "nickname" in text
    assert "request id" in text
    assert "wrong" in failed(signed_in("login", "--url", tenant.url, "--email", "a@b.c",
                                       "--password", "no"))  # fmt: skip
    unreachable = ("login", "--url", "http://127.0.0.1:1", "--email", "a@b.c", "--password", "x")
    assert "Cannot reach" in failed(signed_in(*unreachable))
    assert "no collection" in failed(signed_in("list", "../users"))
    failed(signed_in("get", "customers", "0190c0f0-0000-7000-8000-000000000000"))


def test_records_from_create_to_undelete(signed_in: Crm) -> None:
    made = json.loads(ok(signed_in(
        "create", "customers", "name=李四公司", "employee_count:=12",
        "annual_revenue.currency_code=CNY", "annual_revenue.amount=12.50",
    )))  # fmt: skip
    name = made["id"]
    assert made["annual_revenue"] == {"currency_code": "CNY", "amount": "12.50"}
    changed = json.loads(ok(signed_in("update", "customers", name, "phone=123")))
    assert (changed["phone"], changed["name"]) == ("123", "李四公司")
    assert "meanwhile" in failed(signed_in("update", "customers", name, "phone=5", "--etag", "1"))
    listed = ok(signed_in("list", "customers", "--filter", 'name = "李四公司"', "--fields", "name"))
    assert listed.splitlines()[0].split() == ["name"]
    assert "李四公司" in listed
    ok(signed_in("delete", "customers", name))
    assert json.loads(ok(signed_in("get", "customers", name)))["delete_time"]
    assert (
        "delete_time" not in json.loads(ok(signed_in("undelete", "customers", name)))
        or not (json.loads(ok(signed_in("get", "customers", name)))["delete_time"])
    )


def test_lists_go_over_all_pages(signed_in: Crm) -> None:
    for number in range(3):
        ok(signed_in("create", "departments", "-", stdin=json.dumps({"name": f"d{number}"})))
    first = signed_in("list", "departments", "--page-size", "2", "--output", "json")
    assert len(json.loads(ok(first))) == 2
    assert "--all" in first.stderr
    lines = ok(signed_in("list", "departments", "--all", "-o", "lines", "--order-by", "name desc"))
    assert [json.loads(line)["name"] for line in lines.splitlines()] == ["d2", "d1", "d0"]


def test_imports_with_an_error_file(signed_in: Crm, tmp_path: Path) -> None:
    file = tmp_path / "firms.csv"
    file.write_text("no,firm,kind\n1,Acme,Firm\n2,,Firm\n3,Lisi,Person\n", "utf-8")
    arguments = (
        "import", str(file), "--resource", "customers", "--external-source", "firms",
        "--map", "no=external_id", "--map", "firm=name", "--map", "kind=kind",
        "--value", "kind:Firm=COMPANY", "--value", "kind:Person=PERSON",
    )  # fmt: skip
    done = signed_in(*arguments, "--validate-only")
    assert done.returncode == 1
    assert "2 created, 0 updated, 0 skipped, 1 failed" in done.stdout
    done = signed_in(*arguments)
    assert done.returncode == 1
    assert "2 created, 0 updated, 0 skipped, 1 failed" in done.stdout
    errors = list(csv.reader((tmp_path / "firms.csv.errors.csv").read_text("utf-8").splitlines()))
    assert [line[:2] for line in errors] == [["row", "column"], ["3", "firm"]]
    file.write_text("no,firm,kind\n1,Acme,Firm\n3,Lisi,Person\n", "utf-8")
    assert "0 created, 0 updated, 2 skipped, 0 failed" in ok(signed_in(*arguments))
    listed = ok(signed_in("operations", "list", "-o", "json"))
    assert {one["metadata"]["state"] for one in json.loads(listed)} == {"SUCCEEDED"}


def test_an_import_that_cannot_start(signed_in: Crm, tmp_path: Path) -> None:
    options = ("--resource", "customers", "--map", "a=name")
    assert "cannot read" in failed(signed_in("import", "missing.csv", *options))
    (tmp_path / "x.csv").write_text("b\n1\n")
    failed(signed_in("import", "x.csv", *options))
    failed(signed_in("import-export", str(tmp_path)))


def test_pipeline_report(signed_in: Crm) -> None:
    stages = json.loads(
        ok(signed_in("list", "stages", "-o", "json", "--filter", 'name="Engaging"'))
    )
    made = json.loads(ok(signed_in(
        "create", "opportunities", "name=Deal", f"stage_id={stages[0]['id']}",
        "amount.currency_code=EUR", "amount.amount=100.00",
    )))  # fmt: skip
    won = json.loads(ok(signed_in("do", "opportunities", made["id"], "win")))
    assert won["state"] == "WON"
    table = ""
    for _ in range(20):
        table = ok(signed_in("report", "pipeline", "--group-by", "stage"))
        if "\nWon" in table:
            break
    row = next(line for line in table.splitlines() if line.startswith("Won"))
    assert "EUR 100.00" in row
    assert "100.00%" in row


def test_events_are_tailed(signed_in: Crm, tenant: Tenant, tmp_path: Path) -> None:
    tail = subprocess.Popen(
        [sys.executable, "-u", "-m", "cli.main", "events", "tail", "--count", "1"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "CRM_CONFIG": str(tmp_path / "session.json")},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        for number in range(100):
            tenant.create("products", name=f"product {number}")
            try:
                tail.wait(0.3)
                break
            except subprocess.TimeoutExpired:
                continue
        assert tail.wait(5) == 0
        assert tail.stdout is not None
        assert json.loads(tail.stdout.read())["name"] == "product.created"
    finally:
        tail.kill()
        tail.communicate()


def test_everybody_learns_which_version_serves(crm: Crm, tenant: Tenant) -> None:
    answer = httpx.get(f"{tenant.url}/v1/release")
    assert answer.status_code == 200
    told = answer.json()
    english = ok(crm("version", "--url", tenant.url)).splitlines()
    assert english[0] == f"{told['version']} of {told['date']} at {tenant.url}"
    assert english[1:] == [f"- {note['en']}" for note in told["notes"]]
    assert told["notes"][0]["zh"] in ok(crm("version", LANG="zh_CN.UTF-8"))
    assert f"version {told['version']} at" in crm("doctor").stdout
    assert httpx.get(f"{tenant.url}/v1/release?x=1").status_code == 400
    assert httpx.post(f"{tenant.url}/v1/release").status_code == 405


def test_operators_create_tenants(crm: Crm, tenant: Tenant) -> None:
    assert tenant.slug in ok(crm("tenant", "list"))
    slug = f"{tenant.slug}-two"
    made = json.loads(ok(crm("tenant", "create", slug, "--name", "第二 GmbH", "--currency", "EUR")))
    assert made["admin_password"]
    login = ("login", "--url", tenant.url, "--login", "admin", "--tenant", slug)
    ok(crm(*login, "--password", made["admin_password"]))
    assert "short name" in failed(crm("tenant", "create", slug))
    assert "slug" in failed(crm("tenant", "create", "No Slug"))
    failed(crm("tenant", "list", SERVICE_SECRET="wrong"))
    failed(crm("tenant", "list", IDENTITY_TARGET="127.0.0.1:1"))
