"""What keeps search good while a service runs: fresh statistics, and rows for records that have
none because they are older than the search.
"""

import asyncio
from collections.abc import Sequence
from itertools import groupby

import structlog
from sqlalchemy import any_, bindparam, func, literal_column, or_, select, tuple_
from sqlalchemy.dialects.postgresql import ARRAY, UUID, insert

from chassis.custom_fields.model import OwnFields
from chassis.custom_fields.source import CustomFieldSource
from chassis.db.pool import Database, Record
from chassis.db.sql import Statement, statement
from chassis.events.leader import ByOne
from chassis.resource.plan import Plan
from chassis.search.pinyin import load
from chassis.search.search import Search

REFRESH_S = 60.0
FILL_S = 3600.0
WINDOW = 5_000
BATCH = 500
START = ("00000000-0000-0000-0000-000000000000",) * 2

log = structlog.get_logger()


class SearchUpkeep:
    """The jobs of one service; `plans` are those of its resources that are searched."""

    def __init__(
        self, service: str, database: Database, plans: Sequence[Plan], custom: CustomFieldSource
    ) -> None:
        self.keep_full = ByOne(database, f"{service} search", self.fill, FILL_S).run
        self._custom = custom
        self._database = database
        self._searches = [(plan, plan.search) for plan in plans if plan.search is not None]

    async def keep_fresh(self) -> None:
        """The statistics, read again every few minutes."""
        await self.refresh()
        await asyncio.sleep(REFRESH_S)

    async def refresh(self) -> None:
        """Read the statistics of all search tables, and the dictionary once there is something."""
        for _, search in self._searches:
            async with self._database.worker() as tx:
                await search.frequencies.read(tx, search.table.name)
        if any(search.frequencies.rows for _, search in self._searches):
            await asyncio.to_thread(load)

    async def fill(self) -> None:
        """Write the rows that are missing: at the start, and every hour."""
        for plan, search in self._searches:
            count = await self._fill(plan, search)
            if count:
                log.info("search filled", resource=plan.plural, rows=count)

    async def _fill(self, plan: Plan, search: Search) -> int:
        run, after, count = _missing(search), START, 0
        while True:
            async with self._database.worker() as tx:
                rows = await tx.fetch(run, {"tenant": after[0], "record": after[1]})
            missing = [row for row in rows if row["missing"]]
            for tenant_id, group in groupby(missing, key=lambda row: str(row["tenant_id"])):
                ids = [str(row["id"]) for row in group]
                for at in range(0, len(ids), BATCH):
                    await self._write(plan, search, tenant_id, ids[at : at + BATCH])
            count += len(missing)
            if not rows or rows[-1]["number"] < WINDOW:
                return count
            after = (str(rows[-1]["tenant_id"]), str(rows[-1]["id"]))

    async def _write(self, plan: Plan, search: Search, tenant_id: str, ids: list[str]) -> None:
        """A record that is changed meanwhile brings its own row, which stays or comes after."""
        own = (await self._custom(tenant_id)).of(plan.plural)
        async with self._database.transaction(tenant_id) as tx:
            values = {"tenant_id": tenant_id, "ids": ids}
            records = await tx.fetch(plan.cached("to search", lambda: _records(plan)), values)
            write = plan.cached("search", lambda: _insert(search))
            await tx.execute_many(write, [_row(search, tenant_id, own, one) for one in records])


def _row(search: Search, tenant_id: str, own: OwnFields, record: Record) -> Record:
    return search.row(tenant_id, str(record["id"]), search.texts(own, record))


def _missing(search: Search) -> Statement:
    """The records of a window without a row, and the last of the window."""
    of, table = search.of, search.table
    key = (of.c.tenant_id, of.c.id)
    last = tuple_(*[bindparam(name, type_=UUID(as_uuid=False)) for name in ("tenant", "record")])
    window = (
        select(*key, func.row_number().over(order_by=key).label("number"))
        .where(tuple_(*key) > last)
        .order_by(*key)
        .limit(literal_column(str(WINDOW)))
        .subquery()
    )
    same = (table.c.tenant_id == window.c.tenant_id) & (table.c.id == window.c.id)
    return statement(
        select(window, table.c.id.is_(None).label("missing"))
        .outerjoin(table, same)
        .where(or_(table.c.id.is_(None), window.c.number == literal_column(str(WINDOW))))
        .order_by(window.c.number)
    )


def _records(plan: Plan) -> Statement:
    table = plan.resource.table
    ids = bindparam("ids", type_=ARRAY(UUID(as_uuid=False)))
    of_tenant = table.c.tenant_id == bindparam("tenant_id")
    return statement(select(*plan.columns_of(())).where(of_tenant, table.c.id == any_(ids)))


def _insert(search: Search) -> Statement:
    new = insert(search.table).values({one.name: bindparam(one.name) for one in search.table.c})
    return statement(new.on_conflict_do_nothing())
