"""Bench data for searching: the rows beside records that are copied, made on all processors."""

from collections.abc import Callable, Mapping
from functools import partial
from itertools import chain
from multiprocessing import Pool

import asyncpg

from bench.data import record_id
from chassis.resource.plan import Plan, make_plan
from services.customer.methods.customer import CUSTOMER
from services.sales.methods.opportunity import opportunity_resource

CHUNK = 1_000
BATCH = 20_000
BUILD_MEMORY = "512MB"
_PLANS: Mapping[str, Plan] = {
    plan.singular: plan for plan in map(make_plan, (CUSTOMER, opportunity_resource()))
}
# Number of a record -> what of it is searched.
Texts = Callable[[int], Mapping[str, str]]


async def copy_search(url: str, resource: str, tenant_id: str, rows: int, texts: Texts) -> None:
    """Copy the rows for the records numbered from 1 on, then analyze; an empty table gets its index
    afterwards.
    """
    table = f"{resource}_search"
    connection = await asyncpg.connect(url)
    empty = not await connection.fetchval(f"SELECT EXISTS (SELECT FROM base.{table})")  # noqa: S608  # text of our own only
    index = await connection.fetchval("SELECT pg_get_indexdef($1::regclass)", _index(table))
    if empty:
        await connection.execute(f"DROP INDEX {_index(table)}")
    with Pool() as pool:
        make = partial(_rows, resource, tenant_id, rows, texts)
        for first in range(1, rows + 1, BATCH):
            made = pool.map(make, range(first, min(first + BATCH, rows + 1), CHUNK))
            await connection.copy_records_to_table(
                table, schema_name="base", records=chain.from_iterable(made)
            )
    if empty:
        await connection.execute(f"SET maintenance_work_mem = '{BUILD_MEMORY}'")
        await connection.execute(index)
    await connection.execute(f"VACUUM ANALYZE base.{table}")
    await connection.close()


def _index(table: str) -> str:
    return f"base.ix_{table}_tokens"


def _rows(
    resource: str, tenant_id: str, rows: int, texts: Texts, first: int
) -> list[tuple[object, ...]]:
    search = _PLANS[resource].search
    assert search is not None
    return [
        tuple(search.row(tenant_id, record_id(number), texts(number)).values())
        for number in range(first, min(first + CHUNK, rows + 1))
    ]
