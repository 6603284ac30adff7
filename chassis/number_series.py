"""Numbers that people read, such as C000042: each given once, in blocks, so that nobody waits."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert

from chassis.db.pool import Database
from chassis.db.schema import chassis_tables, new_metadata
from chassis.db.sql import statement

# Numbers of a block that a process does not use before it ends are never given.
BLOCK = 50
TENANTS_MAX = 1000

_TABLE = chassis_tables(new_metadata())["number_series"]
_first = insert(_TABLE).values(
    tenant_id=bindparam("tenant_id"), name=bindparam("name"), given=BLOCK
)
_RESERVE = statement(
    _first.on_conflict_do_update(
        index_elements=["tenant_id", "name"], set_={"given": _TABLE.c.given + BLOCK}
    ).returning(_TABLE.c.given)
)


@dataclass(eq=False)
class NumberSeries:
    """One series of every tenant; `pattern` makes the text of a number, for example "C{:06d}"."""

    database: Database
    name: str
    pattern: str
    _blocks: dict[str, Iterator[int]] = field(default_factory=dict)
    _reserving: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def take(self, tenant_id: str) -> str:
        """The next number of the tenant, given to nobody else whatever becomes of the record."""
        number = next(self._blocks.get(tenant_id, iter(())), None)
        while number is None:
            async with self._reserving:
                number = next(self._blocks.get(tenant_id, iter(())), None)
                if number is None:
                    await self._reserve(tenant_id)
        return self.pattern.format(number)

    async def _reserve(self, tenant_id: str) -> None:
        """Take a block in a transaction of its own: one that fails later must not give it back."""
        if len(self._blocks) >= TENANTS_MAX:
            self._blocks.clear()
        async with self.database.worker() as tx:
            row = await tx.fetch_row(_RESERVE, {"tenant_id": tenant_id, "name": self.name})
        assert row is not None
        last = int(row["given"])
        self._blocks[tenant_id] = iter(range(last - BLOCK + 1, last + 1))
