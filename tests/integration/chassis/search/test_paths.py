"""Rare and frequent words as the runtime role searches them: the same answers, never by a scan."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import pytest

from chassis.access.field_rules import FieldAccess
from chassis.access.model import VERBS, Access, Grant, Member
from chassis.call import Call, Principal
from chassis.custom_fields.source import CustomFieldSource
from chassis.db.pool import Database, Record, Tx
from chassis.db.sql import Statement
from chassis.ids import new_id
from chassis.resource.listing import list_records
from chassis.resource.plan import Plan, make_plan
from chassis.search.upkeep import SearchUpkeep
from crm.customer.v1.customer_pb2 import Customer
from crm.type.v1.requests_pb2 import ListRequest
from deploy.local.platform import Platform
from services.customer.methods.customer import CUSTOMER

ROWS = 30_000
OWNER, OTHER = (str(UUID(int=number)) for number in (1, 2))
# Half of them are 公司, one of a thousand 华锐; one of four is 海纳, last in the order of names.
FILL = """
    INSERT INTO base.customer
        (tenant_id, id, version, create_time, update_time, kind, name, phone, owner_id)
    SELECT $1::uuid, uuidv7(), 1, now(), now(), 'COMPANY',
        CASE WHEN n % 1000 = 0 THEN '华锐' WHEN n % 4 = 0 THEN '海纳' ELSE '天成' END
        || lpad(n::text, 6, '0') || CASE n % 2 WHEN 0 THEN '公司' ELSE '商行' END,
        '+86 139 ' || lpad(n::text, 8, '0'),
        CASE n % 100 WHEN 0 THEN $3::uuid ELSE $4::uuid END
    FROM generate_series(1, $2::int) AS n
"""


class HalfBlind(Call):
    """The call of somebody who must not see telephone numbers."""

    def field_access(self, _resource: str) -> FieldAccess:
        """What is hidden."""
        return FieldAccess(hidden=frozenset({"phone"}))


@dataclass
class Watched(Tx):
    """A transaction that keeps the plan of each statement."""

    plans: list[str] = field(default_factory=list)

    async def fetch(self, run: Statement, values: Mapping[str, object]) -> list[Record]:
        """The rows."""
        await self._explain(run, values)
        return await Tx.fetch(self, run, values)

    async def fetch_row(self, run: Statement, values: Mapping[str, object]) -> Record | None:
        """The first row."""
        await self._explain(run, values)
        return await Tx.fetch_row(self, run, values)

    async def _explain(self, run: Statement, values: Mapping[str, object]) -> None:
        lines = await self.connection.fetch(f"EXPLAIN {run.sql}", *run.arguments(values))
        self.plans.append("\n".join(str(line[0]) for line in lines))


@dataclass
class Ground:
    """A tenant full of customers, and how they are searched."""

    database: Database
    tenant_id: str
    plan: Plan
    plans: list[str] = field(default_factory=list)

    async def names(
        self, request: ListRequest, kind: type[Call] = Call, scope: str = "ALL"
    ) -> list[str]:
        """The names found, over all pages; the plans used are kept."""
        names: list[str] = []
        while True:
            async with self.database.transaction(self.tenant_id) as tx:
                watched = Watched(tx.connection)
                who = call(kind, self.tenant_id, scope)
                page = await list_records(who, watched, self.plan, request, b"key")
            self.plans += watched.plans
            names += [one.name for one in page.records if isinstance(one, Customer)]
            request.page_token = page.next_page_token
            if not page.next_page_token:
                return names

    async def count(self, condition: str, how: str) -> int | None:
        """How many are found."""
        async with self.database.transaction(self.tenant_id) as tx:
            request = ListRequest(filter=condition, count=how, page_size=1)
            who = call(Call, self.tenant_id, "ALL")
            return (await list_records(who, tx, self.plan, request, b"key")).total_size


def call(kind: type[Call], tenant_id: str, scope: str) -> Call:
    """A call with that scope."""
    grant = Grant("*", frozenset(VERBS), scope)
    access = Access(roles={"role": (grant,)}, members={OWNER: Member()})
    who = Principal("user", OWNER, tenant_id, role_ids=("role",))
    return kind(who, access, "test", datetime.now(UTC), 0.0)


@pytest.fixture(scope="module")
async def ground(whole_platform: Platform) -> AsyncIterator[Ground]:
    """Customers that were there before the search was: upkeep writes their rows."""
    urls = [whole_platform.database_url("customer", role) for role in ("runtime", "worker")]
    database, plan, tenant_id = (
        Database("customer", urls[0], urls[1]),
        make_plan(CUSTOMER),
        new_id(),
    )
    owner = await asyncpg.connect(whole_platform.database_url("customer", "owner"))
    upkeep = SearchUpkeep("customer", database, [plan], CustomFieldSource(database, _never))
    try:
        await owner.execute(FILL, tenant_id, ROWS, OWNER, OTHER)
        await upkeep.fill()
        await owner.execute("VACUUM ANALYZE base.customer, base.customer_search")
        await upkeep.refresh()
        yield Ground(database, tenant_id, plan)
    finally:
        await owner.close()
        await database.close()


@pytest.mark.parametrize(
    ("condition", "order_by", "count", "statements"),
    [
        ("华锐", "name", 30, 1),
        ("华锐", "create_time desc", 30, 1),
        ("huarui 公司", "name", 30, 1),
        ("13900000123", "name", 1, 1),
        ("公司", "name", 15_000, 1),
        ("公司", "create_time desc", 15_000, 1),
        ("gongsi", "name desc", 15_000, 1),
        ("NOT 公司", "name", 15_000, 1),
        ("海纳", "create_time", 7_470, 1),
        ("海纳", "name", 7_470, 2),
        ("海纳 商行", "name", 0, 2),
        ("海纳 OR 华锐", "name desc", 7_500, 1),
    ],
)
async def test_every_match_is_found_once_and_in_order_by_index(
    ground: Ground, condition: str, order_by: str, count: int, statements: int
) -> None:
    ground.plans.clear()
    request = ListRequest(filter=condition, order_by=order_by, page_size=1000)
    names = await ground.names(request)
    assert len(names) == len(set(names)) == count
    if order_by.startswith("name"):
        assert names == sorted(names, reverse=order_by.endswith("desc"))
    assert len(ground.plans) == statements or count > 1000
    first = ground.plans[:statements]
    assert not [plan for plan in first if "Seq Scan" in plan], "\n".join(first)


async def test_search_respects_the_scope_in_both_ways(ground: Ground) -> None:
    for condition, count in (("公司", 300), ("商行", 0), ("华锐", 30), ("139", 300)):
        ground.plans.clear()
        names = await ground.names(ListRequest(filter=condition, page_size=1000), scope="OWN")
        assert len(names) == count
        assert not [plan for plan in ground.plans if "Seq Scan" in plan]


async def test_hidden_fields_are_not_searched(ground: Ground) -> None:
    for condition, seen, hidden in (("13900000123", 1, 0), ("华锐 139", 30, 0), ("华锐", 30, 30)):
        assert len(await ground.names(ListRequest(filter=condition))) == seen
        assert len(await ground.names(ListRequest(filter=condition), HalfBlind)) == hidden


async def test_matches_are_counted(ground: Ground) -> None:
    assert await ground.count("华锐", "exact") == 30
    assert await ground.count("公司", "exact") == 15_000
    assert await ground.count("公司", "estimate") == 10_000
    assert await ground.count("NOT 公司", "exact") == 15_000


async def test_filling_again_writes_nothing(ground: Ground) -> None:
    rows = "SELECT count(*), max(xmin::text::bigint) FROM base.customer_search"
    async with ground.database.worker() as tx:
        before = await tx.connection.fetchrow(rows)
    custom = CustomFieldSource(ground.database, _never)
    await SearchUpkeep("customer", ground.database, [ground.plan], custom).fill()
    async with ground.database.worker() as tx:
        assert await tx.connection.fetchrow(rows) == before


def _never() -> float:
    """Seconds of silence of a feed that is always heard."""
    return 0.0
