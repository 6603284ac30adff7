"""The reaches into one table: what decides how a list goes by them, never what is in reach."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, reduce
from operator import add

from sqlalchemy import ColumnElement, Table, bindparam, func, literal_column, select

from chassis.access.model import Reach
from chassis.access.scope import Columns, Shape, reach_parts, table_reach_shape
from chassis.db.indexes import held_with
from chassis.db.planning import AS_IT_IS
from chassis.db.pool import Tx
from chassis.db.sql import Statement, StatementCache, statement

# So few rows may all be looked at for one page.
ROWS_MAX = 8_000
COUNTED_S = 30.0
COUNTED_MAX = 10_000


@dataclass(frozen=True, eq=False)
class Reaches:
    """Which are small, each with the time until which what was counted is taken."""

    table: Table
    columns: Columns
    _statements: StatementCache = field(default_factory=StatementCache)
    _small: dict[tuple[object, Reach], tuple[bool, float]] = field(default_factory=dict)

    @cached_property
    def held(self) -> frozenset[ColumnElement[object]]:
        """The columns that a small reach is filtered and put in order by within indexes."""
        ways = [one for one in (self.columns.owner, self.columns.department) if one is not None]
        found = [held_with(self.table, one) for one in ways]
        return frozenset(set.intersection(*found)) if found else frozenset()

    async def are_small(self, tx: Tx, reach: Reach, values: Mapping[str, object]) -> bool:
        """Whether the tenant had so few rows within this reach when it was last counted."""
        shape, key = table_reach_shape(self.columns, reach), (values["tenant_id"], reach)
        if self.columns.link is not None or not any(shape[:2]):
            return False
        small, until = self._small.get(key, (False, 0.0))
        if time.monotonic() < until:
            return small
        await tx.execute(AS_IT_IS, {})
        row = await tx.fetch_row(self._statements.get(shape, lambda: self._count(shape)), values)
        if len(self._small) >= COUNTED_MAX:
            self._small.clear()
        small = row is not None and int(row["size"]) < ROWS_MAX
        self._small[key] = (small, time.monotonic() + COUNTED_S)
        return small

    def _count(self, shape: Shape) -> Statement:
        """Ways that overlap are added, and each is counted up to the bound, in its index alone."""
        ways, limits = reach_parts(self.columns, shape)
        tenant = self.table.c.tenant_id == bindparam("tenant_id")
        one: ColumnElement[object] = literal_column("1")
        found = (select(one).where(tenant, way) for way in ways or limits)
        ends = [rows.limit(literal_column(str(ROWS_MAX))).subquery() for rows in found]
        counts = [select(func.count()).select_from(end).scalar_subquery() for end in ends]
        return statement(select(reduce(add, counts).label("size")))
