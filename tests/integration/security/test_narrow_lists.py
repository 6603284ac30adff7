"""Lists within a narrow reach, small and large, have the rows and the order that they must have,
whichever way the engine takes: compared with the same rows filtered and sorted in Python.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product

import asyncpg
import pytest

from bench.data import record_id
from bench.pgbench import read_frequencies
from bench.search import copy_search
from chassis.access.model import VERBS, Access, Grant, Member
from chassis.access.reaches import ROWS_MAX
from chassis.call import Call, Principal
from chassis.custom_fields.source import CustomFieldSource
from chassis.db.pool import Database
from chassis.resource.listing import list_records
from chassis.resource.plan import make_plan
from crm.type.v1.requests_pb2 import ListRequest
from deploy.local.platform import Platform
from services.customer.methods.customer import CUSTOMER
from tests.integration.custom_fields.own import own_field
from tests.integration.custom_fields.test_lists import build
from tests.live import new_tenant

ROWS = 13_000
PLAN = make_plan(CUSTOMER)
SCOPES = ("OWN", "DEPARTMENT")
USER, DEPARTMENT = (f"00000000-0000-0000-0000-00000000000{end}" for end in "78")
COLUMNS = (
    "tenant_id", "id", "version", "create_time", "update_time", "delete_time", "kind", "name",
    "industry", "annual_revenue", "annual_revenue_currency", "owner_id", "department_id",
    "custom_fields",
)  # fmt: skip
Row = Mapping[str, object]
NOW = datetime(2026, 1, 1, tzinfo=UTC)
FILTERS: Mapping[str, Callable[[Row], bool]] = {
    "": lambda _: True,
    'industry = "i3"': lambda row: row["industry"] == "i3",
    "annual_revenue.amount > 9000": lambda row: int(str(row["revenue"] or 0)) > 9000,
    "custom_fields.score = 77": lambda row: row["score"] == 77,
    "公司": lambda _: True,
    '公司 AND industry = "i3"': lambda row: row["industry"] == "i3",
    'annual_revenue.amount > 9000 OR industry = "i3"': lambda row: (
        row["industry"] == "i3" or int(str(row["revenue"] or 0)) > 9000
    ),
}
# The names that lists are asked for, and the keys of the rows.
ORDERS = {"name": "name", "annual_revenue": "revenue", "custom_fields.score": "score", "id": "id"}


@dataclass(frozen=True)
class Ground:
    """The service's database, a call for each scope, and the rows as they are."""

    database: Database
    calls: Mapping[str, Call]
    rows: tuple[Row, ...]


def _row(number: int) -> Row:
    return {
        "id": record_id(number),
        "name": f"公司{number * 7919 % ROWS:06d}",
        "industry": f"i{number % 5}",
        "revenue": number * 31 % 10_007 if number % 3 else None,
        "score": number * 37 % 500 if number % 6 else None,
        "OWN": number % 10 == 0,
        "DEPARTMENT": number % 4 != 0 or number % 10 == 0,
        "deleted": number % 50 == 0,
    }


def _record(tenant_id: str, score: str, row: Row) -> tuple[object, ...]:
    own = "{}" if row["score"] is None else f'{{"{score}": "{row["score"]}"}}'
    department = DEPARTMENT if row["DEPARTMENT"] and not row["OWN"] else record_id(2)
    return (
        tenant_id, row["id"], 1, NOW, NOW, NOW if row["deleted"] else None, "COMPANY", row["name"],
        row["industry"], row["revenue"], None if row["revenue"] is None else "CNY",
        USER if row["OWN"] else record_id(1), department, own,
    )  # fmt: skip


def _access(scope: str) -> Access:
    return Access(
        members={USER: Member(role_ids=("r",), department_id=DEPARTMENT)},
        parents={DEPARTMENT: ""},
        roles={"r": (Grant("customers", frozenset(VERBS), scope),)},
    )


@pytest.fixture(scope="module")
async def ground(whole_platform: Platform) -> AsyncIterator[Ground]:
    tenant = await asyncio.to_thread(new_tenant, whole_platform, "narrow")
    score = await asyncio.to_thread(own_field, tenant, "score", "NUMBER")
    rows = tuple(_row(number) for number in range(1, ROWS + 1))
    owner_url = whole_platform.database_url("customer", "owner")
    owner = await asyncpg.connect(owner_url)
    try:
        records = [_record(tenant.id, score, row) for row in rows]
        await owner.copy_records_to_table(
            "customer", schema_name="base", records=records, columns=COLUMNS
        )
        names = {number: str(row["name"]) for number, row in enumerate(rows, 1)}
        await copy_search(owner_url, "customer", tenant.id, ROWS, Texts(names))
        await asyncio.to_thread(build, tenant, [score])
        await owner.execute("VACUUM ANALYZE base.customer")
        await owner.execute("VACUUM ANALYZE base.custom_value")
    finally:
        await owner.close()
    runtime, worker = (
        whole_platform.database_url("customer", one) for one in ("runtime", "worker")
    )
    await read_frequencies(PLAN, worker)
    database = Database("customer", runtime, worker)
    custom = await CustomFieldSource(database, lambda: 0.0)(tenant.id)
    who = Principal("user", USER, tenant.id, role_ids=("r",))
    calls = {
        scope: Call(who, _access(scope), "", datetime.now(UTC), 0.0, custom=custom)
        for scope in SCOPES
    }
    yield Ground(database, calls, rows)
    await database.close()
    tenant.http.close()


@dataclass(frozen=True)
class Texts:
    """What of a customer is searched, for other processes."""

    names: Mapping[int, str]

    def __call__(self, number: int) -> Mapping[str, str]:
        return {"name": self.names[number]}


def expected(rows: tuple[Row, ...], scope: str, condition: str, order: str, way: str) -> list[str]:
    """The ids of the whole list."""
    seen = [row for row in rows if row[scope] and not row["deleted"] and FILTERS[condition](row)]
    seen.sort(key=lambda row: str(row["id"]), reverse=bool(way))
    key = ORDERS[order]
    given = [row for row in seen if row[key] is not None]
    given.sort(key=lambda row: row[key], reverse=bool(way))  # type: ignore[arg-type,return-value]  # all of one type
    return [str(row["id"]) for row in [*given, *(row for row in seen if row[key] is None)]]


async def listed(ground: Ground, scope: str, request: ListRequest, pages: int) -> list[str]:
    """The ids on the first pages."""
    found: list[str] = []
    for _ in range(pages):
        async with ground.database.transaction(ground.calls[scope].tenant_id) as tx:
            page = await list_records(ground.calls[scope], tx, PLAN, request, b"k" * 16)
        found += [record.id for record in page.records]  # type: ignore[attr-defined]  # as every record
        request.page_token = page.next_page_token
        if not request.page_token:
            break
    return found


@pytest.mark.parametrize("scope", SCOPES)
async def test_a_narrow_list_has_what_it_must(ground: Ground, scope: str) -> None:
    assert ROWS // 10 < ROWS_MAX < ROWS * 7 // 10
    for condition, order, way in product(FILTERS, ORDERS, ("", " desc")):
        request = ListRequest(
            filter=condition, order_by=order + way, page_size=90, fields="id", count="exact"
        )
        truth = expected(ground.rows, scope, condition, order, way)
        found = await listed(ground, scope, request, 3)
        assert found == truth[: len(found)], (scope, condition, order, way)
        assert len(found) == min(270, len(truth))


@pytest.mark.parametrize("scope", SCOPES)
async def test_a_narrow_list_is_left_at_its_end(ground: Ground, scope: str) -> None:
    for condition, order in product(FILTERS, ORDERS):
        request = ListRequest(filter=condition, order_by=order, page_size=1000, fields="id")
        truth = expected(ground.rows, scope, condition, order, "")
        assert await listed(ground, scope, request, 100) == truth, (scope, condition, order)
