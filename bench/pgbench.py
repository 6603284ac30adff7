"""The statements that the service runs, run by pgbench as the same role: the limit to compare with.

pgbench sends each statement alone, with the tenant set for the session; the service adds what a
transaction of its own costs, so the ratio counts that against us.
"""

import asyncio
import os
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any  # the reason stands where it is used

import asyncpg

from bench.data import FREQUENT, INDUSTRIES, Tenant, given_name, record_id
from chassis.access.model import VERBS, Access, Grant, Member
from chassis.call import Call, Principal
from chassis.custom_fields.model import NO_FIELDS
from chassis.db.pool import Tx
from chassis.db.sql import Statement
from chassis.errors import NotFound
from chassis.events.change_row import change_values
from chassis.resource.listing import list_records
from chassis.resource.plan import Plan, make_plan
from chassis.resource.read import get_record
from chassis.resource.write import insert_record
from chassis.search.pinyin import pinyin
from crm.type.v1.requests_pb2 import ListRequest
from deploy.local.postgres import BINARIES
from services.customer.methods.customer import CUSTOMER

BIN = BINARIES / "pgbench"
EVERYTHING = Access(roles={"all": (Grant("*", frozenset(VERBS), "ALL"),)}, members={"": Member()})
_TPS = re.compile(r"tps = ([0-9.]+)")
_ARGUMENT = re.compile(r"\$(\d+)")


@dataclass
class Recorder:
    """Stands where a transaction would and keeps the statement that it is given."""

    seen: list[tuple[Statement, Mapping[str, object]]] = field(default_factory=list)

    async def fetch(self, run: Statement, values: Mapping[str, object]) -> list[Any]:  # Any: rows
        """Nothing is found."""
        self.seen.append((run, values))
        return []

    async def fetch_row(self, run: Statement, values: Mapping[str, object]) -> None:
        """Nothing is found."""
        self.seen.append((run, values))

    async def execute(self, run: Statement, values: Mapping[str, object]) -> int:
        """Nothing is done, not even how the next plan is to be made."""
        if not run.sql.startswith("SELECT set_config"):
            self.seen.append((run, values))
        return 0


@dataclass
class Script:
    """A pgbench script with the values of its variables: texts with a colon cannot stand in it."""

    text: str = ""
    variables: dict[str, str] = field(default_factory=dict)

    def literal(self, value: object) -> str:
        """How a value is written in the script."""
        if value is None:
            return "NULL"
        if isinstance(value, bool | int):
            return str(value)
        if isinstance(value, Sequence) and not isinstance(value, str):
            return "'{" + ",".join(str(item) for item in value) + "}'"
        if isinstance(value, datetime):
            return "now()"
        text = str(value)
        if ":" not in text:
            return "'" + text.replace("'", "''") + "'"
        name = f"v{len(self.variables)}"
        self.variables[name] = text
        return f":{name}"


def scripts(tenant: Tenant, rows: int, worker_url: str) -> dict[str, Script]:
    """The scripts by operation, over random records; words are always the same."""
    return asyncio.run(_record(tenant, rows, worker_url))


def run_pgbench(url: str, tenant: Tenant, script: Script, clients: int, seconds: float) -> float:
    """Transactions per second of one script."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script.text)
        file.flush()
        arguments = [
            str(BIN), "--no-vacuum", "--protocol=prepared", f"--client={clients}", "--jobs=1",
            f"--time={max(1, round(seconds))}", f"--file={file.name}",
            *[f"--define={name}={value}" for name, value in script.variables.items()], url,
        ]  # fmt: skip
        environment = {**os.environ, "PGOPTIONS": f"-c crm.tenant={tenant.id}"}
        done = subprocess.run(
            arguments, env=environment, capture_output=True, text=True, check=False
        )
    match = _TPS.search(done.stdout)
    if match is None:
        raise RuntimeError(done.stdout + done.stderr)
    return float(match[1])


async def _record(tenant: Tenant, rows: int, worker_url: str) -> dict[str, Script]:
    plan = make_plan(CUSTOMER)
    await read_frequencies(plan, worker_url)
    principal = Principal("user", tenant.user_id, tenant.id, role_ids=("all",))
    call = Call(principal, EVERYTHING, "bench", datetime.now(UTC), 0.0)
    recorder: Any = Recorder()  # Any: it stands where a Tx would
    with suppress(NotFound):
        await get_record(call, recorder, plan, record_id(1))
    await insert_record(call, recorder, plan, _row(plan, call, tenant), "created")
    request = ListRequest(filter=f'industry = "{INDUSTRIES[0]}"', order_by="name", page_size=50)
    await list_records(call, recorder, plan, request, b"bench")
    searches = {
        "search_two_characters": given_name(7919),
        "search_pinyin": pinyin(given_name(7919)),
        "search_frequent_word": FREQUENT,
    }
    for word in searches.values():
        request = ListRequest(filter=word, order_by="name", page_size=20)
        await list_records(call, recorder, plan, request, b"bench")
    (get, get_values), (create, create_values), (listing, list_values), *found = recorder.seen
    pick = f"\\set n random(1, {rows})\n"
    some = "('00000000-0000-7000-8000-' || lpad(to_hex(:n::int), 12, '0'))"
    return {
        "get_customer": _script(pick, get, get_values, {"id": some}),
        "create_customer": _script("", create, create_values, _FRESH),
        "update_customer": _update(plan, call, tenant, pick, some),
        "list_customers": _script("", listing, list_values, {}),
        **{
            name: _script("", run, values, {})
            for name, (run, values) in zip(searches, found, strict=True)
        },
    }


async def read_frequencies(plan: Plan, worker_url: str) -> None:
    """Let a plan know which words are frequent, as a service does at its start."""
    assert plan.search is not None
    connection = await asyncpg.connect(worker_url)
    await plan.search.frequencies.read(Tx(connection), plan.search.table.name)
    await connection.close()


_FRESH = {
    **dict.fromkeys(("id", "change_id", "change_record_id"), "uuidv7()"),
    # Texts that no two have, of about the length of a number.
    "number": "'C' || right(uuidv7()::text, 12)",
}


def _row(plan: Plan, call: Call, tenant: Tenant) -> dict[str, object]:
    row: dict[str, object] = dict.fromkeys(plan.column_names)
    return row | {
        "tenant_id": tenant.id,
        "id": record_id(0),
        "version": 1,
        "create_time": call.now,
        "update_time": call.now,
        "creator_id": tenant.user_id,
        "updater_id": tenant.user_id,
        "owner_id": tenant.user_id,
        "kind": "COMPANY",
        "life_cycle": "POTENTIAL",
        "is_supplier": False,
        "number": "C000001",
        "name": "张三贸易有限公司",
        "phone": "+86 138 00000000",
        "custom_fields": "{}",
        "tags": [],
    }


def _update(plan: Plan, call: Call, tenant: Tenant, pick: str, some: str) -> Script:
    """Row and change in one statement, as an update writes them (its read before apart)."""
    row = _row(plan, call, tenant)
    representation = plan.encode(plan.to_message(())(row, NO_FIELDS))
    values = change_values(call, plan.singular, row, "updated", {}, representation)
    script = Script()
    instead = {"change_id": "uuidv7()", "change_record_id": f"{some}::uuid"}
    names = ", ".join(name.removeprefix("change_") for name in values)
    literals = ", ".join(
        instead.get(name) or script.literal(value) for name, value in values.items()
    )
    changed = "phone = 'x' || :n::int, version = version + 1, update_time = now()"
    which = f"tenant_id = '{tenant.id}'::uuid AND id = {some}::uuid"
    main = f"UPDATE customer SET {changed} WHERE {which} RETURNING id"  # noqa: S608  # all ours
    change = f"INSERT INTO change ({names}) VALUES ({literals})"  # noqa: S608  # as above
    script.text = f"{pick}WITH written AS ({main}) {change};\n"
    return script


def _script(
    opening: str, run: Statement, values: Mapping[str, object], instead: Mapping[str, str]
) -> Script:
    arguments, script = run.arguments(values), Script()

    def literal(match: re.Match[str]) -> str:
        at = int(match[1]) - 1
        return instead.get(run.names[at]) or script.literal(arguments[at])

    script.text = opening + " ".join(_ARGUMENT.sub(literal, run.sql).split()) + ";\n"
    return script
