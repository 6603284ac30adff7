"""What services log about failures that rows provoke: the trace and the tenant, never the row."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import orjson
import pytest

from cli.errors import CliError
from cli.importing import run_import
from cli.spec import Options, spec_from
from deploy.local.platform import Platform
from tests.live import Tenant, eventually

CANARY = "Canary 金丝雀 Ltd"
REFUSES = f"""
    CREATE FUNCTION base.refuse_canary() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      RAISE EXCEPTION 'no %', NEW.name USING ERRCODE = 'XX001', DETAIL = 'row of ' || NEW.name;
    END $$;
    CREATE TRIGGER refuse_canary BEFORE INSERT ON base.customer FOR EACH ROW
      WHEN (NEW.name = '{CANARY}') EXECUTE FUNCTION base.refuse_canary();
"""
ACCEPTS = "DROP TRIGGER refuse_canary ON base.customer; DROP FUNCTION base.refuse_canary()"
CHECKED = f"""
    ALTER TABLE base.reference ADD CONSTRAINT ck_canary CHECK (label <> '{CANARY}') NOT VALID
"""
UNCHECKED = "ALTER TABLE base.reference DROP CONSTRAINT ck_canary"
# A failed event comes again, at last half a minute later.
WITHIN_S = 40.0


@contextmanager
def sabotaged(platform: Platform, service: str, begin: str, end: str) -> Iterator[None]:
    """The service's database with a change for a while."""

    async def run(sql: str) -> None:
        connection = await asyncpg.connect(platform.database_url(service, "owner"))
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    asyncio.run(run(begin))
    try:
        yield
    finally:
        asyncio.run(run(end))


def logged(platform: Platform, name: str, event: str, tenant: Tenant) -> list[dict[str, str]]:
    """The lines of this event about the tenant; AssertionError when the log has the name."""
    text = platform.log_path(name).read_text("utf-8")
    assert CANARY not in text
    assert "\\u91d1" not in text
    found = [orjson.loads(line) for line in text.splitlines() if f'"{event}"' in line]
    return [one for one in found if one["tenant_id"] == tenant.id]


def test_a_failed_call_is_logged_with_its_trace(followed: Platform, tenant: Tenant) -> None:
    with sabotaged(followed, "customer", REFUSES, ACCEPTS):
        answer = tenant.post("customers", {"name": CANARY})
    assert answer.status_code == 500, answer.text
    (line,) = logged(followed, "customer", "call failed", tenant)
    assert line["trace_id"] == answer.json()["trace_id"]
    assert line["method"] == "crm.customer.v1.CustomerService/CreateCustomer"
    assert "DataCorruptedError: XX001" in str(line["exception"])
    assert logged(followed, "gateway", "request", tenant)[-1]["trace_id"] == line["trace_id"]


def test_a_failed_event_is_logged_with_its_trace(followed: Platform, tenant: Tenant) -> None:
    context = f"00-{'5a' * 16}-{'5a' * 8}-00"
    with sabotaged(followed, "sales", CHECKED, UNCHECKED):
        assert tenant.post("customers", {"name": CANARY}, traceparent=context).is_success
        lines = eventually(lambda: logged(followed, "sales", "event failed", tenant), WITHIN_S)
    assert lines[0]["trace_id"] == "5a" * 16
    assert lines[0]["error"] == "CheckViolationError: 23514, reference, ck_canary"


def test_a_failed_operation_is_logged_with_its_trace(
    followed: Platform, tenant: Tenant, tmp_path: Path
) -> None:
    file = tmp_path / "firms.csv"
    file.write_text(f"company,kind\n{CANARY},COMPANY\n", "utf-8")
    with (
        sabotaged(followed, "customer", REFUSES, ACCEPTS),
        tenant.client(tmp_path / "session.json") as client,
        pytest.raises(CliError),
    ):
        run_import(
            client, file, spec_from(Options("customers", maps=("company=name", "kind=kind")))
        )
    (line,) = logged(followed, "customer", "operation failed", tenant)
    assert len(line["trace_id"]) == 32
    assert line["kind"] == "import"
