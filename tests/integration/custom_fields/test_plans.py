"""Lists by an own field that has an index never look at every record, seen as the runtime role."""

import asyncio
from datetime import UTC, datetime

import pytest
from asyncpg import connect

from bench.plans import explained
from chassis.access.model import VERBS, Access, Grant
from chassis.call import Call, Principal
from chassis.custom_fields.source import CustomFieldSource
from chassis.db.pool import Database
from chassis.ids import new_id
from chassis.resource.plan import make_plan
from crm.type.v1.requests_pb2 import ListRequest
from deploy.local.platform import Platform, Role
from services.customer.methods.customer import CUSTOMER
from tests.integration.custom_fields.own import own_field
from tests.integration.custom_fields.test_lists import build
from tests.live import new_tenant

ROWS = 20_000
PLAN = make_plan(CUSTOMER)
ROLES: tuple[Role, Role] = ("runtime", "worker")
FILL = """
    INSERT INTO base.customer (tenant_id, id, version, create_time, update_time, kind, name,
        custom_fields, owner_id)
    SELECT $1::uuid, lpad(to_hex(n), 32, '0')::uuid, 1, now(), now(), 'COMPANY', 'c' || n,
        CASE WHEN n % 3 = 0 THEN '{}'::jsonb ELSE jsonb_build_object($2::text, (n % 5000)::text,
            $3::text, 'code ' || n, $4::text, (date '2000-01-01' + n % 9000)::text) END,
        lpad(to_hex(n % 400), 32, '0')::uuid
    FROM generate_series(1, $5::int) AS n
"""
# Filter and order.
ASKED = [
    ("custom_fields.rank = 77", ""),
    ("custom_fields.rank > 4990 AND custom_fields.rank <= 4995", ""),
    ('custom_fields.code = "code 1234"', ""),
    ("custom_fields.day = 2001-02-03", ""),
    ("", "custom_fields.rank"),
    ("", "custom_fields.rank desc"),
    ("", "custom_fields.code desc"),
    ("", "custom_fields.day"),
    ("custom_fields.rank > 100", "custom_fields.rank desc"),
]
EVERYTHING = Access(roles={"all": (Grant("*", frozenset(VERBS), "ALL"),)})


@pytest.mark.timeout(300)
def test_own_fields_with_an_index_are_read_by_it(whole_platform: Platform) -> None:
    tenant = new_tenant(whole_platform, "plans")
    kinds = {"rank": "NUMBER", "code": "TEXT", "day": "DATE"}
    fields = [own_field(tenant, name, kind) for name, kind in kinds.items()]
    owner = whole_platform.database_url("customer", "owner")
    asyncio.run(run(owner, FILL, tenant.id, *fields, ROWS))
    build(tenant, fields)
    asyncio.run(run(owner, "ANALYZE base.customer, base.custom_value"))
    tenant.http.close()
    scans = asyncio.run(scanning(whole_platform, tenant.id))
    assert not scans, "\n\n".join(scans)


async def run(url: str, text: str, *values: object) -> None:
    """Run one statement as the owner."""
    owner = await connect(url)
    try:
        await owner.execute(text, *values)
    finally:
        await owner.close()


async def scanning(platform: Platform, tenant_id: str) -> list[str]:
    """The plans of those lists that do not go by the index, as the runtime role gets them."""
    runtime, worker = (platform.database_url("customer", one) for one in ROLES)
    database = Database("customer", runtime, worker)
    custom = await CustomFieldSource(database, lambda: 0.0)(tenant_id)
    who = Principal("user", new_id(), tenant_id, role_ids=("all",))
    call = Call(who, EVERYTHING, "", datetime.now(UTC), 0.0, custom=custom)
    try:
        plans = [(one, await plan_of(database, call, *one)) for one in ASKED]
    finally:
        await database.close()
    return [f"{one}\n{plan}" for one, plan in plans if not by_index(plan, walked=not one[0])]


def by_index(plan: str, *, walked: bool) -> bool:
    """An order alone walks the index; with a filter what is found may be sorted."""
    used = "ix_custom_value_" in plan and "Seq Scan" not in plan
    return used and not (walked and "Sort" in plan)


async def plan_of(database: Database, call: Call, text: str, order: str) -> str:
    """The plan of a list."""
    request = ListRequest(page_size=50, filter=text, order_by=order)
    return "\n".join((await explained(database, call, PLAN, request)).lines)
