"""Shares cost lists no scan: read as the runtime role over many rows."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

import asyncpg
import pytest

from bench.plans import explained
from chassis.access.model import VERBS, Access, Grant, Member
from chassis.call import Call, Principal
from chassis.db.pool import Database
from chassis.resource.listing import list_records
from chassis.resource.plan import make_plan
from crm.type.v1.requests_pb2 import ListRequest
from deploy.local.platform import Platform
from services.customer.methods.customer import CUSTOMER

ROWS, OWNERS, SHARED = 50_000, 500, 300
USER = "00000000-0000-0000-0000-000000000007"
FILL = """
    INSERT INTO base.customer
        (tenant_id, id, version, create_time, update_time, kind, name, owner_id)
    SELECT $1::uuid, lpad(to_hex(n), 32, '0')::uuid, 1, now() - n * interval '1 second',
        now() - n * interval '1 second', 'COMPANY', '客户 ' || n,
        lpad(to_hex(n % $3), 32, '0')::uuid
    FROM generate_series(1, $2::int) AS n
"""
SHARE = """
    INSERT INTO base.share
        (tenant_id, id, resource, record_id, grantee_kind, grantee_id, level, creator_id,
        create_time)
    SELECT $1::uuid, gen_random_uuid(), 'customer', lpad(to_hex(n * 101 + 1), 32, '0')::uuid,
        'USER', CASE WHEN n % 2 = 0 THEN $2::uuid ELSE gen_random_uuid() END, 'READ', '', now()
    FROM generate_series(1, $3::int) AS n
"""
QUESTIONS = (
    ListRequest(),
    ListRequest(order_by="name"),
    ListRequest(order_by="update_time desc"),
    ListRequest(filter="kind = COMPANY", order_by="create_time desc"),
)


@dataclass(frozen=True)
class Crowd:
    """A tenant with many customers, some of them shared."""

    database: Database
    tenant_id: str

    def call(self, scope: str) -> Call:
        """A call of the user whose role has that scope."""
        access = Access(
            members={USER: Member(role_ids=("r",), department_id=USER)},
            parents={USER: ""},
            roles={"r": (Grant("customers", frozenset(VERBS), scope),)},
        )
        who = Principal("user", USER, self.tenant_id, role_ids=("r",))
        return Call(who, access, "", datetime.now(UTC), 0.0)

    async def explained(self, scope: str, request: ListRequest) -> tuple[str, str]:
        """The statement of a list, and what PostgreSQL does for it."""
        done = await explained(self.database, self.call(scope), make_plan(CUSTOMER), request)
        return "\n".join(done.asked), "\n".join(done.lines)


@pytest.fixture(scope="module")
async def crowd(domain_platform: Platform) -> AsyncIterator[Crowd]:
    tenant_id = str(uuid4())
    owner = await asyncpg.connect(domain_platform.database_url("customer", "owner"))
    try:
        await owner.execute(FILL, tenant_id, ROWS, OWNERS)
        await owner.execute(SHARE, tenant_id, USER, 2 * SHARED)
        await owner.execute("VACUUM ANALYZE base.customer")
        await owner.execute("VACUUM ANALYZE base.share")
    finally:
        await owner.close()
    urls = [domain_platform.database_url("customer", role) for role in ("runtime", "worker")]
    database = Database("customer", urls[0], urls[1])
    yield Crowd(database, tenant_id)
    await database.close()


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda one: one.order_by or "id")
async def test_lists_of_ones_own_find_shares_by_index(
    crowd: Crowd, question: ListRequest, figures: list[str]
) -> None:
    _, plan = await crowd.explained("OWN", question)
    assert "Seq Scan" not in plan, plan
    assert "ix_share_grantee" in plan
    # The ids are looked up or hashed, never compared with one by one: that would cost rows times
    # shares.
    filters = [line for line in plan.splitlines() if line.strip().startswith("Filter:")]
    assert not [line for line in filters if "InitPlan" in line], plan
    took = plan.rpartition("Execution Time: ")[2]
    figures.append(f"own and {SHARED} shared of {ROWS:,} by {question.order_by or 'id'}: {took}")


async def test_who_sees_all_pays_nothing_for_shares(crowd: Crowd) -> None:
    for request in QUESTIONS:
        statement, plan = await crowd.explained("ALL", request)
        assert "share" not in statement
        assert "Seq Scan" not in plan, plan


async def test_shared_records_stand_among_ones_own(crowd: Crowd) -> None:
    call, plan = crowd.call("OWN"), make_plan(CUSTOMER)
    request = ListRequest(count="exact", fields="id")
    async with crowd.database.transaction(crowd.tenant_id) as tx:
        page = await list_records(call, tx, plan, request, b"k" * 16)
    own = ROWS // OWNERS
    assert page.total_size is not None
    assert own < page.total_size <= own + SHARED
    assert len(page.records) == 50
